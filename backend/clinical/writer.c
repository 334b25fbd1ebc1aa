#include "clinical/writer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <string.h>

enum { SENTENCE_SIZE_MAX = 600 };

struct draft {
    const struct facts *facts;
    struct summary_text *out;
    struct arena *arena;
    struct buf text;
    uint64_t seed;
};

static const char *pick(struct draft *draft, const char *const *phrases, unsigned count)
{
    draft->seed = draft->seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return phrases[(draft->seed >> 33) % count];
}
#define PICK(draft, ...) \
    pick(draft, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static struct sentence *begin(struct draft *draft)
{
    if (draft->out->count == SENTENCES_MAX)
        return NULL;
    buf_reset(&draft->text);
    struct sentence *sentence = &draft->out->sentences[draft->out->count++];
    *sentence = (struct sentence){ 0 };
    return sentence;
}

static void end(struct draft *draft, struct sentence *sentence)
{
    sentence->text = arena_copy(draft->arena, draft->text.data ? draft->text.data : "", draft->text.length);
}

static void cite_reading(struct sentence *sentence, const struct fact_value *value)
{
    if (sentence->evidence_count < EVIDENCE_MAX)
        sentence->evidence[sentence->evidence_count++] = (struct evidence){ .time_us = value->time_us, .source = value->source };
}

static void cite_alert(struct sentence *sentence, const struct alert *alert)
{
    if (sentence->evidence_count < EVIDENCE_MAX)
        sentence->evidence[sentence->evidence_count++] =
            (struct evidence){ .is_alert = true, .time_us = alert->onset_us, .alert_type = alert->type };
}

static void add_clock(struct buf *text, int64_t time_us)
{
    char stamp[TIME_TEXT_SIZE];
    time_format(time_us, stamp);
    buf_add(text, stamp + 11, 5); /* hh:mm of 2026-11-23T13:20:00.000Z */
}

static void add_number(struct buf *text, enum vital vital, int32_t milli)
{
    buf_add_decimal(text, milli, 3);
    if (vital_infos[vital].unit[0] != '%')
        buf_add_char(text, ' ');
    buf_add_text(text, vital_infos[vital].unit);
}

/* ---- alarms ---- */

static const char *condition_of(const struct alert *alert)
{
    static const char *const names[ALERT_TYPE_COUNT] = {
        "tachycardia", "bradycardia", "hypoxia", "hypertension", "hypotension", "fever", "hypothermia",
        "tachypnea", "bradypnea", "sensor disconnection",
    };
    return names[alert->type];
}

static void write_alert(struct draft *draft, const struct alert *alert)
{
    struct sentence *sentence = begin(draft);
    if (!sentence)
        return;
    struct buf *text = &draft->text;
    bool critical = alert->severity == SEVERITY_CRITICAL, over = alert->end_us != 0;
    buf_printf(text, "%s%s", critical ? "Critical " : "", critical ? condition_of(alert) : "");
    if (!critical) {
        char first = condition_of(alert)[0];
        buf_add_char(text, (char)(first - 'a' + 'A'));
        buf_add_text(text, condition_of(alert) + 1);
    }
    buf_add_text(text, over ? " was present from " : PICK(draft, " has been present since ", " is active since "));
    add_clock(text, alert->onset_us);
    if (over) {
        buf_add_text(text, " to ");
        add_clock(text, alert->end_us);
    }
    if (alert->peak_milli != VITAL_ABSENT && alert->type < ALERT_RULE_COUNT) {
        enum vital vital = alert_rules[alert->type].vital;
        buf_printf(text, alert_rules[alert->type].high ? ", highest %s " : ", lowest %s ",
                   vital == VITAL_SPO2 ? "SpO2" : vital == VITAL_HEART_RATE ? "heart rate" : vital == VITAL_SYSTOLIC
                   ? "systolic pressure" : vital == VITAL_TEMPERATURE ? "temperature" : "respiratory rate");
        add_number(text, vital, alert->peak_milli);
        buf_add_text(text, " at ");
        add_clock(text, alert->peak_us);
    }
    buf_add_text(text, alert->ack_us ? "; it was acknowledged." : critical && !over ? "; it has not been acknowledged." : ".");
    cite_alert(sentence, alert);
    end(draft, sentence);
}

static void write_alerts(struct draft *draft)
{
    const struct window *window = draft->facts->window;
    for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--)
        for (size_t i = 0; i < window->alert_count && draft->out->count < SENTENCES_MAX - 6; i++)
            if (window->alerts[i].severity == severity)
                write_alert(draft, &window->alerts[i]);
}

/* ---- vitals ---- */

static const char *name_of(enum vital vital)
{
    static const char *const names[VITAL_COUNT] = { "Heart rate", "SpO2", "Systolic pressure", "Diastolic pressure",
                                                    "Temperature", "Respiratory rate" };
    return names[vital];
}

static void write_moved(struct draft *draft, enum vital vital)
{
    const struct vital_fact *fact = &draft->facts->vital[vital];
    struct sentence *sentence = begin(draft);
    if (!sentence)
        return;
    buf_printf(&draft->text, "%s %s from ", name_of(vital), fact->trend == TREND_RISING ? PICK(draft, "rose", "has risen")
                                                                                        : PICK(draft, "fell", "has fallen"));
    add_number(&draft->text, vital, fact->first.milli);
    buf_add_text(&draft->text, " at ");
    add_clock(&draft->text, fact->first.time_us);
    buf_add_text(&draft->text, " to ");
    add_number(&draft->text, vital, fact->last.milli);
    buf_add_text(&draft->text, " at ");
    add_clock(&draft->text, fact->last.time_us);
    buf_add_char(&draft->text, '.');
    cite_reading(sentence, &fact->first);
    cite_reading(sentence, &fact->last);
    end(draft, sentence);
}

static void write_stable(struct draft *draft)
{
    struct sentence *sentence = NULL;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const struct vital_fact *fact = &draft->facts->vital[vital];
        if (!fact->count || fact->trend != TREND_STABLE)
            continue;
        if (!sentence && !(sentence = begin(draft)))
            return;
        buf_add_text(&draft->text, draft->text.length ? ", " : PICK(draft, "Stable: ", "Without relevant change: "));
        buf_printf(&draft->text, "%s ", name_of((enum vital)vital));
        if (fact->min.milli != fact->max.milli) {
            buf_add_decimal(&draft->text, fact->min.milli, 3);
            buf_add_char(&draft->text, '-');
        }
        add_number(&draft->text, (enum vital)vital, fact->max.milli);
        cite_reading(sentence, &fact->min);
        cite_reading(sentence, &fact->max);
    }
    if (sentence) {
        buf_add_char(&draft->text, '.');
        end(draft, sentence);
    }
}

static void write_missing(struct draft *draft)
{
    struct sentence *sentence = NULL;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (draft->facts->vital[vital].count)
            continue;
        if (!sentence && !(sentence = begin(draft)))
            return;
        buf_printf(&draft->text, "%s%s", draft->text.length ? ", " : "Not measured in this period: ", name_of((enum vital)vital));
    }
    if (sentence) {
        buf_add_char(&draft->text, '.');
        end(draft, sentence);
    }
}

static void write_news2(struct draft *draft)
{
    const struct news2 *news2 = &draft->facts->news2;
    struct sentence *sentence = begin(draft);
    if (!sentence)
        return;
    if (news2->low == news2->high)
        buf_printf(&draft->text, "NEWS2 is %d.", news2->low);
    else
        buf_printf(&draft->text, "NEWS2 is between %d and %d, because inputs are missing.", news2->low, news2->high);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (draft->facts->vital[vital].count)
            cite_reading(sentence, &draft->facts->vital[vital].last);
    end(draft, sentence);
}

void writer_write(const struct facts *facts, uint64_t seed, struct arena *arena, struct summary_text *out)
{
    struct draft draft = { .facts = facts, .out = out, .arena = arena, .seed = seed };
    out->count = 0;
    buf_init(&draft.text, SENTENCE_SIZE_MAX);
    write_alerts(&draft);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (facts->vital[vital].count && facts->vital[vital].trend != TREND_STABLE)
            write_moved(&draft, (enum vital)vital);
    write_stable(&draft);
    write_missing(&draft);
    write_news2(&draft);
    buf_free(&draft.text);
}
