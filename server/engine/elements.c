#include "server/engine/elements.h"

#include "server/engine/object.h"

#include <string.h>

static const struct cell_type *type_of(const struct cells *cells) {
  return cell_type_of(cells->typecode);
}

uint64_t elements_bits(const struct cells *cells, size_t idx) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  return share ? share->host->load(share->host->ctx, &share->location, type, idx)
               : cell_plain_read(type, cells->elements, idx);
}

void elements_set_bits(struct cells *cells, size_t idx, uint64_t bits) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  if (share) {
    share->host->store(share->host->ctx, &share->location, type, idx, bits);
  } else {
    cell_plain_write(type, cells->elements, idx, bits);
  }
}

struct value elements_value(const struct cells *cells, size_t idx) {
  return cell_value(type_of(cells), elements_bits(cells, idx));
}

hf_reason elements_store(struct cells *cells, size_t idx, struct value value) {
  uint64_t bits;
  hf_reason reason = cell_bits(type_of(cells), value, &bits);
  if (!reason) {
    elements_set_bits(cells, idx, bits);
  }
  return reason;
}

void elements_read(const struct cells *cells, size_t idx, size_t count, void *to) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  if (share) {
    share->host->read(share->host->ctx, &share->location, type, idx, count, to);
  } else if (count > 0) {
    memcpy(to, (const char *)cells->elements + idx * type->bytes, count * type->bytes);
  }
}

void elements_write(struct cells *cells, size_t idx, size_t count, const void *from) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  uint8_t *to = cells->elements;
  if (share) {
    share->host->write(share->host->ctx, &share->location, type, idx, count, from);
  } else if (type->code == '?') {
    for (size_t i = 0; i < count; i++) {
      to[idx + i] = ((const uint8_t *)from)[i] != 0;
    }
  } else if (count > 0) {
    memcpy(to + idx * type->bytes, from, count * type->bytes);
  }
}

hf_reason elements_add(struct cells *cells, size_t idx, bool is_locked, struct value amount,
                       uint64_t *sum) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  if (share) {
    return share->host->add(share->host->ctx, &share->location, type, idx, is_locked, amount, sum);
  }
  hf_reason reason = cell_add_bits(type, cell_plain_read(type, cells->elements, idx), amount, sum);
  if (!reason) {
    cell_plain_write(type, cells->elements, idx, *sum);
  }
  return reason;
}

hf_reason elements_compare_and_set(struct cells *cells, size_t idx, bool is_locked,
                                   struct value expected, struct value desired, bool *swapped,
                                   uint64_t *found) {
  const struct cell_type *type = type_of(cells);
  const struct cell_share *share = cells->share;
  uint64_t bits;
  if (share) {
    return share->host->compare_and_set(share->host->ctx, &share->location, type, idx, is_locked,
                                        expected, desired, swapped, found);
  }
  *found = cell_plain_read(type, cells->elements, idx);
  *swapped = false;
  if (!value_equal(cell_value(type, *found), expected)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = cell_bits(type, desired, &bits);
  if (!reason) {
    cell_plain_write(type, cells->elements, idx, bits);
    *swapped = true;
  }
  return reason;
}

/* The bound of attempts while a client stores continuously: then it loses one of its own. */
#define EXCHANGE_TRIES_MAX 100

hf_reason elements_exchange(struct cells *cells, size_t idx, struct value value, uint64_t *before) {
  bool is_swapped = false;
  for (unsigned tries = 0; !is_swapped && tries < EXCHANGE_TRIES_MAX; tries++) {
    uint64_t found;
    *before = elements_bits(cells, idx);
    struct value expected = cell_value(type_of(cells), *before);
    hf_reason reason =
        elements_compare_and_set(cells, idx, false, expected, value, &is_swapped, &found);
    value_release(expected);
    if (reason) {
      return reason;
    }
  }
  return is_swapped ? HF_REASON_NONE : elements_store(cells, idx, value);
}
