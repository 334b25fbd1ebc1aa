/* periodic.h - summaries that nobody asks for: each patient's first, then one every summaries.interval_s.
 *
 * First:   as soon as a patient's readings reach back summaries.first_s; also after a restart, for those who have
 *          none stored or only an old one.
 * Cost:    a thread at low priority; in batches of BATCH that the model writes together and the store commits
 *          together, so that 100,000 patients cost a commit for 32 of them.
 * Threads: its own; start and stop from the owner's. */
#ifndef SUMMARIZER_SERVICE_PERIODIC_H
#define SUMMARIZER_SERVICE_PERIODIC_H

#include "summarizer-service/summarizer.h"

struct periodic *periodic_start(struct summarizer *summarizer);
void periodic_stop(struct periodic *periodic); /* waits for the batch at hand, not for the model */

#endif
