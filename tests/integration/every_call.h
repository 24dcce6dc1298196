/* Every call of the library once, for threads with special attributes. */
#ifndef HF_TESTS_INTEGRATION_EVERY_CALL_H
#define HF_TESTS_INTEGRATION_EVERY_CALL_H

/* Uses a connection of its own. NULL, or the name of the first call that failed. */
const char *every_call(const char *url);

#endif
