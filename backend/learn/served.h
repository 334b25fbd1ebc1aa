/* served.h - one model that serves: a T5 folder, its engine, and the input its card names.
 *
 * Card:      README.md's front matter may hold `wardscribe_input: facts` (clinical/model_input.h); a folder
 *            that says nothing gets `published`, the contract of docs/api.md, with its generation
 *            parameters.  `facts` and `slots` take generation_config.json's.
 * Owner:     counted: served_open() gives one reference, served_keep() another, served_release() ends one;
 *            the last ends the engine and closes the files.
 * Threads:   any.  The engine's threads run as SCHED_IDLE: whatever else the process has to do, alarms
 *            above all, goes first, and a machine without a free core gets the writer's text instead.
 * Bounds:    MODEL_TOKENS_MAX tokens in, as in docs/api.md; more is cut at the end. */
#ifndef LEARN_SERVED_H
#define LEARN_SERVED_H

#include "base/arena.h"
#include "clinical/model_input.h"
#include "t5/t5.h"

enum { MODEL_TOKENS_MAX = 512, MODEL_OUTPUT_MAX = 512, MODEL_TEXT_MAX = 64 << 10 };

struct served_options {
    int threads;                         /* 0: one per core */
    enum t5_precision precision;
    bool alone;                          /* a command of its own: no idle priority */
};

struct served_card {
    enum model_format format;
    char description[200];
};
bool served_card_read(const char *dir, struct served_card *out, struct err *err) MUST_CHECK;

struct served_info {
    char name[96], version[32], dir[1024], hash[80];
    char description[200];
    enum model_format format;
    size_t parameters;
    const char *precision, *kernel;
    int64_t loaded_us;                   /* UTC */
};

struct served;
struct served_ticket;                    /* one text that is being written */

bool served_open(const char *dir, const struct served_options *options, struct served **out,
                 struct err *err) MUST_CHECK;
struct served *served_keep(struct served *served);
void served_release(struct served *served);      /* NULL is fine */
struct served_info *served_info(struct served *served);

/* `deadline_us` is CLOCK_MONOTONIC. */
bool served_submit(struct served *served, const struct facts *facts, int64_t deadline_us, struct served_ticket **out,
                   struct err *err) MUST_CHECK;
/* Waits until the deadline at the latest, also for an engine that hangs, and ends the ticket.  ERR_TIMEOUT,
 * ERR_UNAVAILABLE; the text lives in the arena. */
bool served_wait(struct served_ticket *ticket, struct arena *arena, const char **out_text, struct err *err) MUST_CHECK;
/* Who waits stops waiting (ERR_UNAVAILABLE): the process ends. */
void served_stop_waiting(struct served *served);
/* Ends a ticket that nobody waits for any more.  NULL is fine. */
void served_give_up(struct served_ticket *ticket);

#endif
