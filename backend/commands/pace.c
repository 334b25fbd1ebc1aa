#include "commands/pace.h"

#include "base/clock.h"
#include "commands/interrupt.h"
#include "ingest/json_scan.h"

#include <string.h>
#include <time.h>

/* Readings that are due within this are sent together: at 60 times, 33 monitors make 2,000 a second. */
#define TOGETHER_US (US_PER_S / 20)
enum { SPEED_MAX = 1000000 };

bool pace_parse(const char *text, struct pace *out, struct err *err)
{
    struct json_scan scan = { text, text + strlen(text) };
    int64_t milli;
    *out = (struct pace){ 0 };
    if (strcmp(text, "max") == 0)
        return true;
    if (!json_scan_milli(&scan, &milli) || scan.p != scan.end || milli <= 0 || milli > SPEED_MAX * INT64_C(1000))
        return err_set(err, ERR_USAGE, "--speed: max, or a number above 0 and up to %d (1 is real time)", SPEED_MAX);
    out->speed = (double)milli / 1000;
    return true;
}

void pace_begin(struct pace *pace, int64_t first_us)
{
    pace->first_us = first_us;
    pace->started_us = clock_monotonic_us(clock_system());
}

bool pace_wait(const struct pace *pace, struct feed *feed, int64_t time_us, void (*idle)(void *context), void *context,
               struct err *err)
{
    if (interrupt_seen())
        return err_set(err, ERR_REFUSED, "cancelled");
    if (!(pace->speed > 0))
        return true;
    int64_t due_us = pace->started_us + (int64_t)((double)(time_us - pace->first_us) / pace->speed);
    int64_t left_us = due_us - clock_monotonic_us(clock_system());
    if (left_us <= TOGETHER_US)
        return true;
    if (!feed_flush(feed, err))
        return false;
    while ((left_us = due_us - clock_monotonic_us(clock_system())) > 0) {
        int64_t nap_us = left_us < US_PER_S / 10 ? left_us : US_PER_S / 10;
        (void)nanosleep(&(struct timespec){ .tv_nsec = (long)nap_us * 1000 }, NULL);
        if (interrupt_seen())
            return err_set(err, ERR_REFUSED, "cancelled");
        if (idle)
            idle(context);
    }
    return true;
}
