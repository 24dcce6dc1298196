/* Signals during calls: what Ctrl-C does to a thread that waits in the library.
 *
 *   struct interruption interruption;
 *   if (!interrupt_begin(&interruption)) return NULL;      releases the GIL
 *   status = run(call);
 *   if (!interrupt_end(&interruption, status)) return NULL;   has the GIL again
 *
 *   the signal's handler (Python) raises      while run waits, in Python's main thread
 *        |
 *        v
 *   the call is withdrawn --- not HF_OK ---> its exception is raised by the method
 *        |
 *        '--- HF_OK: performed meanwhile --> the method returns its result; the exception is raised
 *                                            by the next bytecode that may be interrupted, or by
 *                                            the thread's next call: what was got is not lost
 *
 * A call whose withdrawal the server does not answer is given up after INTERRUPT_GIVE_UP_MS, unless
 * it is patient: then by the next signal whose handler raises.
 *
 * threads  begin and end: the GIL is held. Between them the library calls the check.
 */
#ifndef HOLDFAST_PYTHON_INTERRUPT_H
#define HOLDFAST_PYTHON_INTERRUPT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <holdfast/holdfast.h>

#define INTERRUPT_GIVE_UP_MS 1000

/* One release of the GIL. Calls made by a handler are nested in it. */
struct interruption {
  PyThreadState *state;
  PyObject *exception; /* of a handler; NULL: none */
  int64_t raised_ms;
  bool is_patient; /* set after interrupt_begin: its answer is waited for */
  bool withdraws;  /* the next check withdraws what still waits */
  bool has_check;  /* the thread has the check for this release alone */
  bool has_gil;    /* Python code runs in it, whose own calls may reach the check */
  struct interruption *outer;
};

/* false: an exception that an earlier call had kept is set. gives_back: never; it is raised later. */
bool interrupt_begin(struct interruption *interruption, bool gives_back);
/* Withdraws those of its calls that still wait at the next check, 25 to 50 ms later. */
void interrupt_withdraw_soon(struct interruption *interruption);
/* false: the exception of a handler is set, and nothing was performed. */
bool interrupt_end(struct interruption *interruption, hf_status status);

/* For callbacks of the library, between begin and end: takes the GIL, gives it back. */
void interrupt_take_gil(void);
void interrupt_give_gil(void);

/* The monotonic clock's. */
int64_t interrupt_now_ms(void);
/* How often this process was forked, from its first one on. */
extern unsigned interrupt_fork_count; /* interrupt.c's */
static inline unsigned interrupt_forks(void) {
  return interrupt_fork_count;
}

/* Once in a process. false with an exception. */
bool interrupt_install(void);

#endif
