/* Namespaces.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_NAMESPACE_H
#define HOLDFAST_NAMESPACE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

HF_CHECKED hf_status hf_namespace_open(hf_conn *conn, const char *name, hf_namespace **ns);
HF_API void hf_namespace_close(hf_namespace *ns);
/* NOT_FOUND NO_SUCH_ATTRIBUTE */
HF_CHECKED hf_status hf_namespace_get(hf_namespace *ns, const char *attribute, hf_value *value);
HF_CHECKED hf_status hf_namespace_set(hf_namespace *ns, const char *attribute, hf_value value);
HF_CHECKED hf_status hf_namespace_delete(hf_namespace *ns, const char *attribute);
HF_CHECKED hf_status hf_namespace_list(hf_namespace *ns, hf_value **attributes, size_t *count);

HF_END_DECLARATIONS

#endif
