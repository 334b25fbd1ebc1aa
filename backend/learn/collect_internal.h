/* collect_internal.h - what both sources do with one summary's document. */
#ifndef LEARN_COLLECT_INTERNAL_H
#define LEARN_COLLECT_INTERNAL_H

#include "base/json.h"
#include "learn/collect.h"

#include <stdio.h>

struct collecting {
    const struct collect_options *options;
    struct collected *out;
    FILE *file;
};

/* Where a summary's window lies, and what it says of itself. */
struct collect_summary {
    const char *id, *patient_id, *text;
    bool from_model;
    int cut_count;
    int64_t time_us;
    struct window window;                /* from, to, alerts; readings are still to come */
    struct alarm_limits limits;
};
/* A reader's word about it, oldest first. */
struct collect_feedback {
    const char *summary_id, *user, *edited_text;   /* edited_text NULL: only a rating */
    int rating;
    bool learnable;
    int64_t time_us;
};

/* `*out_skip`: the document is no summary that can be used (it lacks its window). */
bool collect_parse_summary(const struct json *document, struct arena *arena, struct collect_summary *out,
                           bool *out_skip, struct err *err) MUST_CHECK;
bool collect_parse_feedback(const struct json *document, struct arena *arena, struct collect_feedback *out,
                            struct err *err) MUST_CHECK;
void collect_add(struct collecting *collecting, const struct collect_summary *summary,
                 const struct collect_feedback *feedbacks, size_t count);

bool collect_from_sqlite(struct collecting *collecting, struct err *err) MUST_CHECK;
bool collect_from_search(struct collecting *collecting, struct err *err) MUST_CHECK;

#endif
