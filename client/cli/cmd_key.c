/* holdfast key new */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The shell made the file that the key goes to, with the modes of any file. */
static void keep_from_others(void) {
  struct stat file;
  if (fstat(STDOUT_FILENO, &file) == 0 && S_ISREG(file.st_mode) && (file.st_mode & 077) != 0)
    if (fchmod(STDOUT_FILENO, file.st_mode & 0700) != 0)
      perror("holdfast: others may read the key's file");
}

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  char line[HF_KEY_LINE_BYTES];
  if (hf_key_new(cli->args[0].text, line) != HF_OK)
    return cli_usage(cli, "%s", hf_last_error()->message);
  keep_from_others();
  if (cli->options.format == CLI_JSON)
    return output_members(cli, json_pack("{s:s}", "key", line));
  puts(line);
  return CLI_YES;
}

const struct command key_commands[] = {
    {"new", "n", "USER", OPEN_NO_SERVER, HF_ANY, false, make,
     "makes a key: USER:hfk1_.., a secret"},
    {0},
};
