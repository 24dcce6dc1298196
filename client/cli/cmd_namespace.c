/* holdfast namespace ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#define NAMESPACE(object) ((hf_namespace *)(object))

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  hf_status status = hf_namespace_get(NAMESPACE(object), cli->args[1].text, &value);
  return answer_value(cli, status, &value);
}

static int set(struct cli *cli, hf_object *object) {
  return answer_done(cli,
                     hf_namespace_set(NAMESPACE(object), cli->args[1].text, cli->args[2].value));
}

static int delete_attribute(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_namespace_delete(NAMESPACE(object), cli->args[1].text));
}

static int list_attributes(struct cli *cli, hf_object *object) {
  hf_value *attributes = NULL;
  size_t count = 0;
  hf_status status = hf_namespace_list(NAMESPACE(object), &attributes, &count);
  return answer_values(cli, status, "attribute", attributes, count);
}

const struct command namespace_commands[] = {
    {"get", "nn", "NAME ATTRIBUTE", OPEN_EXISTING, HF_NAMESPACE, false, get, "its value"},
    {"set", "nnv", "NAME ATTRIBUTE VALUE", OPEN_CREATING, HF_NAMESPACE, false, set, "sets it"},
    {"del", "nn", "NAME ATTRIBUTE", OPEN_EXISTING, HF_NAMESPACE, false, delete_attribute,
     "removes it"},
    {"ls", "n", "NAME", OPEN_EXISTING, HF_NAMESPACE, false, list_attributes, "all attributes"},
    {0},
};
