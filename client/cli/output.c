/* What the commands print; see output.h. */
#include "client/cli/output.h"

#include "client/cli/terminal.h"
#include "client/cli/value_json.h"

#include <ctype.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints the document as a line; document is taken. */
static int print_json(json_t *document) {
  if (document == NULL) {
    fputs("holdfast: out of memory\n", stderr);
    return CLI_FAILED;
  }
  value_json_print(document, stdout);
  putchar('\n');
  json_decref(document);
  return CLI_YES;
}

/* Text bare, everything else as JSON. */
static void print_bare(const struct cli *cli, const hf_value *value) {
  if (value->type == HF_TYPE_TEXT) {
    if (cli->options.format == CLI_RAW)
      fwrite(value->text, 1, value->size, stdout);
    else
      terminal_write(stdout, value->text, value->size, true);
    return;
  }
  json_t *node = value_json_encode(value);
  value_json_print(node, stdout);
  json_decref(node);
}

int output_done(const struct cli *cli) {
  return cli->options.format == CLI_JSON ? print_json(json_pack("{s:b}", "ok", 1)) : CLI_YES;
}

int output_value(const struct cli *cli, const hf_value *value) {
  if (cli->options.format == CLI_JSON)
    return print_json(json_pack("{s:o}", "value", value_json_encode(value)));
  print_bare(cli, value);
  putchar('\n');
  return CLI_YES;
}

int output_count(const struct cli *cli, const char *name, uint64_t count) {
  if (cli->options.format == CLI_JSON)
    return print_json(json_pack("{s:I}", name, (json_int_t)count));
  printf("%" PRIu64 "\n", count);
  return CLI_YES;
}

int output_bool(const struct cli *cli, const char *name, bool truth) {
  if (cli->options.format == CLI_JSON)
    print_json(json_pack("{s:b}", name, (int)truth));
  else
    puts(truth ? "true" : "false");
  return truth ? CLI_YES : CLI_NO;
}

int output_exchange(const struct cli *cli, bool swapped, hf_value *found) {
  if (cli->options.format == CLI_JSON)
    print_json(json_pack("{s:b, s:o}", "swapped", (int)swapped, "found", value_json_encode(found)));
  else
    puts(swapped ? "true" : "false");
  hf_value_clear(found);
  return swapped ? CLI_YES : CLI_NO;
}

/* ------------------------------------------------------------------ tables */

static struct libscols_table *table_new(const char *const *columns) {
  struct libscols_table *table = scols_new_table();
  for (size_t i = 0; table != NULL && columns[i] != NULL; i++) {
    char heading[32] = "";
    for (size_t j = 0; j + 1 < sizeof heading && columns[i][j] != '\0'; j++)
      heading[j] = (char)toupper((unsigned char)columns[i][j]);
    scols_table_new_column(table, heading, 0, 0);
  }
  return table;
}

static void table_set(struct libscols_line *line, size_t column, const json_t *cell) {
  if (cell == NULL || json_is_null(cell))
    return;
  char *text = json_is_string(cell) ? strdup(json_string_value(cell)) : value_json_text(cell);
  char *escaped = text == NULL ? NULL : terminal_escape(text, strlen(text), false);
  free(text);
  scols_line_refer_data(line, column, escaped); /* takes it */
}

static int print_table(json_t *rows, const char *const *columns) {
  struct libscols_table *table = table_new(columns);
  for (size_t i = 0; table != NULL && i < json_array_size(rows); i++) {
    struct libscols_line *line = scols_table_new_line(table, NULL);
    for (size_t j = 0; line != NULL && columns[j] != NULL; j++)
      table_set(line, j, json_object_get(json_array_get(rows, i), columns[j]));
  }
  int failed = table == NULL || scols_print_table(table) != 0;
  scols_unref_table(table);
  json_decref(rows);
  return failed ? CLI_FAILED : CLI_YES;
}

static void print_cell_raw(const json_t *cell) {
  if (json_is_string(cell))
    fwrite(json_string_value(cell), 1, json_string_length(cell), stdout);
  else if (cell != NULL)
    value_json_print(cell, stdout);
}

int output_rows(const struct cli *cli, const char *name, json_t *rows, const char *const *columns) {
  if (cli->options.format == CLI_JSON)
    return print_json(json_pack("{s:o}", name, rows));
  if (cli->options.format == CLI_TABLE)
    return print_table(rows, columns);
  for (size_t i = 0; i < json_array_size(rows); i++)
    for (size_t j = 0; columns[j] != NULL; j++) {
      print_cell_raw(json_object_get(json_array_get(rows, i), columns[j]));
      putchar(columns[j + 1] != NULL ? '\t' : '\n');
    }
  json_decref(rows);
  return CLI_YES;
}

int output_members(const struct cli *cli, json_t *members) {
  if (cli->options.format == CLI_JSON)
    return print_json(members);
  static const char *const columns[] = {"name", "value", NULL};
  json_t *rows = json_array();
  const char *name;
  json_t *member;
  json_object_foreach(members, name, member) {
    json_array_append_new(rows, json_pack("{s:s, s:O}", "name", name, "value", member));
  }
  json_decref(members);
  return output_rows(cli, "members", rows, columns);
}

/* A table cell: quotes text that could be taken for another type, so that 1 and "1" differ. */
static json_t *table_cell(const hf_value *value) {
  json_t *node = value_json_encode(value);
  char *text = value_json_text(node);
  json_t *cell = json_string(text);
  free(text);
  json_decref(node);
  return cell;
}

int output_values(const struct cli *cli, const char *heading, const hf_value *values,
                  size_t count) {
  json_t *rows = json_array();
  for (size_t i = 0; i < count && cli->options.format == CLI_JSON; i++)
    json_array_append_new(rows, value_json_encode(&values[i]));
  if (cli->options.format == CLI_JSON)
    return print_json(json_pack("{s:o}", "values", rows));
  for (size_t i = 0; i < count; i++) {
    if (cli->options.format == CLI_TABLE) {
      json_array_append_new(
          rows, json_pack("{s:I, s:o}", "index", (json_int_t)i, heading, table_cell(&values[i])));
      continue;
    }
    print_bare(cli, &values[i]);
    putchar('\n');
  }
  const char *const columns[] = {"index", heading, NULL};
  return output_rows(cli, "values", rows, columns);
}

int output_entries(const struct cli *cli, const struct hf_entry *entries, size_t count) {
  static const char *const columns[] = {"key", "value", NULL};
  json_t *(*encode)(const hf_value *) =
      cli->options.format == CLI_TABLE ? table_cell : value_json_encode;
  json_t *rows = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(rows, json_pack("{s:o, s:o}", "key", encode(&entries[i].key), "value",
                                          encode(&entries[i].value)));
  return output_rows(cli, "items", rows, columns);
}

int output_entry_line(const struct cli *cli, const struct hf_entry *entry) {
  if (cli->options.format == CLI_JSON)
    return print_json(json_pack("{s:o, s:o}", "key", value_json_encode(&entry->key), "value",
                                value_json_encode(&entry->value)));
  print_bare(cli, &entry->key);
  putchar('\t');
  print_bare(cli, &entry->value);
  putchar('\n');
  return CLI_YES;
}
