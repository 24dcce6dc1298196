/* A process that is led through a call instruction by instruction, and killed between two of them.
 *
 * source  ptrace(2): PTRACE_TRACEME, PTRACE_SINGLESTEP; a system call is one step
 */
#ifndef HF_TESTS_FAULT_STEPPER_H
#define HF_TESTS_FAULT_STEPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Not in every container. */
bool stepper_is_permitted(void);

/* In the victim, around what is to be stepped through. */
void stepper_begin(void);
void stepper_end(void);

/* A process that runs up to its stepper_begin and stays there. Aborts when it does not get there. */
pid_t stepper_start(void (*victim)(void *arg), void *arg);
/* So many instructions further. Answers how many there were up to stepper_end. */
size_t stepper_go(pid_t victim, size_t steps);
/* SIGKILL; comes back when it is dead. */
void stepper_kill(pid_t victim);

#endif
