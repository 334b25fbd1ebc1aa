#include "summarizer-service/schedule.h"

#include "base/bounds.h"
#include "base/err.h"
#include "base/mem.h"

/* No entry is due then: it has been handed out. */
#define TAKEN UINT32_MAX

struct entry {
    uint32_t due_s;                      /* since `origin_s` */
    uint8_t tries;                       /* that found too little, one after the other */
    bool first;                          /* has no summary yet */
};

struct schedule {
    int64_t origin_s;
    uint32_t first_s, interval_s;
    uint32_t count, cursor;              /* `cursor`: the patient that was handed out last */
    uint32_t none_before_s[2];           /* nobody is due earlier: [true] of those without a summary */
    struct entry entries[PATIENT_COUNT_MAX + 1];
};

struct schedule *schedule_new(int first_s, int interval_s)
{
    struct schedule *schedule = mem_new(1, sizeof *schedule);
    schedule->origin_s = INT64_MIN;
    schedule->first_s = (uint32_t)first_s;
    schedule->interval_s = (uint32_t)interval_s;
    return schedule;
}

void schedule_free(struct schedule *schedule)
{
    mem_free(schedule);
}

static void set_entry(struct schedule *schedule, uint32_t patient, struct entry entry)
{
    uint32_t *bound = &schedule->none_before_s[entry.first];
    CHECK(patient && patient <= schedule->count);
    *bound = entry.due_s < *bound ? entry.due_s : *bound;
    schedule->entries[patient] = entry;
}

/* Seconds since the origin; a time before it is the origin. */
static uint32_t since_origin(const struct schedule *schedule, int64_t at_s)
{
    return at_s > schedule->origin_s ? (uint32_t)(at_s - schedule->origin_s) : 0;
}

void schedule_admit(struct schedule *schedule, uint32_t count, int64_t now_s)
{
    if (schedule->origin_s == INT64_MIN)
        schedule->origin_s = now_s;
    CHECK(count <= PATIENT_COUNT_MAX);
    while (schedule->count < count) {
        schedule->count++;
        schedule_first(schedule, schedule->count, now_s + schedule->first_s);
    }
}

/* Walks all only when somebody may be due: a walk that finds nobody knows from when on to look again. */
static uint32_t find_due(struct schedule *schedule, uint32_t now_s, bool first)
{
    uint32_t earliest_s = TAKEN;
    if (now_s < schedule->none_before_s[first])
        return 0;
    for (uint32_t i = 0, patient = schedule->cursor; i < schedule->count; i++) {
        patient = patient < schedule->count ? patient + 1 : 1;
        const struct entry *entry = &schedule->entries[patient];
        if (entry->first != first || entry->due_s == TAKEN)
            continue;
        if (entry->due_s <= now_s)
            return patient;
        earliest_s = entry->due_s < earliest_s ? entry->due_s : earliest_s;
    }
    schedule->none_before_s[first] = earliest_s;
    return 0;
}

uint32_t schedule_next(struct schedule *schedule, int64_t now_s, bool *out_first)
{
    uint32_t at_s = since_origin(schedule, now_s), patient = find_due(schedule, at_s, true);
    *out_first = patient != 0;
    if (!patient)
        patient = find_due(schedule, at_s, false);
    if (patient) {
        schedule->cursor = patient;
        schedule->entries[patient].due_s = TAKEN;
    }
    return patient;
}

void schedule_written(struct schedule *schedule, uint32_t patient, int64_t at_s)
{
    set_entry(schedule, patient, (struct entry){ .due_s = since_origin(schedule, at_s + schedule->interval_s) });
}

void schedule_retry(struct schedule *schedule, uint32_t patient, int64_t now_s)
{
    struct entry entry = schedule->entries[patient];
    uint64_t wait_s = (uint64_t)schedule->first_s << entry.tries;
    entry.due_s = since_origin(schedule,
                               now_s) + (wait_s < schedule->interval_s ? (uint32_t)wait_s : schedule->interval_s);
    if (entry.tries < 16)
        entry.tries++;
    set_entry(schedule, patient, entry);
}

void schedule_first(struct schedule *schedule, uint32_t patient, int64_t due_s)
{
    set_entry(schedule, patient, (struct entry){ .due_s = since_origin(schedule, due_s), .first = true });
}
