/* Every call of the library once, for threads that are not like others. */
#ifndef HF_TESTS_INTEGRATION_EVERY_CALL_H
#define HF_TESTS_INTEGRATION_EVERY_CALL_H

/* Over a connection of its own, which it closes. NULL, or the first call that failed. */
const char *every_call(const char *url);

#endif
