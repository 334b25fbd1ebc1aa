/* source.c - the built-in source of readings: the simulator, once a second. */
#include "base/log.h"
#include "base/mem.h"
#include "vitals-generator/vitals.h"

#include <string.h>

bool vitals_start_source(struct vitals *vitals, struct err *err)
{
    if (strcmp(vitals->config->ingest.source, "none") == 0)
        return true;
    return err_set(err, ERR_CONFIG, "ingest.source: this build has no simulator yet; use none");
}

void vitals_stop_source(struct vitals *vitals)
{
    (void)vitals;
}
