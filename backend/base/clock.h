/* clock.h - time, behind an interface, so that a test can own it.
 *
 * Units:   UTC microseconds since 1970 (`_us`) for stamps; monotonic microseconds for durations,
 *          time-outs and delays.  Never compare one with the other.
 * Threads: the system clock may be read from any thread; a fake clock too.
 * Source:  text form is RFC 3339 as in docs/api: 2026-11-23T13:20:00.000Z */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS  INT64_C(1000)
#define US_PER_S   INT64_C(1000000)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_HOUR (60 * US_PER_MIN)
#define US_PER_DAY (24 * US_PER_HOUR)

struct clock {
    int64_t (*now_us)(const struct clock *clock);       /* UTC */
    int64_t (*monotonic_us)(const struct clock *clock);
};

const struct clock *clock_system(void);

/* A clock that moves only when told.  Monotonic time moves with advance, not with set. */
struct fake_clock {
    struct clock clock;
    _Atomic int64_t now, monotonic;
};
void fake_clock_init(struct fake_clock *fake, int64_t now_us);
void fake_clock_advance(struct fake_clock *fake, int64_t by_us);
void fake_clock_set(struct fake_clock *fake, int64_t now_us);   /* a step of the wall clock */

static inline int64_t clock_now_us(const struct clock *c) { return c->now_us(c); }
static inline int64_t clock_monotonic_us(const struct clock *c) { return c->monotonic_us(c); }

enum { TIME_TEXT_SIZE = 32 };
/* "2026-11-23T13:20:00.000Z"; microseconds are shown when they are not whole milliseconds.
 * Years 0000 to 9999; returns `text`. */
char *time_format(int64_t time_us, char text[TIME_TEXT_SIZE]);
/* Takes RFC 3339 with 'Z' or an offset, 0 to 9 decimals (cut to microseconds), 'T' or a space.
 * Refuses a stamp without an offset, impossible days, leap seconds (60) and years outside 1970-9999. */
bool time_parse(const char *text, size_t length, int64_t *out_us, struct err *err) MUST_CHECK;

#endif
