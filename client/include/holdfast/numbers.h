/* The inline half of <holdfast/holdfast.h>, which includes it and says what the functions do.
 *
 * A handle of a value or array begins with struct hf_view, which says whether its elements are
 * mapped, and as which C type. All other elements go through the functions hf_number_*.
 *
 * The layout of hf_view helps the compiler: each access tests a pointer that no store to an element
 * can change under C's aliasing rules, so the next access need not test it again. For the same
 * reason `count` is not a size_t, which int64_t may alias. An index beyond the count always fails,
 * so a loop that stops at the first failure keeps pointer and count in registers.
 */
#ifndef HOLDFAST_NUMBERS_H
#define HOLDFAST_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

enum hf_access { HF_ACCESS_I32, HF_ACCESS_I64, HF_ACCESS_F64 };

/* At most one pointer is set, and it is set after the count. None is set if the elements are not
 * mapped, of a kind with a lock, or of another type. */
struct hf_view {
  int32_t *i32;
  int64_t *i64;
  double *f64;
  unsigned long long count;
};

/* number, previous, amount and sum point to the C type that `access` names. */
HF_CHECKED hf_status hf_number_load(void *handle, size_t index, int access, void *number);
HF_CHECKED hf_status hf_number_store(void *handle, size_t index, int access, const void *number);
HF_CHECKED hf_status hf_number_exchange(hf_cell *cell, int access, const void *number,
                                        void *previous);
HF_CHECKED hf_status hf_number_add(void *handle, size_t index, int access, const void *amount,
                                   void *sum);
/* Makes OUT_OF_RANGE BAD_INDEX the thread's last error. */
HF_API void hf_number_fail_index(void);

#if defined(__GNUC__)
#define HF_LIKELY(condition) __builtin_expect((condition), 1)

/* prefix, parameters, index, whether the element exists: a cell always has element 0, an array may
 * be shorter */
#define HF_ON_CELL(X, ...) X(hf_cell, hf_cell *handle, 0, 1, __VA_ARGS__)
#define HF_ON_ARRAY(X, ...) \
  X(hf_array, hf_array *handle HF_COMMA size_t index, index, index < view->count, __VA_ARGS__)
#define HF_COMMA ,

#define HF_VIEW const struct hf_view *view = (const struct hf_view *)(const void *)handle

/* A handle made by hf_reference_open is mapped at its first use, possibly while another thread
 * reads the view. x86 keeps the two loads in order. */
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_THREAD__)
#define HF_ELEMENTS(suffix) (view->suffix)
#else
#define HF_ELEMENTS(suffix) __atomic_load_n(&view->suffix, __ATOMIC_ACQUIRE)
#endif

/* Types and lists of parameters can't stand in parentheses.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
/* The calls use variables of their own, so that those of the program can stay in registers. */
#define HF_NUMBER_FUNCTIONS(prefix, parameters, at, is_there, suffix, ctype, wanted) \
  HF_INLINE hf_status prefix##_load_##suffix(parameters, ctype *number) {            \
    HF_VIEW;                                                                         \
    volatile ctype *elements = HF_ELEMENTS(suffix);                                  \
    if (HF_LIKELY(elements != NULL)) {                                               \
      if (HF_LIKELY(is_there)) {                                                     \
        *number = elements[at];                                                      \
        return HF_OK;                                                                \
      }                                                                              \
      hf_number_fail_index();                                                        \
      return HF_OUT_OF_RANGE;                                                        \
    }                                                                                \
    ctype answer;                                                                    \
    hf_status status = hf_number_load(handle, at, wanted, &answer);                  \
    if (status == HF_OK) {                                                           \
      *number = answer;                                                              \
    }                                                                                \
    return status;                                                                   \
  }                                                                                  \
  HF_INLINE hf_status prefix##_store_##suffix(parameters, ctype number) {            \
    HF_VIEW;                                                                         \
    volatile ctype *elements = HF_ELEMENTS(suffix);                                  \
    if (HF_LIKELY(elements != NULL)) {                                               \
      if (HF_LIKELY(is_there)) {                                                     \
        elements[at] = number;                                                       \
        return HF_OK;                                                                \
      }                                                                              \
      hf_number_fail_index();                                                        \
      return HF_OUT_OF_RANGE;                                                        \
    }                                                                                \
    const ctype stored = number;                                                     \
    return hf_number_store(handle, at, wanted, &stored);                             \
  }

#define HF_EXCHANGE_FUNCTION(prefix, parameters, at, is_there, suffix, ctype, wanted)         \
  HF_INLINE hf_status prefix##_exchange_##suffix(parameters, ctype number, ctype *previous) { \
    HF_VIEW;                                                                                  \
    ctype *elements = HF_ELEMENTS(suffix);                                                    \
    if (HF_LIKELY(elements != NULL && (is_there))) {                                          \
      __atomic_exchange(elements + (at), &number, previous, __ATOMIC_SEQ_CST);                \
      return HF_OK;                                                                           \
    }                                                                                         \
    return hf_number_exchange(handle, wanted, &number, previous);                             \
  }

#define HF_ADD_FUNCTION(prefix, parameters, at, is_there, suffix, ctype, wanted)          \
  HF_INLINE hf_status prefix##_add_##suffix(parameters, ctype amount, ctype *sum) {       \
    HF_VIEW;                                                                              \
    ctype *elements = HF_ELEMENTS(suffix);                                                \
    if (HF_LIKELY(elements != NULL && (is_there))) {                                      \
      ctype found = *(volatile ctype *)(elements + (at)), next;                           \
      while (!__builtin_add_overflow(found, amount, &next)) {                             \
        if (HF_LIKELY(__atomic_compare_exchange_n(elements + (at), &found, next, 0,       \
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))) { \
          *sum = next;                                                                    \
          return HF_OK;                                                                   \
        }                                                                                 \
      }                                                                                   \
    }                                                                                     \
    ctype answer;                                                                         \
    hf_status status = hf_number_add(handle, at, wanted, &amount, &answer);               \
    if (status == HF_OK) {                                                                \
      *sum = answer;                                                                      \
    }                                                                                     \
    return status;                                                                        \
  }

/* NOLINTEND(bugprone-macro-parentheses) */

HF_ON_CELL(HF_NUMBER_FUNCTIONS, i32, int32_t, HF_ACCESS_I32)
HF_ON_CELL(HF_NUMBER_FUNCTIONS, i64, int64_t, HF_ACCESS_I64)
HF_ON_CELL(HF_NUMBER_FUNCTIONS, f64, double, HF_ACCESS_F64)
HF_ON_CELL(HF_EXCHANGE_FUNCTION, i32, int32_t, HF_ACCESS_I32)
HF_ON_CELL(HF_EXCHANGE_FUNCTION, i64, int64_t, HF_ACCESS_I64)
HF_ON_CELL(HF_EXCHANGE_FUNCTION, f64, double, HF_ACCESS_F64)
HF_ON_CELL(HF_ADD_FUNCTION, i32, int32_t, HF_ACCESS_I32)
HF_ON_CELL(HF_ADD_FUNCTION, i64, int64_t, HF_ACCESS_I64)
HF_ON_ARRAY(HF_NUMBER_FUNCTIONS, i32, int32_t, HF_ACCESS_I32)
HF_ON_ARRAY(HF_NUMBER_FUNCTIONS, i64, int64_t, HF_ACCESS_I64)
HF_ON_ARRAY(HF_NUMBER_FUNCTIONS, f64, double, HF_ACCESS_F64)
HF_ON_ARRAY(HF_ADD_FUNCTION, i32, int32_t, HF_ACCESS_I32)
HF_ON_ARRAY(HF_ADD_FUNCTION, i64, int64_t, HF_ACCESS_I64)

#undef HF_ADD_FUNCTION
#undef HF_EXCHANGE_FUNCTION
#undef HF_NUMBER_FUNCTIONS
#undef HF_ELEMENTS
#undef HF_VIEW
#undef HF_ON_ARRAY
#undef HF_ON_CELL
#undef HF_COMMA
#undef HF_LIKELY
#endif
#endif
