#include "clinical/model_input.h"

#include "base/clock.h"
#include "clinical/writer.h"

static const char *const format_names[] = { "published", "facts", "slots" };

const char *model_format_name(enum model_format format)
{
    return format_names[format];
}

bool model_format_parse(const char *name, enum model_format *out)
{
    for (int i = 0; i < 3; i++)
        if (str_equal(name, format_names[i])) {
            *out = (enum model_format)i;
            return true;
        }
    return false;
}

/* ---- published ---- */

static bool add_vital(struct buf *out, const struct reading *reading, enum vital vital, const char *name, bool any)
{
    int32_t milli = reading_usable(reading, vital);
    if (milli == VITAL_ABSENT)
        return any;
    buf_printf(out, "%s%s=", any ? ", " : "", name);
    buf_add_decimal(out, milli, 3);
    return true;
}

static bool add_pressure(struct buf *out, const struct reading *reading, bool any)
{
    int32_t systolic = reading_usable(reading, VITAL_SYSTOLIC), diastolic = reading_usable(reading, VITAL_DIASTOLIC);
    if (systolic == VITAL_ABSENT || diastolic == VITAL_ABSENT)
        return any;
    buf_printf(out, "%sBP=", any ? ", " : "");
    buf_add_decimal(out, systolic, 3);
    buf_add_char(out, '/');
    buf_add_decimal(out, diastolic, 3);
    return true;
}

/* Whether anything of it would be written. */
static bool is_shown(const struct reading *reading)
{
    struct buf none;
    buf_init(&none, 128);
    bool any = add_vital(&none, reading, VITAL_HEART_RATE, "", false) ||
               add_vital(&none, reading, VITAL_SPO2, "", false) ||
               add_vital(&none, reading, VITAL_TEMPERATURE, "", false) || add_pressure(&none, reading, false) ||
               add_vital(&none, reading, VITAL_RESPIRATORY, "", false);
    buf_free(&none);
    return any;
}

static void add_reading(struct buf *out, const struct reading *reading)
{
    bool any = false;
    buf_add_text(out, "Patient 1: ");
    any = add_vital(out, reading, VITAL_HEART_RATE, "HR", any);
    any = add_vital(out, reading, VITAL_SPO2, "SpO2", any);
    any = add_vital(out, reading, VITAL_TEMPERATURE, "Temp", any);
    any = add_pressure(out, reading, any);
    (void)add_vital(out, reading, VITAL_RESPIRATORY, "Resp", any);
    buf_add_char(out, '.');
}

static void add_published(const struct window *window, struct buf *out)
{
    const struct reading *shown[PUBLISHED_READINGS];
    int count = 0;
    for (size_t i = window->reading_count; i-- > 0 && count < PUBLISHED_READINGS;)
        if (is_shown(&window->readings[i]))
            shown[count++] = &window->readings[i];
    buf_add_text(out, PUBLISHED_PREFIX);
    while (count-- > 0) {
        add_reading(out, shown[count]);
        if (count)
            buf_add_char(out, ' ');
    }
}

/* ---- facts ---- */

static void add_clock(struct buf *out, int64_t time_us)
{
    char stamp[TIME_TEXT_SIZE];
    time_format(time_us, stamp);
    buf_add_char(out, ' ');
    buf_add(out, stamp + 11, 5);
}

static void add_value(struct buf *out, const char *what, const struct fact_value *value, bool pair)
{
    buf_printf(out, " %s ", what);
    buf_add_decimal(out, value->milli, 3);
    if (pair) {
        buf_add_char(out, '/');
        buf_add_decimal(out, value->other_milli, 3);
    }
    add_clock(out, value->time_us);
}

static void add_vital_facts(struct buf *out, const struct vital_fact *fact, const char *name)
{
    bool pair = fact->count && fact->first.other_milli != VITAL_ABSENT && fact->last.other_milli != VITAL_ABSENT;
    buf_printf(out, " | %s", name);
    if (!fact->count) {
        buf_add_text(out, " none");
    } else if (fact->count == 1) {
        add_value(out, "one", &fact->last, pair);
    } else {
        buf_printf(out, " %s", trend_name(fact->trend));
        add_value(out, "first", &fact->first, pair);
        add_value(out, "last", &fact->last, pair);
        add_value(out, "min", &fact->min, false);
        add_value(out, "max", &fact->max, false);
    }
    if (fact->implausible)
        buf_printf(out, " bad %u", fact->implausible);
}

static void add_lost(struct buf *out, uint8_t lost, const char *const *names)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (lost >> vital & 1)
            buf_printf(out, " %s", names[vital]);
}

static void add_alarm(struct buf *out, const struct alert_fact *alert, const char *const *names)
{
    buf_printf(out, " | alarm%s %s", alert->severity == SEVERITY_CRITICAL ? " critical" : "", alert_word(alert->type));
    if (alert->type == ALERT_SENSOR)
        add_lost(out, alert->lost, names);
    if (alert->count > 1)
        buf_printf(out, " %d times", alert->count);
    buf_add_text(out, alert->end_us ? " from" : " since");
    add_clock(out, alert->onset_us);
    if (alert->end_us) {
        buf_add_text(out, " to");
        add_clock(out, alert->end_us);
    }
    if (alert->has_peak)
        add_value(out, "worst", &alert->peak, false);
    if (alert->state == ALERT_CLOSED)
        buf_add_text(out, " closed");
    else
        buf_printf(out, " %s %s", alert->end_us ? "over" : "open", alert->acknowledged ? "acked" : "unacked");
}

static void add_alarms(const struct facts *facts, const char *const *names, struct buf *out)
{
    int told = writer_alerts_told(facts);
    for (int i = 0; i < told; i++)
        add_alarm(out, &facts->alert[i], names);
    if (told != facts->alert_count)
        buf_printf(out, " | alarms %zu", facts->window->alert_count);
}

static void add_facts(const struct facts *facts, struct buf *out)
{
    static const char *const names[VITAL_COUNT] = { "HR", "SpO2", "SBP", "DBP", "T", "RR" };
    const struct window *window = facts->window;
    buf_printf(out, "n %zu", window->reading_count);
    if (window->reading_count) {
        add_clock(out, window->readings[0].time_us);
        add_clock(out, window->readings[window->reading_count - 1].time_us);
    }
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        add_vital_facts(out, &facts->vital[vital], names[vital]);
    add_alarms(facts, names, out);
    buf_printf(out, " | NEWS2 %u", facts->news2.low);
    if (facts->news2.high != facts->news2.low)
        buf_printf(out, " %u", facts->news2.high);
    if (facts_patient_stable(facts))
        buf_add_text(out, " | calm");
}

void model_input(const struct facts *facts, enum model_format format, struct slots *slots, struct buf *out)
{
    if (slots)
        slots->count = 0;
    if (format == MODEL_FORMAT_PUBLISHED)
        add_published(facts->window, out);
    else if (format == MODEL_FORMAT_FACTS)
        add_facts(facts, out);
    else
        slots_input(facts, out);
    if (format == MODEL_FORMAT_SLOTS && slots)
        slots_make(facts, slots);
}
