/* worker.h - the threads that hash passwords: LOGIN_THREAD_COUNT of them, a bounded queue before them.
 *
 * Why:     argon2id is made to be slow and large; on the server's own pool a handful of logins would
 *          hold up everything else, and any number of them would eat the memory.
 * Order:   worker_reserve(), then http_defer(), then worker_push(): the queue's place is sure before
 *          the request is put aside.
 * Owner:   a job's request is the server's; run() fills its reply and the worker calls http_finish(). */
#ifndef AUTH_WORKER_H
#define AUTH_WORKER_H

#include "net/http.h"

struct worker;
typedef void worker_run(void *context, struct http_request *request, struct http_reply *reply, void *input);

struct worker *worker_start(void *context);
void worker_stop(struct worker *worker);        /* finishes what is queued */
bool worker_reserve(struct worker *worker);     /* false: the queue is full */
void worker_push(struct worker *worker, worker_run *run, struct http_request *request, void *input);

#endif
