/* The sentence of a refusal: which user, what for, and how much. It is written where a right or a quota
 * is refused, and becomes the message of the reply that this call gets.
 *
 *   rights, quotas --denial_begin, denial_add--> engine->denial --denial_explain--> reply->sentence
 *
 * layer   engine
 * limits  DENIAL_BYTES_MAX of UTF-8, whatever the names in it
 */
#ifndef HF_ENGINE_DENIAL_H
#define HF_ENGINE_DENIAL_H

#include "proto/base/bytes.h"
#include "proto/status.h"

#define DENIAL_BYTES_MAX 1024

struct reply;

/* The last refusal of a command; of no meaning once its reply is made. */
struct denial {
  hf_reason reason;
  size_t len;
  char text[DENIAL_BYTES_MAX];
};

void denial_begin(struct denial *denial, hf_reason reason);
/* What does not fit is cut. Arguments are UTF-8. */
void denial_add(struct denial *denial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* In quotes, cleaned. */
void denial_add_name(struct denial *denial, struct bytes name);
/* "2.0 GiB" */
void denial_add_bytes(struct denial *denial, uint64_t bytes);
/* Gives the sentence to a reply that failed, if it is about the reply's reason. Without memory the
 * reason has its own. */
void denial_explain(struct denial *denial, struct reply *reply);

#endif
