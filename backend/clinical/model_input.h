/* model_input.h - a window as the text a model reads.  No name, no diagnosis, no free text enters.
 *
 * published: the contract of docs/api.md: a prefix, then the five newest readings, oldest first:
 *
 *     Summarize the following medical monitoring events: Patient 1: HR=112, SpO2=91, Temp=38.4, BP=148/92, Resp=24.
 *
 *            BP comes from systolic and diastolic; a vital that is missing (or implausible) is left out, never 0.
 * facts:     one line that holds every number a summary may contain, so that a small model only has to
 *            copy.  Fields by '|', vitals in the order of vital.h:
 *
 *     n 5 12:56 13:00 | HR rising first 88 12:56 last 112 13:00 min 86 12:57 max 120 12:58 | SpO2 none | …
 *     | SBP stable first 118/76 12:56 … | alarm critical hypoxia since 12:58 worst 84 12:59 open unacked | NEWS2 3 8
 *
 *            A vital measured once: "T one 38.4 12:58".  Marked values: "bad 2" behind the vital.  An alarm whose
 *            condition is over: "from 12:58 to 13:01"; latched: "over", closed: "closed"; several closed ones of a
 *            kind: "3 times".  Alarms stand in the writer's order, those that it tells; "alarms 9" gives
 *            the number of all when there are more.
 * slots:     what the facts say without a number; the model writes names where numbers go, which are filled in
 *            after decoding (clinical/slots.h). */
#ifndef CLINICAL_MODEL_INPUT_H
#define CLINICAL_MODEL_INPUT_H

#include "base/str.h"
#include "clinical/facts.h"
#include "clinical/slots.h"

enum model_format { MODEL_FORMAT_PUBLISHED, MODEL_FORMAT_FACTS, MODEL_FORMAT_SLOTS };
enum { PUBLISHED_READINGS = 5, MODEL_INPUT_SIZE_MAX = 4096 };

#define PUBLISHED_PREFIX "Summarize the following medical monitoring events: "

const char *model_format_name(enum model_format format);                 /* "published", "facts", "slots" */
bool model_format_parse(const char *name, enum model_format *out);
/* `slots`: what the model's text is filled with; empty but for MODEL_FORMAT_SLOTS.  May be NULL. */
void model_input(const struct facts *facts, enum model_format format, struct slots *slots, struct buf *out);

#endif
