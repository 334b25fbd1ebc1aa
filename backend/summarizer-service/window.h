/* window.h - what a summary is written from: a patient's newest readings, alerts and limits. */
#ifndef SUMMARIZER_SERVICE_WINDOW_H
#define SUMMARIZER_SERVICE_WINDOW_H

#include "clinical/facts.h"
#include "summarizer-service/summarizer.h"

enum { WINDOW_READINGS_MAX = 4000 };

/* The last quarter of an hour; where charting is sparser, the newest `summaries.window` readings. */
bool window_load(struct summarizer *s, struct arena *arena, uint32_t patient, struct window *out,
                 struct err *err) MUST_CHECK;
bool window_limits(struct summarizer *s, struct arena *arena, uint32_t patient, struct alarm_limits *out,
                   struct err *err) MUST_CHECK;

#endif
