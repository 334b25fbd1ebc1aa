#include "clinical/claim_prove.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static int minute_of(int64_t time_us)
{
    int64_t minute = time_us / US_PER_MIN % (24 * 60);
    return (int)(minute < 0 ? minute + 24 * 60 : minute);
}

static enum vital base_vital(int vital)
{
    return vital == VITAL_PRESSURE ? VITAL_SYSTOLIC : (enum vital)vital;
}

static const struct vital_fact *fact_of(const struct claim_proof *proof, int vital)
{
    return &proof->world->facts->vital[base_vital(vital)];
}

static const char *word_of(int vital)
{
    return vital == VITAL_PRESSURE ? "blood pressure" : vital_word((enum vital)vital);
}

static bool no(struct claim_proof *proof, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool no(struct claim_proof *proof, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(proof->reason, CLAIM_REASON_SIZE, format, list);
    va_end(list);
    return false;
}

static bool unit_fits(int vital, enum unit unit)
{
    static const unsigned allowed[VITAL_COUNT] = {
        [VITAL_HEART_RATE] = 1u << UNIT_BPM | 1u << UNIT_PER_MIN, [VITAL_SPO2] = 1u << UNIT_PERCENT,
        [VITAL_SYSTOLIC] = 1u << UNIT_MMHG, [VITAL_DIASTOLIC] = 1u << UNIT_MMHG,
        [VITAL_TEMPERATURE] = 1u << UNIT_CELSIUS, [VITAL_RESPIRATORY] = 1u << UNIT_PER_MIN | 1u << UNIT_BREATHS,
    };
    return unit == UNIT_NONE || (allowed[base_vital(vital)] >> unit & 1);
}

/* A pair belongs to blood pressure, a single number to anything else. */
static bool form_fits(struct claim_proof *proof, int vital, const struct quantity *quantity)
{
    if (!unit_fits(vital, quantity->unit))
        return no(proof, "the unit does not fit %s", word_of(vital));
    if ((vital == VITAL_PRESSURE) != (quantity->other_milli != VITAL_ABSENT))
        return no(proof, vital == VITAL_PRESSURE ? "%s is told as systolic/diastolic" : "%s is a single number",
                  word_of(vital));
    return true;
}

static bool shows(const struct reading *reading, int vital, const struct quantity *quantity)
{
    return reading_usable(reading, base_vital(vital)) == quantity->milli &&
           (quantity->other_milli == VITAL_ABSENT || reading_usable(reading, VITAL_DIASTOLIC) == quantity->other_milli);
}

static void cite_reading(struct claim_proof *proof, const struct reading *reading)
{
    sentence_cite(&proof->state->evidence, &(struct evidence){ .time_us = reading->time_us,
                                                               .source = reading->source });
}

static void cite_value(struct claim_proof *proof, const struct fact_value *value)
{
    sentence_cite(&proof->state->evidence, &(struct evidence){ .time_us = value->time_us, .source = value->source });
}

enum end { EARLIEST, LATEST };

/* The first or last reading that shows the value, at this minute of the day where one is given. */
static const struct reading *find(const struct claim_proof *proof, int vital, const struct quantity *quantity,
                                  int minute, enum end end)
{
    const struct window *window = proof->world->facts->window;
    for (size_t k = 0; k < window->reading_count; k++) {
        const struct reading *reading = &window->readings[end == EARLIEST ? k : window->reading_count - 1 - k];
        if (shows(reading, vital, quantity) && (minute < 0 || minute_of(reading->time_us) == minute))
            return reading;
    }
    return NULL;
}

static bool not_shown(struct claim_proof *proof, int vital, const struct quantity *quantity, int minute)
{
    char at[32] = "";
    if (minute >= 0)
        (void)snprintf(at, sizeof at, " at %02d:%02d", minute / 60, minute % 60);
    return no(proof, "no reading shows %s %g%s", word_of(vital), quantity->milli / 1000.0, at);
}

/* The numbers of a rule with one vital, as an item. */
static struct claim_item item_of(const struct captures *captures)
{
    return (struct claim_item){ .vital = captures->vital[1], .range = captures->number[2].present,
                                .low = captures->number[1], .high = captures->number[2] };
}

/* ---- change ---- */

static enum trend trend_for(int direction)
{
    return direction > 0 ? TREND_RISING : TREND_FALLING;
}

static bool moved_so(struct claim_proof *proof, int vital, int direction, const struct captures *captures)
{
    const struct vital_fact *fact = fact_of(proof, vital);
    if (fact->count < 2 || fact->trend != trend_for(direction))
        return no(proof, "%s is %s in this period", word_of(vital),
                  fact->count ? trend_name(fact->trend) : "not measured");
    if (captures->minute[1] >= 0 && (minute_of(fact->first.time_us) != captures->minute[1] ||
                                     minute_of(fact->last.time_us) != captures->minute[2]))
        return no(proof, "%s was measured from and to other times", word_of(vital));
    cite_value(proof, &fact->first);
    cite_value(proof, &fact->last);
    proof->state->vital = vital;
    return true;
}

static bool changed_from_to(struct claim_proof *proof, int vital, int direction, const struct captures *captures)
{
    const struct quantity *from = &captures->number[1], *to = &captures->number[2];
    const struct reading *first = find(proof, vital, from, captures->minute[1], EARLIEST);
    const struct reading *last = find(proof, vital, to, captures->minute[2], LATEST);
    int32_t change = to->milli - from->milli;
    if (!first || !last)
        return !first ? not_shown(proof, vital, from, captures->minute[1]) : not_shown(proof, vital, to,
                captures->minute[2]);
    if (first->time_us >= last->time_us || change * direction <= 0)
        return no(proof, "%s did not move that way", word_of(vital));
    if (fact_of(proof, vital)->trend != trend_for(direction) && abs(change) < facts_moved_milli(base_vital(vital)))
        return no(proof, "%s: the change is within what is noise", word_of(vital));
    cite_reading(proof, first);
    cite_reading(proof, last);
    return true;
}

/* "rose to 112": some earlier value lies a real change below, and none since lies a real change above. */
static bool changed_to(struct claim_proof *proof, int vital, int direction, const struct captures *captures)
{
    const struct window *window = proof->world->facts->window;
    const struct quantity *to = &captures->number[2];
    const struct reading *last = find(proof, vital, to, captures->minute[2], LATEST), *from = NULL;
    int32_t moved = facts_moved_milli(base_vital(vital));
    if (!last)
        return not_shown(proof, vital, to, captures->minute[2]);
    for (size_t i = 0; i < window->reading_count && window->readings[i].time_us < last->time_us; i++) {
        int32_t milli = reading_usable(&window->readings[i], base_vital(vital));
        if (milli == VITAL_ABSENT)
            continue;
        if ((milli - to->milli) * direction >= moved)
            from = NULL; /* it came from the other side since */
        else if ((to->milli - milli) * direction >= moved)
            from = &window->readings[i];
    }
    if (!from)
        return no(proof, "%s did not move that way", word_of(vital));
    cite_reading(proof, from);
    cite_reading(proof, last);
    return true;
}

bool prove_change(struct claim_proof *proof, const struct captures *captures, int direction)
{
    int vital = captures->vital[1];
    if (vital < 0) {
        for (int v = 0; v < CLAIM_VITAL_COUNT; v++)
            if ((captures->vitals >> v & 1) && !moved_so(proof, v, direction, captures))
                return false;
        return true;
    }
    bool from = captures->number[1].present;
    if ((from && !form_fits(proof, vital, &captures->number[1])) || !form_fits(proof, vital, &captures->number[2]))
        return false;
    proof->state->vital = vital;
    return from ? changed_from_to(proof, vital, direction, captures) : changed_to(proof, vital, direction, captures);
}

/* ---- extremes and ranges ---- */

static bool alert_peak_is(struct claim_proof *proof, int vital, int direction, const struct captures *captures)
{
    struct claim_state *state = proof->state;
    struct alert_set found = { 0 };
    bool any = false;
    for (int i = 0; i < proof->world->alert_count && state->has_alert; i++) {
        const struct alert_fact *alert = &proof->world->alerts[i];
        if (!(state->alerts.bits[i / 64] >> (i % 64) & 1) || !alert->has_peak ||
            alert_rules[alert->type].vital != base_vital(vital) ||
            alert_rules[alert->type].high != (direction > 0) || alert->peak.milli != captures->number[1].milli ||
            (captures->minute[1] >= 0 && minute_of(alert->peak.time_us) != captures->minute[1]))
            continue;
        found.bits[i / 64] |= UINT64_C(1) << (i % 64);
        any = true;
        if (alert->peak.source)
            cite_value(proof, &alert->peak);
    }
    if (any)
        state->alerts = found;
    return any;
}

/* "Fever …, lowest temperature": true of a single reading, and no peak of a fever. */
static bool against_alert(const struct claim_proof *proof, int vital, int direction)
{
    for (int i = 0; i < proof->world->alert_count && proof->state->has_alert; i++) {
        const struct alert_fact *alert = &proof->world->alerts[i];
        if ((proof->state->alerts.bits[i / 64] >> (i % 64) & 1) && alert->type < ALERT_RULE_COUNT &&
            (int)alert_rules[alert->type].vital == vital && alert_rules[alert->type].high != (direction > 0))
            return true;
    }
    return false;
}

bool prove_extreme(struct claim_proof *proof, const struct captures *captures, int direction)
{
    int vital = captures->vital[1] >= 0 ? captures->vital[1] : proof->state->vital;
    if (vital < 0)
        return no(proof, "it is not said which vital is meant");
    if (vital == VITAL_PRESSURE)
        vital = VITAL_SYSTOLIC; /* "with a peak of 180 mmHg": the systolic, as people say it */
    const struct quantity *number = &captures->number[1];
    const struct vital_fact *fact = fact_of(proof, vital);
    if (!form_fits(proof, vital, number))
        return false;
    if (alert_peak_is(proof, vital, direction, captures))
        return true;
    if (against_alert(proof, vital, direction))
        return no(proof, "the other extreme of %s belongs to the alarm", word_of(vital));
    if (!fact->count || (direction > 0 ? fact->max.milli : fact->min.milli) != number->milli)
        return no(proof, "%g is not the %s %s", number->milli / 1000.0, direction > 0 ? "highest" : "lowest",
                  word_of(vital));
    const struct reading *reading = find(proof, vital, number, captures->minute[1], EARLIEST);
    if (!reading)
        return not_shown(proof, vital, number, captures->minute[1]);
    cite_reading(proof, reading);
    return true;
}

static bool range_is(struct claim_proof *proof, int vital, const struct quantity *low, const struct quantity *high)
{
    const struct vital_fact *fact = fact_of(proof, vital);
    if (vital == VITAL_PRESSURE)
        return no(proof, "a range belongs to the systolic or the diastolic pressure");
    if (!form_fits(proof, vital, low) || !form_fits(proof, vital, high))
        return false;
    if (!fact->count || fact->min.milli != low->milli || fact->max.milli != high->milli)
        return no(proof, "%g to %g is not the range of %s", low->milli / 1000.0, high->milli / 1000.0, word_of(vital));
    cite_value(proof, &fact->min);
    cite_value(proof, &fact->max);
    return true;
}

bool prove_swing(struct claim_proof *proof, const struct captures *captures, int how)
{
    int vital = captures->vital[1];
    (void)how;
    if (!range_is(proof, vital, &captures->number[1], &captures->number[2]))
        return false;
    for (int end = 1; end <= 2; end++)
        if (!find(proof, vital, &captures->number[end], captures->minute[end], EARLIEST))
            return not_shown(proof, vital, &captures->number[end], captures->minute[end]);
    proof->state->vital = vital;
    return true;
}

/* ---- stable, normal, single values ---- */

static bool is_stable(struct claim_proof *proof, int vital)
{
    const struct vital_fact *fact = fact_of(proof, vital), *diastolic = fact_of(proof, VITAL_DIASTOLIC);
    if (fact->count < 2 || fact->trend != TREND_STABLE)
        return no(proof, "%s is %s in this period", word_of(vital),
                  fact->count < 2 ? "not measured twice" : trend_name(fact->trend));
    if (vital == VITAL_PRESSURE && diastolic->count > 1 && diastolic->trend != TREND_STABLE)
        return no(proof, "diastolic pressure is %s in this period", trend_name(diastolic->trend));
    cite_value(proof, &fact->min);
    cite_value(proof, &fact->max);
    proof->state->vital = vital;
    return true;
}

static bool item_is_last(struct claim_proof *proof, const struct claim_item *item, int minute)
{
    const struct fact_value *last = &fact_of(proof, item->vital)->last;
    if (!form_fits(proof, item->vital, &item->low))
        return false;
    if (!fact_of(proof, item->vital)->count || last->milli != item->low.milli ||
        (item->vital == VITAL_PRESSURE && last->other_milli != item->low.other_milli) ||
            (minute >= 0 && minute_of(last->time_us) != minute))
        return find(proof, item->vital, &item->low, minute, LATEST)
                   ? no(proof, "%g is not the last %s: say when", item->low.milli / 1000.0, word_of(item->vital))
                   : not_shown(proof, item->vital, &item->low, minute);
    cite_value(proof, last);
    proof->state->vital = item->vital;
    return true;
}

static bool stable_item(struct claim_proof *proof, const struct claim_item *item)
{
    return is_stable(proof, item->vital) &&
           (item->range ? range_is(proof, item->vital, &item->low, &item->high) : item_is_last(proof, item, -1));
}

static unsigned measured(const struct claim_proof *proof)
{
    unsigned vitals = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (proof->world->facts->vital[vital].count)
            vitals |= 1u << vital;
    return vitals;
}

bool prove_stable(struct claim_proof *proof, const struct captures *captures, int all)
{
    unsigned vitals = all ? measured(proof) : captures->vitals;
    struct claim_item item = item_of(captures);
    if (captures->vital[1] >= 0)
        return stable_item(proof, &item);
    for (int i = 0; i < captures->item_count; i++)
        if (!stable_item(proof, &captures->items[i]))
            return false;
    for (int vital = 0; vital < CLAIM_VITAL_COUNT && !captures->item_count; vital++)
        if ((vitals >> vital & 1) && !is_stable(proof, vital))
            return false;
    return captures->item_count || vitals;
}

/* What people are told is normal.  Source: clinical.md "Message texts" (as alert_text.c). */
static const struct { int32_t low, high; } normal_milli[VITAL_COUNT] = {
    [VITAL_HEART_RATE] = { 60000, 100000 }, [VITAL_SPO2] = { 95001, 100000 }, [VITAL_SYSTOLIC] = { 90001, 139999 },
    [VITAL_DIASTOLIC] = { 60000, 90000 }, [VITAL_TEMPERATURE] = { 36100, 38000 },
        [VITAL_RESPIRATORY] = { 12000, 20000 },
};

static bool is_normal(struct claim_proof *proof, enum vital vital)
{
    const struct vital_fact *fact = &proof->world->facts->vital[vital];
    if (!fact->count || fact->beyond || fact->min.milli < normal_milli[vital].low ||
        fact->max.milli > normal_milli[vital].high)
        return no(proof, "%s is not normal throughout", word_of((int)vital));
    cite_value(proof, &fact->min);
    cite_value(proof, &fact->max);
    return true;
}

enum { NORMAL_AND_STABLE = 1, NORMAL_ALL = 2 };

bool prove_normal(struct claim_proof *proof, const struct captures *captures, int how)
{
    unsigned vitals = how == NORMAL_ALL ? measured(proof) : captures->vitals;
    if (vitals >> VITAL_PRESSURE & 1)
        vitals |= 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if ((vitals >> vital & 1) && (!is_normal(proof, (enum vital)vital) ||
                                      (how == NORMAL_AND_STABLE && !is_stable(proof, vital))))
            return false;
    return vitals != 0;
}

bool prove_values(struct claim_proof *proof, const struct captures *captures, int how)
{
    int minute = captures->minute[1];
    for (int i = 0; i < captures->item_count; i++) {
        const struct claim_item *item = &captures->items[i];
        if (item->range) {
            if (minute >= 0 || how == VALUES_LAST || !range_is(proof, item->vital, &item->low, &item->high))
                return minute >= 0 ? no(proof, "a range has no one time") : false;
        } else if (how == VALUES_LAST || minute < 0) { /* without a time, "heart rate was 112" means the newest */
            if (!item_is_last(proof, item, minute))
                return false;
        } else {
            const struct reading *reading = find(proof, item->vital, &item->low, minute, LATEST);
            if (!form_fits(proof, item->vital, &item->low))
                return false;
            if (!reading)
                return not_shown(proof, item->vital, &item->low, minute);
            cite_reading(proof, reading);
        }
        proof->state->vital = item->vital;
    }
    return captures->item_count > 0;
}

/* The number must be a limit of the vital, or measured: a summary brings no number of its own. */
static bool is_known_number(const struct claim_proof *proof, int vital, const struct quantity *number)
{
    const struct alarm_limits *limits = proof->world->facts->limits;
    for (int rule = 0; rule < ALERT_RULE_COUNT; rule++)
        if (alert_rules[rule].vital == base_vital(vital) &&
            (limits->warning_milli[rule] == number->milli || limits->critical_milli[rule] == number->milli))
            return true;
    return find(proof, vital, number, -1, EARLIEST) != NULL;
}

bool prove_compare(struct claim_proof *proof, const struct captures *captures, int how)
{
    int vital = captures->vital[1];
    const struct quantity *number = &captures->number[1];
    const struct window *window = proof->world->facts->window;
    bool below = how & COMPARE_BELOW, any = false, all = true, last = false;
    if (vital == VITAL_PRESSURE || !form_fits(proof, vital, number))
        return no(proof, "the comparison does not fit %s", word_of(vital));
    if (!is_known_number(proof, vital, number))
        return no(proof, "%g is neither a limit nor a value of %s", number->milli / 1000.0, word_of(vital));
    for (size_t i = 0; i < window->reading_count; i++) {
        int32_t milli = reading_usable(&window->readings[i], base_vital(vital));
        if (milli == VITAL_ABSENT || (captures->minute[1] >= 0 &&
                                      minute_of(window->readings[i].time_us) != captures->minute[1]))
            continue;
        last = below ? milli < number->milli : milli > number->milli;
        all &= last;
        if (last)
            cite_reading(proof, &window->readings[i]);
        any |= last;
    }
    how &= COMPARE_ALL | COMPARE_LAST;
    proof->state->vital = vital;
    return (how == COMPARE_ALL ? all && any : how == COMPARE_LAST ? last : any) ||
        no(proof, "the readings of %s do not show that", word_of(vital));
}

static bool is_beyond(const struct claim_proof *proof, int vital, int32_t milli, bool high)
{
    for (int rule = 0; rule < ALERT_RULE_COUNT; rule++)
        if (alert_rules[rule].vital == base_vital(vital) && alert_rules[rule].high == high &&
            limits_judge(proof->world->facts->limits, (enum alert_type)rule, milli) != SEVERITY_NORMAL)
            return true;
    return false;
}

/* "was elevated": some value (of that minute) was beyond a warning limit on that side.  2, -2: the newest is. */
bool prove_level(struct claim_proof *proof, const struct captures *captures, int how)
{
    int vital = captures->vital[1];
    const struct window *window = proof->world->facts->window;
    const struct vital_fact *fact = fact_of(proof, vital);
    struct claim_item item = item_of(captures);
    bool now = how == 2 || how == -2;
    if (!fact->count || (captures->number[1].present && !item_is_last(proof, &item, -1)))
        return captures->number[1].present ? false : no(proof, "%s was not measured", word_of(vital));
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *reading = &window->readings[i];
        int32_t milli = reading_usable(reading, base_vital(vital));
        if (milli == VITAL_ABSENT || (now && reading->time_us != fact->last.time_us) ||
            (captures->minute[1] >= 0 && minute_of(reading->time_us) != captures->minute[1]) ||
            !is_beyond(proof, vital, milli, how > 0))
            continue;
        cite_reading(proof, reading);
        proof->state->vital = vital;
        return true;
    }
    return no(proof, "%s is not beyond a limit on that side", word_of(vital));
}

/* ---- missing, marked, scores, counts ---- */

/* Nothing can be pointed at: what was looked through is told, from the first reading to the last. */
void claim_cite_window(struct claim_proof *proof)
{
    const struct window *window = proof->world->facts->window;
    if (!window->reading_count)
        return;
    cite_reading(proof, &window->readings[0]);
    cite_reading(proof, &window->readings[window->reading_count - 1]);
}

bool prove_missing(struct claim_proof *proof, const struct captures *captures, int how)
{
    unsigned vitals = captures->vitals;
    (void)how;
    if (vitals >> VITAL_PRESSURE & 1)
        vitals |= 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if ((vitals >> vital & 1) && proof->world->facts->vital[vital].count)
            return no(proof, "%s was measured", word_of(vital));
    claim_cite_window(proof);
    return vitals != 0;
}

bool prove_implausible(struct claim_proof *proof, const struct captures *captures, int how)
{
    int vital = captures->vital[1];
    (void)how;
    if (vital == VITAL_PRESSURE || (int)fact_of(proof, vital)->implausible != captures->count[1] || !captures->count[1])
        return no(proof, "another number of %s values was left out", word_of(vital));
    const struct window *window = proof->world->facts->window;
    for (size_t i = 0; i < window->reading_count; i++)
        if (window->readings[i].implausible >> vital & 1)
            cite_reading(proof, &window->readings[i]);
    return true;
}

bool prove_news2(struct claim_proof *proof, const struct captures *captures, int how)
{
    const struct news2 *news2 = &proof->world->facts->news2;
    int low = captures->count[1], high = captures->count[2] < 0 ? low : captures->count[2];
    (void)how;
    if (news2->low != low || news2->high != high)
        return no(proof, "NEWS2 is %d to %d", news2->low, news2->high);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (proof->world->facts->vital[vital].count)
            cite_value(proof, &proof->world->facts->vital[vital].last);
    return true;
}

bool prove_basis(struct claim_proof *proof, const struct captures *captures, int how)
{
    const struct window *window = proof->world->facts->window;
    (void)how;
    if (captures->count[1] < 0 || (size_t)captures->count[1] != window->reading_count || !window->reading_count)
        return no(proof, "there are %zu readings", window->reading_count);
    const struct reading *first = &window->readings[0], *last = &window->readings[window->reading_count - 1];
    if (captures->minute[1] >= 0 && (minute_of(first->time_us) != captures->minute[1] ||
                                     minute_of(last->time_us) != (captures->minute[2] < 0 ? captures->minute[1]
                                                                  : captures->minute[2])))
        return no(proof, "the readings are from other times");
    cite_reading(proof, first);
    cite_reading(proof, last);
    return true;
}

/* ---- the patient as a whole ---- */

bool prove_patient_stable(struct claim_proof *proof, const struct captures *captures, int how)
{
    const struct facts *facts = proof->world->facts;
    if (!facts_patient_stable(facts) || (how == 1 && facts->window->alert_count))
        return no(proof, "the patient was not stable: an alarm, or a vital that moved or was beyond a limit");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (facts->vital[vital].count && !is_stable(proof, vital) && facts->vital[vital].count > 1)
            return false;
    return how != 2 || prove_no_alerts(proof, captures, ALERTS_CRITICAL);
}

bool prove_needs_observation(struct claim_proof *proof, const struct captures *captures, int how)
{
    const struct facts *facts = proof->world->facts;
    bool beyond = false;
    (void)captures;
    (void)how;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        beyond |= facts->vital[vital].count && facts->vital[vital].beyond;
    return beyond || facts->window->alert_count || no(proof, "nothing that needs observation is in the data");
}
