/* Common code of values and arrays; see typed.h. */
#include "client/cli/typed.h"

#include <string.h>

int typed_read_typecode(const struct cli *cli, const char *word, char *typecode) {
  if (strlen(word) != 1 || strchr("cbB?hHiIlLqQfd", word[0]) == NULL)
    return cli_usage(cli, "%s is not a type: one of c b B ? h H i I l L q Q f d", word);
  *typecode = word[0];
  return CLI_YES;
}

int typed_check_kind(const struct cli *cli, const hf_object *object, hf_kind plain, hf_kind raw) {
  hf_kind kind = hf_object_kind(object);
  if (kind == plain || kind == raw)
    return CLI_YES;
  return cli_fail_with(cli, HF_INVALID_ARGUMENT, "WRONG_KIND",
                       hf_reason_sentence(HF_REASON_WRONG_KIND));
}

hf_value typed_byte(char typecode, hf_value value) {
  if (typecode == 'c' && value.type == HF_TYPE_TEXT && value.size == 1)
    return hf_bytes(value.text, 1);
  return value;
}

hf_status typed_value(hf_object *object, hf_value written, hf_value *value) {
  struct hf_object_info info = {.typecode = '\0'};
  /* only text is converted to a byte; numbers stay */
  if (written.type == HF_TYPE_TEXT) {
    hf_status status = hf_object_info(object, &info);
    if (status != HF_OK)
      return status;
  }
  *value = typed_byte(info.typecode, written);
  return HF_OK;
}
