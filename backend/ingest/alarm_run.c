#include "ingest/alarm_run.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A recording opens about one alert per hundred readings; this is one per reading of the largest. */
enum { ALERTS_MAX = RECORDING_READINGS_MAX };

struct alarm_run {
    uint32_t patients;
    struct alarm_patient *states;                       /* number - 1 */
    uint32_t (*open)[ALERT_TYPE_COUNT];                 /* the newest of each type: index in alerts + 1 */
    struct alert *alerts;
    uint32_t count, room;
};

struct alarm_run *alarm_run_new(uint32_t patients)
{
    struct alarm_run *run = mem_new(1, sizeof *run);
    run->patients = patients;
    run->states = mem_new(patients, sizeof *run->states);
    run->open = mem_new(patients, sizeof *run->open);
    for (uint32_t i = 0; i < patients; i++)
        alarm_init(&run->states[i], i + 1);
    return run;
}

void alarm_run_free(struct alarm_run *run)
{
    if (!run)
        return;
    mem_free(run->states);
    mem_free(run->open);
    mem_free(run->alerts);
    mem_free(run);
}

/* A new version of an alert takes the place of the older one, as in the store. */
static bool keep(struct alarm_run *run, const struct alert *alert, struct err *err)
{
    uint32_t *open = &run->open[alert->patient - 1][alert->type];
    if (*open && run->alerts[*open - 1].onset_us == alert->onset_us) {
        run->alerts[*open - 1] = *alert;
        return true;
    }
    if (run->count == ALERTS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d alerts", ALERTS_MAX);
    if (run->count == run->room) {
        run->room = run->room ? run->room * 2 : 1024;
        struct alert *more = mem_try_resize(run->alerts, run->room, sizeof *more);
        CHECK(more != NULL);
        run->alerts = more;
    }
    run->alerts[run->count++] = *alert;
    *open = run->count;
    return true;
}

bool alarm_run_reading(struct alarm_run *run, const struct reading *reading, struct err *err)
{
    struct alarm_events events;
    CHECK(reading->patient && reading->patient <= run->patients);
    events.count = 0;
    alarm_reading(&run->states[reading->patient - 1], &alarm_limits_default, reading, &events);
    for (int i = 0; i < events.count; i++)
        if (!keep(run, &events.items[i].alert, err))
            return false;
    return true;
}

static int by_patient(const void *a, const void *b, void *context)
{
    const struct recording *recording = context;
    const struct alert *x = a, *y = b;
    if (x->patient != y->patient)
        return strcmp(recording_patient(recording, x->patient)->id, recording_patient(recording, y->patient)->id);
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? -1 : 1;
    return strcmp(alert_type_slug((enum alert_type)x->type), alert_type_slug((enum alert_type)y->type));
}

size_t alarm_run_alerts(struct alarm_run *run, const struct recording *recording, const struct alert **out)
{
    qsort_r(run->alerts, run->count, sizeof *run->alerts, by_patient, (void *)(uintptr_t)recording);
    memset(run->open, 0, run->patients * sizeof *run->open); /* the indices are gone: call this at the end */
    *out = run->alerts;
    return run->count;
}
