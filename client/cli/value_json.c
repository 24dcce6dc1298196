/* Values as JSON and back; see value_json.h. */
#include "client/cli/value_json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/terminal.h"

/* ------------------------------------------------------------------ encode */

static json_t *checked(json_t *node) {
  if (node != NULL)
    return node;
  fputs("holdfast: out of memory, or text that is not UTF-8\n", stderr);
  exit(CLI_FAILED);
}

static json_t *encode_base64(const void *data, size_t size_bytes) {
  size_t text_bytes = sodium_base64_encoded_len(size_bytes, sodium_base64_VARIANT_ORIGINAL);
  char *text = malloc(text_bytes);
  if (text == NULL)
    return checked(NULL);
  sodium_bin2base64(text, text_bytes, data, size_bytes, sodium_base64_VARIANT_ORIGINAL);
  json_t *node = json_string(text);
  free(text);
  return checked(node);
}

static json_t *encode_float(double real) {
  if (isfinite(real))
    return checked(json_real(real));
  return checked(json_pack("{s:s}", "float", isnan(real) ? "nan" : (real > 0 ? "inf" : "-inf")));
}

static json_t *encode_uint(uint64_t integer) {
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRIu64, integer);
  return checked(json_pack("{s:s}", "uint", digits));
}

static json_t *encode_tuple(const hf_value *tuple) {
  json_t *array = checked(json_array());
  for (size_t i = 0; i < tuple->size; i++)
    json_array_append_new(array, value_json_encode(&tuple->items[i]));
  return array;
}

json_t *value_json_encode(const hf_value *value) {
  switch (value->type) {
    case HF_TYPE_NONE:
      return checked(json_null());
    case HF_TYPE_BOOL:
      return checked(json_boolean(value->boolean));
    case HF_TYPE_INT:
      return checked(json_integer(value->integer));
    case HF_TYPE_UINT:
      return encode_uint(value->unsigned_integer);
    case HF_TYPE_FLOAT:
      return encode_float(value->real);
    case HF_TYPE_TEXT:
      return checked(json_stringn(value->text, value->size));
    case HF_TYPE_BYTES:
      return checked(json_pack("{s:o}", "bytes", encode_base64(value->bytes, value->size)));
    case HF_TYPE_TUPLE:
      return encode_tuple(value);
    case HF_TYPE_REFERENCE:
      return checked(json_pack("{s:I, s:s}", "reference", (json_int_t)value->object, "kind",
                               hf_kind_name(value->kind)));
    case HF_TYPE_OPAQUE:
      return checked(json_pack("{s:s, s:o}", "codec", value->codec, "opaque",
                               encode_base64(value->bytes, value->size)));
  }
  return checked(NULL);
}

/* ------------------------------------------------------------------ print */

/* The digits needed to print every number of the document exactly. Jansson has one precision per
 * document, and with 17 digits 0.1 would be 0.10000000000000001. */
static int digits_needed(const json_t *node) {
  int digits = 1;
  if (json_is_real(node)) {
    char text[40];
    for (; digits < 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, json_real_value(node));
      if (strtod(text, NULL) == json_real_value(node))
        break;
    }
  } else if (json_is_array(node)) {
    for (size_t i = 0; i < json_array_size(node); i++) {
      int item_digits = digits_needed(json_array_get(node, i));
      digits = item_digits > digits ? item_digits : digits;
    }
  } else if (json_is_object(node)) {
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)node, name, member) {
      int item_digits = digits_needed(member);
      digits = item_digits > digits ? item_digits : digits;
    }
  }
  return digits;
}

static size_t print_flags(const json_t *document) {
  return JSON_ENCODE_ANY | JSON_REAL_PRECISION((size_t)digits_needed(document));
}

/* JSON escapes ASCII's control characters itself; \uXXXX of the others is JSON too. */
void value_json_print(const json_t *document, FILE *stream) {
  if (!isatty(fileno(stream))) {
    json_dumpf(document, stream, print_flags(document));
    return;
  }
  char *text = value_json_text(document);
  terminal_write(stream, text, strlen(text), true);
  free(text);
}

char *value_json_text(const json_t *document) {
  char *text = json_dumps(document, print_flags(document));
  if (text == NULL)
    checked(NULL);
  return text;
}

/* ------------------------------------------------------------------ parse */

static int parse_node(struct cli *cli, const json_t *node, hf_value *value);

static int parse_base64(struct cli *cli, const char *text, const uint8_t **data,
                        size_t *size_bytes) {
  size_t text_bytes = strlen(text);
  uint8_t *decoded = cli_alloc(cli, text_bytes);
  if (sodium_base642bin(decoded, text_bytes, text, text_bytes, NULL, size_bytes, NULL,
                        sodium_base64_VARIANT_ORIGINAL) != 0)
    return cli_usage(cli, "\"%s\" is not base64", text);
  *data = decoded;
  return CLI_YES;
}

static int parse_uint(struct cli *cli, const char *digits, hf_value *value) {
  char *end;
  errno = 0;
  unsigned long long integer = strtoull(digits, &end, 10);
  if (errno != 0 || *end != '\0' || digits[0] < '0' || digits[0] > '9')
    return cli_usage(cli, "%s is not an integer of 64 bits; use --text to mean the text", digits);
  *value = hf_uint(integer);
  return CLI_YES;
}

static int parse_float_word(struct cli *cli, const char *word, hf_value *value) {
  if (strcmp(word, "nan") == 0)
    *value = hf_float((double)NAN);
  else if (strcmp(word, "inf") == 0)
    *value = hf_float((double)INFINITY);
  else if (strcmp(word, "-inf") == 0)
    *value = hf_float(-(double)INFINITY);
  else
    return cli_usage(cli, "a float is \"nan\", \"inf\" or \"-inf\", not \"%s\"", word);
  return CLI_YES;
}

static int parse_object(struct cli *cli, const json_t *node, hf_value *value) {
  const char *bytes = json_string_value(json_object_get(node, "bytes"));
  const char *opaque = json_string_value(json_object_get(node, "opaque"));
  const char *codec = json_string_value(json_object_get(node, "codec"));
  const char *real = json_string_value(json_object_get(node, "float"));
  const char *digits = json_string_value(json_object_get(node, "uint"));
  const uint8_t *data = NULL;
  size_t size_bytes = 0;
  size_t members = json_object_size(node);
  if (bytes != NULL && members == 1) {
    int code = parse_base64(cli, bytes, &data, &size_bytes);
    if (code == CLI_YES)
      *value = hf_bytes(data, size_bytes);
    return code;
  }
  if (opaque != NULL && codec != NULL && members == 2) {
    char *name = cli_alloc(cli, strlen(codec) + 1);
    memcpy(name, codec, strlen(codec));
    int code = parse_base64(cli, opaque, &data, &size_bytes);
    if (code == CLI_YES)
      *value = hf_opaque(name, data, size_bytes);
    return code;
  }
  if (real != NULL && members == 1)
    return parse_float_word(cli, real, value);
  if (digits != NULL && members == 1)
    return parse_uint(cli, digits, value);
  return cli_usage(cli, "a JSON object is not a value; use --text to mean its text");
}

static int parse_tuple(struct cli *cli, const json_t *node, hf_value *value) {
  size_t count = json_array_size(node);
  hf_value *items = cli_alloc(cli, count * sizeof *items);
  for (size_t i = 0; i < count; i++) {
    int code = parse_node(cli, json_array_get(node, i), &items[i]);
    if (code != CLI_YES)
      return code;
  }
  *value = hf_tuple(items, count);
  return CLI_YES;
}

static int parse_node(struct cli *cli, const json_t *node, hf_value *value) {
  switch (json_typeof(node)) {
    case JSON_OBJECT:
      return parse_object(cli, node, value);
    case JSON_ARRAY:
      return parse_tuple(cli, node, value);
    case JSON_STRING: {
      size_t size_bytes = json_string_length(node);
      char *text = cli_alloc(cli, size_bytes + 1);
      memcpy(text, json_string_value(node), size_bytes);
      *value = hf_text_n(text, size_bytes);
      return CLI_YES;
    }
    case JSON_INTEGER:
      *value = hf_int(json_integer_value(node));
      return CLI_YES;
    case JSON_REAL:
      *value = hf_float(json_real_value(node));
      return CLI_YES;
    case JSON_NULL:
      *value = hf_none();
      return CLI_YES;
    default:
      *value = hf_bool(json_is_true(node));
      return CLI_YES;
  }
}

int value_json_parse_argument(struct cli *cli, const char *argument, hf_value *value) {
  *value = hf_text(argument);
  if (cli->options.text)
    return CLI_YES;
  json_error_t error;
  json_t *node = json_loads(argument, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  if (node == NULL)
    return json_error_code(&error) == json_error_numeric_overflow ? parse_uint(cli, argument, value)
                                                                  : CLI_YES;
  int code = parse_node(cli, node, value);
  json_decref(node);
  return code;
}
