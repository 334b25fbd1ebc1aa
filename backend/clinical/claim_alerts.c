/* claim_alerts.c - what a sentence says of alarms and conditions. */
#include "clinical/claim_prove.h"

#include "base/clock.h"

#include <stdio.h>

static int minute_of(int64_t time_us)
{
    int64_t minute = time_us / US_PER_MIN % (24 * 60);
    return (int)(minute < 0 ? minute + 24 * 60 : minute);
}

void claim_world_init(struct claim_world *world, const struct facts *facts)
{
    const struct window *window = facts->window;
    world->facts = facts;
    world->alert_count = 0;
    for (size_t i = 0; i < window->alert_count && i < WINDOW_ALERTS_MAX; i++) {
        const struct alert *alert = &window->alerts[i];
        struct alert_fact *one = &world->alerts[world->alert_count++];
        *one = (struct alert_fact){ .type = (enum alert_type)alert->type,
                                    .severity = (enum alert_severity)alert->severity,
                                    .state = (enum alert_state)alert->state, .members = UINT64_C(1) << i, .count = 1,
                                    .lost = alert->lost, .acknowledged = alert->ack_us != 0,
                                    .onset_us = alert->onset_us, .end_us = alert->end_us };
        one->has_peak = facts_alert_peak(window, alert, &one->peak);
    }
    for (int i = 0; i < facts->alert_count; i++)
        if (facts->alert[i].count > 1)
            world->alerts[world->alert_count++] = facts->alert[i];
}

/* What a clause asks of an alert; -1, 0 and false leave it open. */
struct wanted {
    int type, onset, end, count;
    bool critical, open, ended;
    int acknowledged;                    /* -1, 0, 1 */
    int lost;                            /* -1 or exactly these bits */
};

static bool is_wanted(const struct alert_fact *alert, const struct wanted *wanted)
{
    if ((int)alert->type != wanted->type || alert->count != wanted->count)
        return false;
    if (wanted->critical && alert->severity != SEVERITY_CRITICAL)
        return false;
    if (wanted->open && (alert->state == ALERT_CLOSED || alert->end_us))
        return false;
    if (wanted->ended && !alert->end_us)
        return false;
    return (wanted->onset < 0 || minute_of(alert->onset_us) == wanted->onset) &&
           (wanted->end < 0 || (alert->end_us && minute_of(alert->end_us) == wanted->end)) &&
           (wanted->acknowledged < 0 || alert->acknowledged == (wanted->acknowledged == 1)) &&
           (wanted->lost < 0 || alert->lost == wanted->lost);
}

static void tell(struct claim_proof *proof, const struct alert_fact *alert, bool as_critical)
{
    const struct window *window = proof->world->facts->window;
    for (size_t i = 0; i < window->alert_count && i < WINDOW_ALERTS_MAX; i++)
        if (alert->members >> i & 1)
            sentence_cite(&proof->state->evidence, &(struct evidence){ .is_alert = true,
                                                                       .time_us = window->alerts[i].onset_us,
                                                                       .alert_type = window->alerts[i].type });
    if (as_critical && alert->severity == SEVERITY_CRITICAL && alert->state != ALERT_CLOSED)
        proof->state->critical_told |= alert->members;
}

/* All alerts that fit: what "it" may be in the next clause. */
static bool take(struct claim_proof *proof, const struct wanted *wanted)
{
    struct claim_state *state = proof->state;
    struct alert_set found = { 0 };
    bool any = false;
    for (int i = 0; i < proof->world->alert_count; i++) {
        if (!is_wanted(&proof->world->alerts[i], wanted))
            continue;
        found.bits[i / 64] |= UINT64_C(1) << (i % 64);
        /* "had critical hypoxia" does not tell that it goes on; a lost signal has no graver word. */
        bool as_critical = (wanted->critical && (wanted->open || proof->world->alerts[i].end_us)) ||
                           wanted->type == ALERT_SENSOR;
        tell(proof, &proof->world->alerts[i], as_critical);
        any = true;
    }
    if (!any) {
        (void)snprintf(proof->reason, CLAIM_REASON_SIZE, "no such alarm: %s%s", wanted->critical ? "critical " : "",
                       alert_word((enum alert_type)wanted->type));
        return false;
    }
    state->alerts = found;
    state->has_alert = true;
    return true;
}

static struct wanted wanted_of(const struct captures *captures)
{
    return (struct wanted){ .type = captures->condition[1].type, .critical = captures->condition[1].critical,
                            .count = 1,
                            .onset = captures->minute[1], .end = captures->minute[2], .acknowledged = -1, .lost = -1 };
}

bool prove_alert(struct claim_proof *proof, const struct captures *captures, int how)
{
    struct wanted wanted = wanted_of(captures);
    wanted.open = true;
    wanted.acknowledged = how == ALERT_ANY ? -1 : how == ALERT_ACKNOWLEDGED;
    return take(proof, &wanted);
}

/* One time: when it began. */
bool prove_episode(struct claim_proof *proof, const struct captures *captures, int how)
{
    struct wanted wanted = wanted_of(captures);
    (void)how;
    wanted.ended = captures->minute[2] >= 0;
    return take(proof, &wanted);
}

bool prove_times(struct claim_proof *proof, const struct captures *captures, int how)
{
    struct wanted wanted = wanted_of(captures);
    (void)how;
    wanted.ended = true;
    wanted.count = captures->count[1];
    return take(proof, &wanted);
}

/* The readings themselves show it, alarm or not (a delay that had not ended, a limit that was changed); the
 * newest value alone where only that counts. */
static bool readings_show(struct claim_proof *proof, const struct claim_condition *condition, bool now)
{
    const struct facts *facts = proof->world->facts;
    enum alert_severity least = condition->critical ? SEVERITY_CRITICAL : SEVERITY_WARNING;
    for (size_t i = 0; i < facts->window->reading_count && condition->type < ALERT_RULE_COUNT; i++) {
        const struct reading *reading = &facts->window->readings[i];
        enum vital vital = alert_rules[condition->type].vital;
        int32_t milli = reading_usable(reading, vital);
        if (milli == VITAL_ABSENT || (now && reading->time_us != facts->vital[vital].last.time_us) ||
            limits_judge(facts->limits, (enum alert_type)condition->type, milli) < least)
            continue;
        sentence_cite(&proof->state->evidence, &(struct evidence){ .time_us = reading->time_us,
                                                                   .source = reading->source });
        return true;
    }
    return false;
}

static bool condition_seen(struct claim_proof *proof, const struct claim_condition *condition, bool now)
{
    struct wanted wanted = { .type = condition->type, .critical = condition->critical, .count = 1, .onset = -1,
                             .end = -1, .acknowledged = -1, .lost = -1 };
    wanted.open = now;
    return take(proof, &wanted) || readings_show(proof, condition, now);
}

bool prove_condition(struct claim_proof *proof, const struct captures *captures, int how)
{
    (void)how;
    return condition_seen(proof, &captures->condition[1], false);
}

bool prove_patient_condition(struct claim_proof *proof, const struct captures *captures, int how)
{
    for (int i = 0; i < captures->condition_count; i++)
        if (!condition_seen(proof, &captures->conditions[i], how == CONDITION_NOW))
            return false;
    return captures->condition_count > 0;
}

bool prove_open_conditions(struct claim_proof *proof, const struct captures *captures, int how)
{
    (void)how;
    for (int i = 0; i < captures->condition_count; i++) {
        struct wanted wanted = { .type = captures->conditions[i].type, .critical = captures->conditions[i].critical,
                                 .open = true, .count = 1,
                                 .onset = -1, .end = -1, .acknowledged = -1, .lost = -1 };
        if (!take(proof, &wanted))
            return false;
    }
    return captures->condition_count > 0;
}

bool prove_acknowledged(struct claim_proof *proof, const struct captures *captures, int acknowledged)
{
    struct claim_state *state = proof->state;
    bool any = false;
    (void)captures;
    for (int i = 0; i < proof->world->alert_count && state->has_alert; i++) {
        uint64_t bit = UINT64_C(1) << (i % 64);
        if (!(state->alerts.bits[i / 64] & bit))
            continue;
        if (proof->world->alerts[i].acknowledged == (acknowledged == 1))
            any = true;
        else
            state->alerts.bits[i / 64] &= ~bit;
    }
    if (!any)
        (void)snprintf(proof->reason, CLAIM_REASON_SIZE, "the alarm was %sacknowledged", acknowledged ? "not " : "");
    return any;
}

bool prove_lost(struct claim_proof *proof, const struct captures *captures, int how)
{
    unsigned lost = captures->vitals;
    struct wanted wanted = { .type = ALERT_SENSOR, .count = how == LOST_TIMES ? captures->count[1] : 1,
                             .onset = captures->minute[1],
                             .end = how == LOST_BRIEFLY ? captures->minute[1] : captures->minute[2],
                                 .acknowledged = -1 };
    if (lost >> VITAL_PRESSURE & 1)
        lost |= 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC;
    wanted.lost = (int)(lost & ((1u << VITAL_COUNT) - 1));
    wanted.open = how == LOST_SINCE;
    wanted.ended = how != LOST_SINCE;
    return take(proof, &wanted);
}

/* ---- none, and how many ---- */

static bool counts(const struct alert *alert, int how)
{
    bool open = alert->state != ALERT_CLOSED, critical = alert->severity == SEVERITY_CRITICAL;
    switch (how) {
    case ALERTS_CRITICAL:
        return critical;
    case ALERTS_OPEN:
        return open;
    case ALERTS_OPEN_CRITICAL:
        return open && critical;
    case ALERTS_OPEN_WARNING:
        return open && alert->severity == SEVERITY_WARNING;
    default:
        return true;
    }
}

static int count_alerts(const struct claim_proof *proof, int how)
{
    const struct window *window = proof->world->facts->window;
    int count = 0;
    for (size_t i = 0; i < window->alert_count; i++)
        count += counts(&window->alerts[i], how);
    return count;
}

static bool critical_value(struct claim_proof *proof)
{
    for (int type = 0; type < ALERT_RULE_COUNT; type++)
        if (readings_show(proof, &(struct claim_condition){ .type = type, .critical = true }, false))
            return true;
    return false;
}

bool prove_no_alerts(struct claim_proof *proof, const struct captures *captures, int how)
{
    (void)captures;
    if (count_alerts(proof, how) == 0 && (how != ALERTS_CRITICAL || !critical_value(proof))) {
        claim_cite_window(proof);
        return true;
    }
    (void)snprintf(proof->reason, CLAIM_REASON_SIZE, "there are alarms, or values beyond a critical limit");
    return false;
}

bool prove_alert_count(struct claim_proof *proof, const struct captures *captures, int how)
{
    const struct window *window = proof->world->facts->window;
    if (captures->count[1] != count_alerts(proof, how)) {
        (void)snprintf(proof->reason, CLAIM_REASON_SIZE, "there are %d of these alarms", count_alerts(proof, how));
        return false;
    }
    for (size_t i = 0; i < window->alert_count; i++)
        if (counts(&window->alerts[i], how))
            sentence_cite(&proof->state->evidence, &(struct evidence){ .is_alert = true,
                                                                       .time_us = window->alerts[i].onset_us,
                                                                       .alert_type = window->alerts[i].type });
    return true;
}
