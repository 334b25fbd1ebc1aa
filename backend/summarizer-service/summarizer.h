/* summarizer.h - the summarizer-service: from a window of readings and alerts to a short text. */
#ifndef SUMMARIZER_SERVICE_SUMMARIZER_H
#define SUMMARIZER_SERVICE_SUMMARIZER_H

#include "base/config.h"
#include "net/http.h"
#include "store/registry.h"

#include <stdatomic.h>

struct periodic;
struct models;

struct summarizer {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct registry *registry;
    struct models *models;               /* the model that serves */
    struct periodic *periodic;           /* summaries that nobody asks for */
    atomic_int waiting;                  /* requests that wait for the model now */
};

bool summarizer_start(struct summarizer *summarizer, struct err *err) MUST_CHECK;
void summarizer_stop(struct summarizer *summarizer);
struct http_routes summarizer_routes(struct summarizer *summarizer);

#endif
