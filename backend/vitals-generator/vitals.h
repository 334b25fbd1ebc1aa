/* vitals.h - the vitals-generator: readings come in here, and the ward is shown from here.
 *
 * Owner:    the service owns the ward, its consumer thread, the simulator thread and its sockets.
 * Life of a reading: ingest.c (or the simulator) parses and admits → stream vitals (journalled) →
 *           ward.c keeps the newest → sockets.c shows it.  See ARCHITECTURE.md. */
#ifndef VITALS_GENERATOR_VITALS_H
#define VITALS_GENERATOR_VITALS_H

#include "base/config.h"
#include "net/http.h"
#include "store/registry.h"
#include "stream/stream.h"
#include "vitals-generator/ward.h"

struct vitals {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct stream *stream;
    struct registry *registry;
    struct http_server *server;
    struct ward *ward;
    struct vitals_sockets *sockets;
    struct vitals_consumer *consumer;
    struct vitals_source *source;
};

bool vitals_start(struct vitals *vitals, struct err *err) MUST_CHECK;  /* the fields above `ward` are set */
bool vitals_start_source(struct vitals *vitals,
                         struct err *err) MUST_CHECK; /* the simulator, when everything else is up */
void vitals_stop_source(struct vitals *vitals);
void vitals_stop(struct vitals *vitals);
struct http_routes vitals_routes(struct vitals *vitals);

/* ---- inside the service ---- */
http_handler vitals_ingest;                                            /* ingest.c */

bool vitals_sockets_start(struct vitals *vitals, struct err *err) MUST_CHECK;  /* sockets.c */
void vitals_sockets_stop(struct vitals *vitals);
extern const struct ws_handler vitals_patient_socket, vitals_ward_socket;
void vitals_set_alarms_ok(struct vitals *vitals, bool ok);

/* 404 with the words of docs/api: "Patient X not found". */
bool vitals_find(struct vitals *vitals, const struct http_request *request, uint32_t *out, struct err *err) MUST_CHECK;

#endif
