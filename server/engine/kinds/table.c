#include "server/engine/kinds/table.h"

#include "server/engine/kinds/kind.h"

static const struct kind *const rows[] = {
    [HOLDFAST__KIND__DICT] = &kind_dict,
    [HOLDFAST__KIND__LIST] = &kind_list,
    [HOLDFAST__KIND__QUEUE] = &kind_queue,
    [HOLDFAST__KIND__PIPE] = &kind_pipe,
    [HOLDFAST__KIND__NAMESPACE] = &kind_namespace,
    [HOLDFAST__KIND__VALUE] = &kind_value,
    [HOLDFAST__KIND__ARRAY] = &kind_array,
    [HOLDFAST__KIND__RAW_VALUE] = &kind_raw_value,
    [HOLDFAST__KIND__RAW_ARRAY] = &kind_raw_array,
    [HOLDFAST__KIND__LOCK] = &kind_lock,
    [HOLDFAST__KIND__RLOCK] = &kind_rlock,
    [HOLDFAST__KIND__SEMAPHORE] = &kind_semaphore,
    [HOLDFAST__KIND__BOUNDED_SEMAPHORE] = &kind_bounded_semaphore,
    [HOLDFAST__KIND__EVENT] = &kind_event,
    [HOLDFAST__KIND__CONDITION] = &kind_condition,
    [HOLDFAST__KIND__BARRIER] = &kind_barrier,
};

const struct kind *kind_find(int number) {
  bool is_known = number >= 0 && (size_t)number < sizeof rows / sizeof *rows;
  return is_known ? rows[number] : NULL;
}
