/* windows.h - windows of simulated patients, as the summarizer would see them.
 *
 * Each stream is one simulated patient: half of them as varied as those of the recordings, half of a ward
 * where more happens; watched by a monitor (1 to 30 s) or charted (1 min to 1 h) as the recordings are, with
 * missing vitals, gaps, sensors that are off and values with decimals; the real alarm machine runs over it and alarms
 * are sometimes acknowledged.  Windows end at random readings and hold 1 to 60 of them, now and then the
 * 900 of a quarter of an hour.
 * Repeats: the same seed gives the same windows, on any machine.   Threads: pure. */
#ifndef LEARN_WINDOWS_H
#define LEARN_WINDOWS_H

#include "clinical/facts.h"

enum { WINDOWS_PER_STREAM = 12 };

/* The window and what it points to live until the call returns; false ends the run. */
typedef bool window_visitor(void *context, const struct window *window, const struct alarm_limits *limits,
                            struct err *err);

bool windows_simulated(uint64_t seed, size_t count, window_visitor *visit, void *context, struct err *err) MUST_CHECK;

/* Windows of a recording: about `per_patient` of every patient, ending at random readings of it. */
struct recording;
bool windows_recorded(struct recording *recording, uint64_t seed, size_t per_patient, window_visitor *visit,
                      void *context, struct err *err) MUST_CHECK;

/* A stream that someone else feeds (a recording): runs the alarm machine and keeps what a window needs. */
struct window_feed;
struct window_feed *window_feed_new(uint32_t patient, const struct alarm_limits *limits, uint64_t seed);
void window_feed_free(struct window_feed *feed);
void window_feed_add(struct window_feed *feed, const struct reading *reading);
/* The newest `length` readings and the alerts that belong to them; false when there is nothing. */
bool window_feed_cut(struct window_feed *feed, size_t length, struct window *out);

#endif
