/* err.h - the one error convention.
 *
 * What the world does wrong (input, disk, peer, limit) comes back as `false` with the reason in
 * the last parameter, `struct err *err`.  Failing is one line:
 *
 *     return err_set(err, ERR_INPUT, "heartRate: 900 is above 400 /min");
 *
 * A caller that knows more adds it in front:  return err_context(err, "line 7");
 * What the program does wrong is CHECK(): on in release, it aborts and the supervisor restarts.
 *
 * Bounds:  a message is cut at ERR_TEXT_MAX bytes.
 * Threads: a struct err belongs to its caller's stack. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum { ERR_TEXT_MAX = 512 };

enum err_kind {
    ERR_NONE,
    ERR_INPUT,       /* the request or file is wrong           400  exit 65 */
    ERR_USAGE,       /* the command line is wrong              400  exit 64 */
    ERR_AUTH,        /* who are you?                           401  exit 77 */
    ERR_FORBIDDEN,   /* you may not                            403  exit 77 */
    ERR_NOT_FOUND,   /* no such patient, file, model           404  exit 66 */
    ERR_CONFLICT,    /* changed meanwhile, exists already      409  exit 73 */
    ERR_TOO_LARGE,   /* over a limit of bounds.h               413  exit 65 */
    ERR_BUSY,        /* over a rate or a queue; try later      429  exit 75 */
    ERR_UNAVAILABLE, /* a dependency is gone; try later        503  exit 69 */
    ERR_TIMEOUT,     /* a deadline passed                      504  exit 75 */
    ERR_IO,          /* disk or network failed                 500  exit 74 */
    ERR_CONFIG,      /* configuration is wrong                 500  exit 78 */
    ERR_REFUSED,     /* a gate says no, with a written reason  409  exit 3  */
    ERR_KIND_COUNT
};

struct err {
    enum err_kind kind;
    char text[ERR_TEXT_MAX];
};

/* Always false, so that failing is one line.  `err` may be NULL. */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set with ": " and strerror(errno_value) behind it. */
bool err_set_errno(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "context: " in front of what is there.  Always false. */
bool err_context(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct err *err);

const char *err_kind_name(enum err_kind kind);  /* "input", "not found", … */
int err_http_status(enum err_kind kind);        /* 200 for ERR_NONE */
int err_exit_status(enum err_kind kind);        /* 0 for ERR_NONE; others as in sysexits.h */

/* A bug, not an event: prints place and condition, then aborts.  Stays on in release. */
#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
_Noreturn void check_failed(const char *condition, const char *file, int line);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
