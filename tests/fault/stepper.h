/* A process that is single-stepped through a call, and killed between two instructions.
 *
 * source  ptrace(2): PTRACE_TRACEME, PTRACE_SINGLESTEP; a system call is one step
 */
#ifndef HF_TESTS_FAULT_STEPPER_H
#define HF_TESTS_FAULT_STEPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether ptrace is permitted, which depends on the container. */
bool stepper_is_permitted(void);

/* To be called by the victim around the code to be stepped. */
void stepper_begin(void);
void stepper_end(void);

/* Starts a process that stops at its stepper_begin. Aborts if it does not get there. */
pid_t stepper_start(void (*victim)(void *arg), void *arg);
/* Steps `steps` instructions. Returns how many there were before stepper_end. */
size_t stepper_go(pid_t victim, size_t steps);
/* Sends SIGKILL and waits for the end. */
void stepper_kill(pid_t victim);

#endif
