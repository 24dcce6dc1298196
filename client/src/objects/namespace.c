#include "client/src/objects/object.h"

hf_status hf_namespace_open(hf_conn *conn, const char *name, hf_namespace **ns) {
  return object_open_simple(conn, name, HF_NAMESPACE, ns);
}

void hf_namespace_close(hf_namespace *ns) {
  hf_object_close(HF_AS_OBJECT(ns));
}

static ProtobufCBinaryData borrow_text(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

hf_status hf_namespace_get(hf_namespace *ns, const char *attribute, hf_value *value) {
  struct request request;
  Holdfast__NamespaceGet arm = HOLDFAST__NAMESPACE_GET__INIT;
  request_of(&request, ns, OPERATION(NAMESPACE_GET));
  arm.attribute = borrow_text(attribute);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_namespace_set(hf_namespace *ns, const char *attribute, hf_value value) {
  struct request request;
  Holdfast__NamespaceSet arm = HOLDFAST__NAMESPACE_SET__INIT;
  request_of(&request, ns, OPERATION(NAMESPACE_SET));
  arm.attribute = borrow_text(attribute);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_namespace_delete(hf_namespace *ns, const char *attribute) {
  struct request request;
  Holdfast__NamespaceDelete arm = HOLDFAST__NAMESPACE_DELETE__INIT;
  request_of(&request, ns, OPERATION(NAMESPACE_DELETE));
  arm.attribute = borrow_text(attribute);
  return request_send(&request, &arm.base);
}

hf_status hf_namespace_list(hf_namespace *ns, hf_value **attributes, size_t *count) {
  struct request request;
  Holdfast__NamespaceList arm = HOLDFAST__NAMESPACE_LIST__INIT;
  request_of(&request, ns, OPERATION(NAMESPACE_LIST));
  request_ask(&request, result_values, attributes, count);
  return request_send(&request, &arm.base);
}
