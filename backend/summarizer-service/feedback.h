/* feedback.h - POST /api/summaries/{id}/feedback: a rating, a better text, a reason.
 *
 * An edit is held against the same window by the guard.  What it claims beyond the data, or leaves out (an open
 * critical alert), is asked back with 409 and a list; sent again with "confirm": true it is kept for the
 * record and never learned from (`learnable` false).  Who, when and what is audited. */
#ifndef SUMMARIZER_SERVICE_FEEDBACK_H
#define SUMMARIZER_SERVICE_FEEDBACK_H

#include "summarizer-service/summarizer.h"

void feedback_post(struct summarizer *s, struct http_request *request, struct http_reply *reply);

#endif
