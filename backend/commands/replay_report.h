/* replay_report.h - what a replay did: text for people, one line of JSON for scripts. */
#ifndef COMMANDS_REPLAY_REPORT_H
#define COMMANDS_REPLAY_REPORT_H

#include "commands/feed.h"
#include "ingest/recording.h"

#include <stdio.h>

struct replay_report {
    const struct recording *recording;
    const struct feed *feed;              /* NULL: there was no server */
    const int64_t *alert_counts;          /* by type; without a server */
    double seconds;
};

void replay_report_json(const struct replay_report *report, FILE *to);
void replay_report_text(const struct replay_report *report);

#endif
