/* Reads a file of sections and keys, by inih.
 *
 *   [section]
 *   key = value        ; a comment, as are lines that begin with ; or #
 *
 * layer   config, internal; the only code with inih
 * threads one at a time
 * limits  a line has INI_FILE_LINE_BYTES, a section's name INI_FILE_SECTION_BYTES: inih would cut a
 *         longer one, and two users would be one. A section without keys is not seen.
 */
#ifndef HF_CONFIG_INI_FILE_H
#define HF_CONFIG_INI_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define INI_FILE_LINE_BYTES 4000
#define INI_FILE_SECTION_BYTES 49
#define INI_FILE_ERROR_BYTES 160

struct ini_file {
  void *ctx;
  /* Of each key, in order. false: reading ends, and ctx knows why. */
  bool (*set)(void *ctx, const char *section, const char *key, const char *value, unsigned line);
};

enum ini_file_result {
  INI_FILE_READ,
  INI_FILE_MISSING, /* there is no such file */
  INI_FILE_REFUSED, /* by `set` */
  INI_FILE_BAD,     /* error says why; line is 0 if it is the whole file's */
};

enum ini_file_result ini_file_read(const char *path, const struct ini_file *sink, unsigned *line,
                                   char error[INI_FILE_ERROR_BYTES]);

#endif
