#include "client/python/src/interrupt.h"

#include <frameobject.h>
#include <pthread.h>
#include <time.h>

/* The innermost release of the GIL by this thread. */
static _Thread_local struct interruption *current;
/* Whether this thread has the check: Python's main thread, or another one that withdraws its calls. */
static _Thread_local bool is_checked;
/* Python's main thread, the only one that handles signals. */
static unsigned long main_thread;
unsigned interrupt_fork_count;

/* An exception to be raised after a call that was performed, and where that call was made. The
 * main thread's. */
static struct {
  PyObject *exception;
  PyFrameObject *frame;
  int last_instruction;
} deferred;

int64_t interrupt_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static PyObject *take_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != NULL) {
    PyException_SetTraceback(value, traceback);
  }
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

static void set_exception(PyObject *exception) {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(exception);
#else
  PyObject *type = (PyObject *)Py_TYPE(exception);
  Py_INCREF(type);
  PyErr_Restore(type, exception, PyException_GetTraceback(exception));
#endif
}

/* ---------------------------------------------------------------- raising later */

static int last_instruction_of(PyFrameObject *frame) {
#if PY_VERSION_HEX >= 0x030B0000
  return PyFrame_GetLasti(frame);
#else
  return frame->f_lasti;
#endif
}

/* Sets the kept exception. */
static void raise_kept(void) {
  PyObject *exception = deferred.exception;
  deferred.exception = NULL;
  Py_CLEAR(deferred.frame);
  set_exception(exception);
}

static bool is_still_at_the_call(void) {
  PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
  bool is_still = frame != NULL && frame == deferred.frame &&
                  last_instruction_of(frame) == deferred.last_instruction;
  Py_XDECREF(frame);
  return is_still;
}

/* CPython may run this as a part of the instruction that called the method, whose result would be
 * dropped: then once more, after the next instruction. */
static int raise_when_stored(void *unused) {
  (void)unused;
  if (deferred.exception == NULL ||
      (is_still_at_the_call() && Py_AddPendingCall(raise_when_stored, NULL) == 0)) {
    return 0;
  }
  raise_kept();
  return -1;
}

/* Takes the exception. An earlier one is replaced. */
static void raise_later(PyObject *exception) {
  PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
  Py_XSETREF(deferred.exception, exception);
  Py_XSETREF(deferred.frame, frame);
  deferred.last_instruction = frame == NULL ? -1 : last_instruction_of(frame);
  (void)Py_AddPendingCall(raise_when_stored, NULL); /* else the next call raises it */
}

/* ---------------------------------------------------------------- the check */

static bool is_main_thread(void) {
  return PyThread_get_thread_ident() == main_thread;
}

/* Runs the handlers of signals that have arrived. Whether one raised; its exception is kept. */
static bool check_signals(struct interruption *interruption) {
  if (PyErr_CheckSignals() == 0) {
    return false;
  }
  Py_XSETREF(interruption->exception, take_exception());
  interruption->raised_ms = interrupt_now_ms();
  return true;
}

/* For hf_on_interrupt. */
static bool check(void) {
  struct interruption *interruption = current;
  /* A call that is not made by interrupt_begin, as closing is, or quick ones of a handler. */
  if (interruption == NULL || interruption->has_gil) {
    return false;
  }
  if (interruption->exception != NULL && !interruption->is_patient &&
      interrupt_now_ms() - interruption->raised_ms >= INTERRUPT_GIVE_UP_MS) {
    return true;
  }
  if (interruption->withdraws) {
    interruption->withdraws = false;
    return true;
  }
  interrupt_take_gil();
  bool has_raised = check_signals(interruption);
  interrupt_give_gil();
  return has_raised;
}

/* ---------------------------------------------------------------- around a call */

bool interrupt_begin(struct interruption *interruption, bool gives_back) {
  if (is_main_thread()) {
    if (deferred.exception != NULL && !gives_back) {
      raise_kept();
      return false;
    }
    if (!is_checked) {
      hf_on_interrupt(check);
      is_checked = true;
    }
  }
  interruption->exception = NULL;
  interruption->is_patient = interruption->has_gil = false;
  interruption->withdraws = interruption->has_check = false;
  interruption->outer = current;
  interruption->state = PyEval_SaveThread();
  current = interruption;
  return true;
}

void interrupt_withdraw_soon(struct interruption *interruption) {
  interruption->withdraws = true;
  if (!is_checked) {
    hf_on_interrupt(check);
    is_checked = interruption->has_check = true;
  }
}

bool interrupt_end(struct interruption *interruption, hf_status status) {
  current = interruption->outer;
  if (interruption->has_check) {
    hf_on_interrupt(NULL);
    is_checked = false;
  }
  PyEval_RestoreThread(interruption->state);
  /* A signal that is handled from here on would drop the result. */
  if (interruption->exception == NULL && is_main_thread()) {
    (void)check_signals(interruption);
  }
  if (interruption->exception == NULL) {
    return true;
  }
  if (status == HF_OK) {
    raise_later(interruption->exception);
    return true;
  }
  set_exception(interruption->exception);
  return false;
}

void interrupt_take_gil(void) {
  PyEval_RestoreThread(current->state);
  current->has_gil = true;
}

void interrupt_give_gil(void) {
  current->has_gil = false;
  current->state = PyEval_SaveThread();
}

/* ---------------------------------------------------------------- the process */

static void become_child(void) {
  interrupt_fork_count++;
  main_thread = PyThread_get_thread_ident();
}

static bool find_main_thread(void) {
  PyObject *threading = PyImport_ImportModule("threading");
  PyObject *thread = threading == NULL ? NULL : PyObject_CallMethod(threading, "main_thread", NULL);
  PyObject *number = thread == NULL ? NULL : PyObject_GetAttrString(thread, "ident");
  if (number != NULL) {
    main_thread = PyLong_AsUnsignedLong(number);
  }
  Py_XDECREF(threading);
  Py_XDECREF(thread);
  Py_XDECREF(number);
  return !PyErr_Occurred();
}

bool interrupt_install(void) {
  static bool is_installed;
  if (is_installed) {
    return true;
  }
  if (!find_main_thread()) {
    return false;
  }
  if (pthread_atfork(NULL, NULL, become_child) != 0) {
    PyErr_NoMemory();
    return false;
  }
  is_installed = true;
  return true;
}
