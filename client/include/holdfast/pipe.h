/* Pipes.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_PIPE_H
#define HOLDFAST_PIPE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* Opens end 0 or 1 of a pipe and attaches this session to that end. An end closes when the last
 * session attached to it, forked children included, closes its handle or ends. A one-way pipe sends
 * from end 1 to end 0. INVALID_ARGUMENT BAD_END | WRONG_SHAPE the existing pipe is one-way, or is not |
 * FAILED_PRECONDITION PIPE_CLOSED that end was closed before */
HF_CHECKED hf_status hf_pipe_open(hf_conn *conn, const char *name, int end, hf_pipe **pipe);
HF_CHECKED hf_status hf_pipe_open_one_way(hf_conn *conn, const char *name, int end, hf_pipe **pipe);
/* Both ends of a new anonymous pipe, as Python's Pipe() gives them. */
HF_CHECKED hf_status hf_pipe_new(hf_conn *conn, bool duplex, hf_pipe *ends[2]);
/* Attaches this session to that end, for a handle from hf_reference_open, hf_open or
 * hf_object_open. FAILED_PRECONDITION ALREADY_OPEN the handle has an end */
HF_CHECKED hf_status hf_pipe_attach(hf_pipe *pipe, int end);
/* Closes this end for the whole session, as closing the last descriptor does. */
HF_API void hf_pipe_close(hf_pipe *pipe);
/* FAILED_PRECONDITION PIPE_CLOSED | RESOURCE_EXHAUSTED/DEADLINE_EXCEEDED PIPE_FULL |
 * INVALID_ARGUMENT BAD_END */
HF_CHECKED hf_status hf_pipe_send(hf_pipe *pipe, hf_value value, int64_t timeout_ms);
/* OUT_OF_RANGE END_OF_FILE | RESOURCE_EXHAUSTED/DEADLINE_EXCEEDED PIPE_EMPTY | FAILED_PRECONDITION
 * PIPE_CLOSED | INVALID_ARGUMENT BAD_END */
HF_CHECKED hf_status hf_pipe_recv(hf_pipe *pipe, int64_t timeout_ms, hf_value *value);
/* Waits until recv would return at once, also at end of file. out readable false: the time was up.
 * FAILED_PRECONDITION PIPE_CLOSED | INVALID_ARGUMENT BAD_END */
HF_CHECKED hf_status hf_pipe_poll(hf_pipe *pipe, int64_t timeout_ms, bool *readable);

HF_END_DECLARATIONS

#endif
