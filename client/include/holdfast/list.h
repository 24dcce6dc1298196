/* Lists.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_LIST_H
#define HOLDFAST_LIST_H

#include <holdfast/object.h>
#include <holdfast/slice.h>

HF_BEGIN_DECLARATIONS

HF_CHECKED hf_status hf_list_open(hf_conn *conn, const char *name, hf_list **list);
HF_API void hf_list_close(hf_list *list);
/* Indexes may be negative, as in Python. OUT_OF_RANGE BAD_INDEX */
HF_CHECKED hf_status hf_list_get(hf_list *list, int64_t index, hf_value *value);
HF_CHECKED hf_status hf_list_set(hf_list *list, int64_t index, hf_value value);
HF_CHECKED hf_status hf_list_delete(hf_list *list, int64_t index);
/* INVALID_ARGUMENT BAD_SLICE */
HF_CHECKED hf_status hf_list_get_slice(hf_list *list, struct hf_slice slice, hf_value **values,
                                       size_t *count);
HF_CHECKED hf_status hf_list_set_slice(hf_list *list, struct hf_slice slice, const hf_value *values,
                                       size_t count);
HF_CHECKED hf_status hf_list_delete_slice(hf_list *list, struct hf_slice slice);
HF_CHECKED hf_status hf_list_append(hf_list *list, hf_value value);
HF_CHECKED hf_status hf_list_extend(hf_list *list, const hf_value *values, size_t count);
HF_CHECKED hf_status hf_list_insert(hf_list *list, int64_t index, hf_value value);
/* index HF_OMITTED: the last item. OUT_OF_RANGE BAD_INDEX, IS_EMPTY */
HF_CHECKED hf_status hf_list_pop(hf_list *list, int64_t index, hf_value *value);
/* NOT_FOUND NO_SUCH_VALUE */
HF_CHECKED hf_status hf_list_remove(hf_list *list, hf_value value);
/* Searches [start, stop), HF_OMITTED for an end of the list. NOT_FOUND NO_SUCH_VALUE */
HF_CHECKED hf_status hf_list_index(hf_list *list, hf_value value, int64_t start, int64_t stop,
                                   uint64_t *index);
HF_CHECKED hf_status hf_list_count(hf_list *list, hf_value value, uint64_t *count);
HF_CHECKED hf_status hf_list_contains(hf_list *list, hf_value value, bool *found);
HF_CHECKED hf_status hf_list_len(hf_list *list, uint64_t *len);
HF_CHECKED hf_status hf_list_reverse(hf_list *list);
/* Stable. INVALID_ARGUMENT NOT_ORDERED, the list is unchanged */
HF_CHECKED hf_status hf_list_sort(hf_list *list, bool reverse);
/* Answer list + values and list * count; the list is unchanged. */
HF_CHECKED hf_status hf_list_concat(hf_list *list, const hf_value *values, size_t count,
                                    hf_value **result, size_t *result_count);
HF_CHECKED hf_status hf_list_repeat(hf_list *list, int64_t count, hf_value **result,
                                    size_t *result_count);
HF_CHECKED hf_status hf_list_repeat_in_place(hf_list *list, int64_t count);
HF_CHECKED hf_status hf_list_copy(hf_list *list, hf_value **values, size_t *count);
HF_CHECKED hf_status hf_list_clear(hf_list *list);
/* Atomic add; answers the sum. out sum may be NULL. OUT_OF_RANGE BAD_INDEX, OVERFLOW |
 * INVALID_ARGUMENT WRONG_TYPE */
HF_CHECKED hf_status hf_list_add(hf_list *list, int64_t index, hf_value amount, hf_value *sum);
/* out found may be NULL. OUT_OF_RANGE BAD_INDEX */
HF_CHECKED hf_status hf_list_compare_and_set(hf_list *list, int64_t index, hf_value expected,
                                             hf_value desired, bool *swapped, hf_value *found);

HF_END_DECLARATIONS

#endif
