/* job.h - one summary: window, text, guard, document.
 *
 *     job_open → (job_submit, when a model serves) → job_finish, or job_write and a store_write of many → job_close
 *
 * Text:     the model's, cut to what is proven; the deterministic writer's when there is no model, when it
 *           is late, fails or writes nothing that is proven: the document says which and why.
 * Owner:    plain data with its own arena; one thread. */
#ifndef SUMMARIZER_SERVICE_JOB_H
#define SUMMARIZER_SERVICE_JOB_H

#include "clinical/guard.h"
#include "summarizer-service/models.h"
#include "summarizer-service/window.h"

enum { DOCUMENT_SIZE_MAX = 512 << 10 };

struct job {
    struct arena arena;
    struct patient_row row;
    struct window window;
    struct alarm_limits limits;
    struct facts *facts;
    struct guard_result *result;         /* what is shown, what was cut */
    struct served *model;                /* NULL: none serves */
    struct served_ticket *ticket;
    bool from_model;
    char fallback[256];                  /* why the writer answered; "" */
    char id[64];
    int64_t now_us, started_us;
};

/* ERR_CONFLICT: there is nothing to summarize. */
bool job_open(struct summarizer *s, uint32_t patient, struct job *job, struct err *err) MUST_CHECK;
void job_submit(struct summarizer *s, struct job *job, int deadline_ms);
/* Waits for the model and writes; the document in `out`, of which `out_row` is a part. */
void job_write(struct summarizer *s, struct job *job, struct buf *out, struct summary_row *out_row);
void job_stored(const struct summarizer *s, const struct job *job, bool ok); /* counts it */
/* Both, and stores it. */
bool job_finish(struct summarizer *s, struct job *job, struct buf *out, struct err *err) MUST_CHECK;
void job_close(struct job *job);

/* document.c */
void job_document(const struct summarizer *s, const struct job *job, struct buf *out);

#endif
