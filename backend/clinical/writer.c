/* writer.c - phrasings are templates: $x stands for the slot x of a struct slots. */
#include "clinical/writer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <string.h>

enum { SENTENCE_SIZE_MAX = 1000, ALERT_SENTENCES_MAX = 5, SLOT_COUNT = 128 };

struct draft {
    const struct facts *facts;
    struct summary_text *out;
    struct arena *arena;
    struct sentence *sentence;           /* being written */
    struct buf text;
    uint64_t seed;
    bool house;                          /* always the first phrasing */
    bool named;                          /* numbers are written as the names of their slots */
};

struct slots {
    const char *text[SLOT_COUNT];        /* by letter */
    char owner;                          /* clinical/slots.h; 0: nobody's */
};

/* The letters of an owner that hold numbers or times; the others are words. */
static const char vital_letters[] = "aAblLhsemxn", alert_letters[] = "nofpq", news2_letters[] = "lh",
                  window_letters[] = "nse", total_letters[] = "n";

static const char *letters_of(char owner)
{
    return !owner ? "" : strchr(SLOT_OWNERS_VITAL, owner) ? vital_letters : owner == SLOT_OWNER_NEWS2 ? news2_letters
           : owner == SLOT_OWNER_WINDOW ? window_letters : owner == SLOT_OWNER_TOTAL ? total_letters : alert_letters;
}

static unsigned choose(struct draft *draft, unsigned count)
{
    if (draft->house)
        return 0;
    draft->seed = draft->seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (unsigned)(draft->seed >> 33) % count;
}

#define PICK(draft, ...) \
    ((const char *const[]){ __VA_ARGS__ })[choose(draft, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))]

const char *vital_word(enum vital vital)
{
    static const char *const names[VITAL_COUNT] = { "heart rate", "SpO2", "systolic pressure", "diastolic pressure",
                                                    "temperature", "respiratory rate" };
    return names[vital];
}

const char *alert_word(enum alert_type type)
{
    static const char *const names[ALERT_TYPE_COUNT] = {
        "tachycardia", "bradycardia", "hypoxia", "hypertension", "hypotension", "fever", "hypothermia",
        "tachypnea", "bradypnea", "sensor disconnection",
    };
    return names[type];
}

/* ---- sentences and their evidence ---- */

void sentence_cite(struct sentence *sentence, const struct evidence *evidence)
{
    for (int i = 0; i < sentence->evidence_count; i++) {
        const struct evidence *old = &sentence->evidence[i];
        if (old->is_alert == evidence->is_alert && old->time_us == evidence->time_us &&
            old->source == evidence->source &&
            old->alert_type == evidence->alert_type)
            return;
    }
    if (sentence->evidence_count < EVIDENCE_MAX)
        sentence->evidence[sentence->evidence_count++] = *evidence;
}

static void cite_value(struct draft *draft, const struct fact_value *value)
{
    sentence_cite(draft->sentence, &(struct evidence){ .time_us = value->time_us, .source = value->source });
}

static void cite_alerts(struct draft *draft, uint64_t members)
{
    const struct window *window = draft->facts->window;
    for (size_t i = 0; i < window->alert_count && i < WINDOW_ALERTS_MAX; i++)
        if (members >> i & 1)
            sentence_cite(draft->sentence, &(struct evidence){ .is_alert = true, .time_us = window->alerts[i].onset_us,
                                                               .alert_type = window->alerts[i].type });
}

static bool begin(struct draft *draft)
{
    if (draft->out->count == SENTENCES_MAX)
        return false;
    buf_reset(&draft->text);
    draft->sentence = &draft->out->sentences[draft->out->count++];
    *draft->sentence = (struct sentence){ 0 };
    return true;
}

static void end(struct draft *draft)
{
    char *text = draft->text.data;
    buf_add_char(&draft->text, '.');
    text = arena_copy(draft->arena, draft->text.data, draft->text.length);
    if (text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 'a' + 'A');
    draft->sentence->text = text;
}

static void add(struct draft *draft, const char *template, const struct slots *slots)
{
    for (const char *p = template; *p; p++) {
        if (*p != '$') {
            buf_add_char(&draft->text, *p);
            continue;
        }
        const char *text = slots->text[(unsigned char)*++p & 127];
        CHECK(text); /* a template names a slot that its facts do not fill */
        if (draft->named && strchr(letters_of(slots->owner), *p))
            buf_printf(&draft->text, "$%c%c", slots->owner, *p);
        else
            buf_add_text(&draft->text, text);
    }
}

/* "a, b and c": what stands between item i and the one before it. */
static const char *joint(int i, int count)
{
    return i == 0 ? "" : i == count - 1 ? " and " : ", ";
}

/* ---- values ---- */

static const char *clock_text(struct draft *draft, int64_t time_us)
{
    char stamp[TIME_TEXT_SIZE];
    time_format(time_us, stamp);
    return arena_copy(draft->arena, stamp + 11, 5); /* hh:mm of 2026-11-23T13:20:00.000Z */
}

static const char *number_text(struct draft *draft, enum vital vital, int32_t milli, int32_t other, bool unit)
{
    struct buf buf;
    buf_init(&buf, 64);
    buf_add_decimal(&buf, milli, 3);
    if (other != VITAL_ABSENT) {
        buf_add_char(&buf, '/');
        buf_add_decimal(&buf, other, 3);
    }
    if (unit)
        buf_printf(&buf, "%s%s", vital == VITAL_SPO2 || vital == VITAL_RESPIRATORY ? "" : " ", vital_infos[vital].unit);
    const char *text = arena_copy(draft->arena, buf.data, buf.length);
    buf_free(&buf);
    return text;
}

/* A systolic pressure is told as "118/76" where both ends have their diastolic beside them. */
bool writer_is_pair(const struct vital_fact *fact)
{
    return fact->count && fact->first.other_milli != VITAL_ABSENT && fact->last.other_milli != VITAL_ABSENT;
}

static const char *name_of(const struct facts *facts, enum vital vital)
{
    return vital == VITAL_SYSTOLIC && writer_is_pair(&facts->vital[vital]) ? "blood pressure" : vital_word(vital);
}

static bool differs(const struct facts *facts, enum vital vital)
{
    return facts->vital[vital].min.milli != facts->vital[vital].max.milli;
}

/* The diastolic is told beside the systolic; by itself where there is no systolic, or where it alone moved. */
static bool is_told(const struct facts *facts, enum vital vital)
{
    const struct vital_fact *systolic = &facts->vital[VITAL_SYSTOLIC];
    if (vital == VITAL_DIASTOLIC && systolic->count)
        return systolic->trend == TREND_STABLE && facts->vital[vital].trend != TREND_STABLE;
    return facts->vital[vital].count > 0;
}

/* $v name; $a $b first, last; $l $h lowest, highest (capitals: without unit); $s $e $m $x their times. */
static struct slots vital_slots(struct draft *draft, enum vital vital)
{
    const struct vital_fact *fact = &draft->facts->vital[vital];
    bool pair = vital == VITAL_SYSTOLIC && writer_is_pair(fact);
    int32_t first_other = pair ? fact->first.other_milli : VITAL_ABSENT,
            last_other = pair ? fact->last.other_milli : VITAL_ABSENT;
    struct slots slots = { .owner = SLOT_OWNERS_VITAL[vital] };
    slots.text['v'] = name_of(draft->facts, vital);
    slots.text['w'] = vital_word(vital);
    slots.text['a'] = number_text(draft, vital, fact->first.milli, first_other, true);
    slots.text['A'] = number_text(draft, vital, fact->first.milli, first_other, false);
    slots.text['b'] = number_text(draft, vital, fact->last.milli, last_other, true);
    slots.text['l'] = number_text(draft, vital, fact->min.milli, VITAL_ABSENT, true);
    slots.text['L'] = number_text(draft, vital, fact->min.milli, VITAL_ABSENT, false);
    slots.text['h'] = number_text(draft, vital, fact->max.milli, VITAL_ABSENT, true);
    slots.text['s'] = clock_text(draft, fact->first.time_us);
    slots.text['e'] = clock_text(draft, fact->last.time_us);
    slots.text['m'] = clock_text(draft, fact->min.time_us);
    slots.text['x'] = clock_text(draft, fact->max.time_us);
    return slots;
}

static void cite_ends(struct draft *draft, enum vital vital)
{
    cite_value(draft, &draft->facts->vital[vital].first);
    cite_value(draft, &draft->facts->vital[vital].last);
}

static void cite_extremes(struct draft *draft, enum vital vital)
{
    cite_value(draft, &draft->facts->vital[vital].min);
    cite_value(draft, &draft->facts->vital[vital].max);
}

/* ---- alarms ---- */

/* $c condition, $u with article, $n how often, $o onset, $f end; $k $p $q what peaked, its value and time. */
static struct slots alert_slots(struct draft *draft, const struct alert_fact *alert)
{
    struct slots slots = { .owner = slot_owner_alert((int)(alert - draft->facts->alert)) };
    struct arena *arena = draft->arena;
    slots.text['c'] = arena_printf(arena, "%s%s", alert->severity == SEVERITY_CRITICAL ? "critical " : "",
                                   alert_word(alert->type));
    slots.text['u'] = alert->acknowledged ? "an acknowledged" : "an unacknowledged";
    slots.text['n'] = arena_printf(arena, "%d", alert->count);
    slots.text['o'] = clock_text(draft, alert->onset_us);
    slots.text['f'] = alert->end_us ? clock_text(draft, alert->end_us) : NULL;
    if (alert->has_peak) {
        enum vital vital = alert_rules[alert->type].vital;
        slots.text['k'] = arena_printf(arena, "%s %s", alert_rules[alert->type].high ? "highest" : "lowest",
                                       vital_word(vital));
        slots.text['p'] = number_text(draft, vital, alert->peak.milli, VITAL_ABSENT, true);
        slots.text['q'] = clock_text(draft, alert->peak.time_us);
    }
    return slots;
}

static void add_peak(struct draft *draft, const struct alert_fact *alert, const struct slots *slots)
{
    if (alert->has_peak)
        add(draft, PICK(draft, ", $k $p at $q", " ($k $p at $q)", ", with the $k of $p at $q"), slots);
}

static void write_open_alert(struct draft *draft, const struct alert_fact *alert, const struct slots *slots)
{
    bool critical = alert->severity == SEVERITY_CRITICAL;
    if (critical && choose(draft, 3) == 0) {
        add(draft, PICK(draft, "$u $c alarm has been active since $o", "there is $u $c alarm since $o"), slots);
        add_peak(draft, alert, slots);
        return;
    }
    add(draft, PICK(draft, "$c has been active since $o", "$c is active since $o", "$c has been present since $o"),
        slots);
    add_peak(draft, alert, slots);
    if (alert->acknowledged)
        add(draft, PICK(draft, "; it was acknowledged", "; the alarm was acknowledged"), slots);
    else if (critical)
        add(draft, PICK(draft, "; it has not been acknowledged", "; the alarm has not been acknowledged"), slots);
}

static void write_ended_alert(struct draft *draft, const struct alert_fact *alert, const struct slots *slots)
{
    if (alert->count > 1)
        add(draft, PICK(draft, "$c occurred $n times between $o and $f", "$c was present $n times from $o to $f"),
            slots);
    else if (facts_same_minute(alert->onset_us, alert->end_us))
        add(draft, PICK(draft, "$c occurred briefly at $o", "there was brief $c at $o"), slots);
    else
        add(draft, PICK(draft, "$c was present from $o to $f", "$c lasted from $o to $f",
                        "$c occurred between $o and $f"), slots);
    add_peak(draft, alert, slots);
    if (alert->state != ALERT_CLOSED && !alert->acknowledged)
        add(draft, PICK(draft, "; the alarm still awaits acknowledgement", "; the alarm has not been acknowledged"),
            slots);
}

static const char *lost_text(struct draft *draft, uint8_t lost, int *out_count)
{
    const char *names[VITAL_COUNT], *text = "";
    int count = 0;
    bool pair = (lost >> VITAL_SYSTOLIC & 1) && (lost >> VITAL_DIASTOLIC & 1);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if ((lost >> vital & 1) && !(pair && vital == VITAL_DIASTOLIC))
            names[count++] = pair && vital == VITAL_SYSTOLIC ? "blood pressure" : vital_word((enum vital)vital);
    for (int i = 0; i < count; i++)
        text = arena_printf(draft->arena, "%s%s%s", text, joint(i, count), names[i]);
    *out_count = count;
    return text;
}

static void write_sensor(struct draft *draft, const struct alert_fact *alert, struct slots *slots)
{
    int count;
    slots->text['v'] = lost_text(draft, alert->lost, &count);
    slots->text['i'] = count > 1 ? "s" : "";
    slots->text['w'] = alert->end_us ? (count > 1 ? "were" : "was") : (count > 1 ? "have been" : "has been");
    if (!count)
        add(draft, alert->end_us ? "a sensor disconnection lasted from $o to $f"
            : "a sensor disconnection is active since $o", slots);
    else if (!alert->end_us)
        add(draft, PICK(draft, "the $v signal$i $w lost since $o", "no values of $v have been received since $o"),
            slots);
    else if (alert->count > 1)
        add(draft, PICK(draft, "the $v signal$i $w lost $n times between $o and $f",
                        "the $v signal$i $w lost $n times from $o to $f"), slots);
    else if (facts_same_minute(alert->onset_us, alert->end_us))
        add(draft, PICK(draft, "the $v signal$i $w lost briefly at $o", "the $v signal$i $w briefly lost at $o"),
            slots);
    else
        add(draft, PICK(draft, "the $v signal$i $w lost from $o to $f",
                        "no values of $v were received from $o to $f"), slots);
}

static void write_alert(struct draft *draft, const struct alert_fact *alert)
{
    if (!begin(draft))
        return;
    struct slots slots = alert_slots(draft, alert);
    if (alert->type == ALERT_SENSOR)
        write_sensor(draft, alert, &slots);
    else if (alert->end_us)
        write_ended_alert(draft, alert, &slots);
    else
        write_open_alert(draft, alert, &slots);
    cite_alerts(draft, alert->members);
    if (alert->has_peak && alert->peak.source)
        cite_value(draft, &alert->peak);
    end(draft);
}

/* An open critical alarm is never left out. */
int writer_alerts_told(const struct facts *facts)
{
    int told = 0;
    while (told < facts->alert_count &&
           (told < ALERT_SENTENCES_MAX || (facts->alert[told].state != ALERT_CLOSED &&
                                           facts->alert[told].severity == SEVERITY_CRITICAL)))
        told++;
    return told;
}

static void write_alerts(struct draft *draft)
{
    int told = writer_alerts_told(draft->facts);
    struct slots slots = { .owner = SLOT_OWNER_TOTAL };
    for (int i = 0; i < told; i++)
        write_alert(draft, &draft->facts->alert[i]);
    if (told == draft->facts->alert_count || !begin(draft))
        return;
    slots.text['n'] = arena_printf(draft->arena, "%zu", draft->facts->window->alert_count);
    add(draft, PICK(draft, "in all, $n alarms fall in this period", "there were $n alarms in this period"), &slots);
    cite_alerts(draft, UINT64_MAX);
    end(draft);
}

static void write_calm(struct draft *draft)
{
    if (!facts_patient_stable(draft->facts) || draft->facts->window->alert_count || !begin(draft))
        return;
    add(draft, PICK(draft, "the patient remained stable without alarms",
                    "the patient was stable, with no alarms in this period",
                    "the patient remained stable and no alarms were raised"), NULL);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (draft->facts->vital[vital].count)
            cite_extremes(draft, (enum vital)vital);
    end(draft);
}

/* ---- what moved ---- */

static const char *moved_template(struct draft *draft, bool rising, bool same_minute)
{
    if (same_minute)
        return rising ? PICK(draft, "$v rose from $A to $b at $e", "$v increased from $A to $b at $e")
                      : PICK(draft, "$v fell from $A to $b at $e", "$v decreased from $A to $b at $e");
    if (rising)
        return PICK(draft, "$v rose from $a at $s to $b at $e", "$v increased from $A to $b between $s and $e",
                    "$v climbed from $a ($s) to $b ($e)", "$v has risen from $a at $s to $b at $e");
    return PICK(draft, "$v fell from $a at $s to $b at $e", "$v decreased from $A to $b between $s and $e",
                "$v dropped from $a ($s) to $b ($e)", "$v has fallen from $a at $s to $b at $e");
}

bool writer_overshoots(const struct vital_fact *fact, enum vital vital, bool high)
{
    int32_t first = fact->first.milli, last = fact->last.milli, moved = facts_moved_milli(vital);
    return high ? fact->max.milli >= (first > last ? first : last) + moved / 2
                : fact->min.milli <= (first < last ? first : last) - moved / 2;
}

static void add_overshoot(struct draft *draft, enum vital vital, const struct slots *slots)
{
    const struct vital_fact *fact = &draft->facts->vital[vital];
    bool pair = slots->text['v'] != slots->text['w'];
    if (writer_overshoots(fact, vital, true)) {
        add(draft,
            pair ? PICK(draft, ", with a peak systolic pressure of $h at $x", ", highest systolic pressure $h at $x")
                 : PICK(draft, ", with a peak of $h at $x", ", peaking at $h at $x", ", with a maximum of $h at $x"),
            slots);
        cite_value(draft, &fact->max);
    }
    if (writer_overshoots(fact, vital, false)) {
        add(draft,
            pair ? PICK(draft, ", with the lowest systolic pressure of $l at $m", ", lowest systolic pressure $l at $m")
                 : PICK(draft, ", with a low of $l at $m", ", reaching a low of $l at $m",
                        ", with a minimum of $l at $m"),
            slots);
        cite_value(draft, &fact->min);
    }
}

static void add_moved(struct draft *draft, enum vital vital)
{
    const struct vital_fact *fact = &draft->facts->vital[vital];
    struct slots slots = vital_slots(draft, vital);
    bool same_minute = facts_same_minute(fact->first.time_us, fact->last.time_us);
    add(draft, moved_template(draft, fact->trend == TREND_RISING, same_minute), &slots);
    cite_ends(draft, vital);
    add_overshoot(draft, vital, &slots);
}

static void add_variable(struct draft *draft, enum vital vital)
{
    struct slots slots = vital_slots(draft, vital);
    slots.text['v'] = slots.text['w'];
    add(draft, PICK(draft, "$v varied between $l at $m and $h at $x", "$v ranged from $l ($m) to $h ($x)",
                    "$v fluctuated between $L and $h"), &slots);
    cite_extremes(draft, vital);
}

static int list_vitals(const struct facts *facts, enum trend trend, bool single, enum vital out[VITAL_COUNT])
{
    int count = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const struct vital_fact *fact = &facts->vital[vital];
        if (is_told(facts, (enum vital)vital) && fact->trend == trend && (fact->count == 1) == single)
            out[count++] = (enum vital)vital;
    }
    return count;
}

/* Rising and falling ones in one row, two to a sentence: what moved together is told together. */
static void write_moved(struct draft *draft)
{
    enum vital moved[2 * VITAL_COUNT];
    int count = list_vitals(draft->facts, TREND_RISING, false, moved);
    count += list_vitals(draft->facts, TREND_FALLING, false, moved + count);
    for (int i = 0; i < count; i++) {
        bool together = i % 2 == 1 && choose(draft, 2) == 0;
        if (together) {
            draft->out->count--; /* goes on with the sentence before */
            draft->sentence = &draft->out->sentences[draft->out->count++];
            buf_reset(&draft->text);
            buf_add(&draft->text, draft->sentence->text, strlen(draft->sentence->text) - 1);
            buf_add_text(&draft->text, PICK(draft, ", while ", "; ", ", and "));
        } else if (!begin(draft)) {
            return;
        }
        add_moved(draft, moved[i]);
        end(draft);
    }
}

static void write_variable(struct draft *draft)
{
    enum vital vitals[VITAL_COUNT];
    int count = list_vitals(draft->facts, TREND_VARIABLE, false, vitals);
    for (int i = 0; i < count && begin(draft); i++) {
        add_variable(draft, vitals[i]);
        end(draft);
    }
}

/* ---- what was stable, single, missing ---- */

static void add_range(struct draft *draft, enum vital vital, bool in_brackets)
{
    struct slots slots = vital_slots(draft, vital);
    bool range = differs(draft->facts, vital);
    if (vital == VITAL_SYSTOLIC && draft->facts->vital[VITAL_DIASTOLIC].trend != TREND_STABLE) {
        add(draft, range ? (in_brackets ? "$w ($L-$h)" : "$w $L-$h") : (in_brackets ? "$w ($h)" : "$w $h"),
            &slots); /* the pair was not stable */
    } else {
        add(draft, range ? (in_brackets ? "$w ($L-$h)" : "$w $L-$h") : (in_brackets ? "$v ($b)" : "$v $b"), &slots);
    }
    cite_extremes(draft, vital);
}

static void write_stable(struct draft *draft)
{
    enum vital vitals[VITAL_COUNT];
    int count = list_vitals(draft->facts, TREND_STABLE, false, vitals);
    if (!count || !begin(draft))
        return;
    unsigned form = choose(draft, 3);
    buf_add_text(&draft->text, form == 0 ? PICK(draft, "stable: ", "without relevant change: ") : form == 1
                 ? "no relevant change in " : "");
    for (int i = 0; i < count; i++) {
        buf_add_text(&draft->text, joint(i, count));
        add_range(draft, vitals[i], form != 0);
    }
    if (form == 2)
        buf_add_text(&draft->text, count > 1 ? PICK(draft, " were stable", " remained stable") : PICK(draft,
                " was stable", " remained stable"));
    end(draft);
}

/* Vitals measured once, those of the same reading together. */
static void write_single(struct draft *draft)
{
    enum vital vitals[VITAL_COUNT], told[VITAL_COUNT];
    int count = list_vitals(draft->facts, TREND_STABLE, true, vitals);
    for (unsigned done = 0; done != (1u << count) - 1;) {
        int64_t time_us = 0;
        int told_count = 0;
        for (int i = 0; i < count; i++) {
            int64_t at = draft->facts->vital[vitals[i]].last.time_us;
            if (done >> i & 1 || (told_count && at != time_us))
                continue;
            time_us = at;
            told[told_count++] = vitals[i];
            done |= 1u << i;
        }
        if (!begin(draft))
            return;
        bool first = choose(draft, 2) == 0;
        struct slots at = vital_slots(draft, told[0]);
        if (first)
            add(draft, "at $e, ", &at);
        for (int i = 0; i < told_count; i++) {
            struct slots slots = vital_slots(draft, told[i]);
            buf_add_text(&draft->text, joint(i, told_count));
            add(draft, i ? "$v $b" : "$v was $b", &slots);
            cite_value(draft, &draft->facts->vital[told[i]].last);
        }
        if (!first)
            add(draft, " at $e", &at);
        end(draft);
    }
}

/* What was looked through: from the first reading to the last. */
static void cite_window(struct draft *draft)
{
    const struct window *window = draft->facts->window;
    if (!window->reading_count)
        return;
    const struct reading *ends[] = { &window->readings[0], &window->readings[window->reading_count - 1] };
    for (int i = 0; i < 2; i++)
        cite_value(draft, &(struct fact_value){ .time_us = ends[i]->time_us, .source = ends[i]->source });
}

static void write_missing(struct draft *draft)
{
    const struct facts *facts = draft->facts;
    struct slots slots = { 0 };
    uint8_t lost = 0;
    int count;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (!facts->vital[vital].count)
            lost |= (uint8_t)(1u << vital);
    slots.text['v'] = lost_text(draft, lost, &count);
    slots.text['w'] = count > 1 ? "were" : "was";
    if (!lost || !begin(draft))
        return;
    cite_window(draft);
    add(draft, PICK(draft, "$v $w not measured", "not measured in this period: $v", "no values of $v were recorded"),
        &slots);
    end(draft);
}

static void write_implausible(struct draft *draft)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        uint32_t count = draft->facts->vital[vital].implausible;
        if (!count || !begin(draft))
            continue;
        struct slots slots = { .owner = SLOT_OWNERS_VITAL[vital] };
        slots.text['v'] = vital_word((enum vital)vital);
        slots.text['n'] = arena_printf(draft->arena, "%u", count);
        slots.text['i'] = count > 1 ? "s" : "";
        slots.text['w'] = count > 1 ? "were" : "was";
        cite_window(draft);
        add(draft, PICK(draft, "$n implausible $v value$i $w left out", "$n $v value$i $w implausible and left out"),
            &slots);
        end(draft);
    }
}

/* ---- the end ---- */

static void write_news2(struct draft *draft)
{
    const struct news2 *news2 = &draft->facts->news2;
    struct slots slots = { .owner = SLOT_OWNER_NEWS2 };
    if (!begin(draft))
        return;
    slots.text['l'] = arena_printf(draft->arena, "%u", news2->low);
    slots.text['h'] = arena_printf(draft->arena, "%u", news2->high);
    if (news2->low == news2->high)
        add(draft, PICK(draft, "NEWS2 is $l", "the NEWS2 score is $l", "NEWS2: $l"), &slots);
    else
        add(draft, PICK(draft, "NEWS2 is between $l and $h, because inputs are missing",
                        "NEWS2: $l-$h, as inputs are missing",
                        "the NEWS2 score is $l to $h, because inputs are missing"), &slots);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (draft->facts->vital[vital].count)
            cite_value(draft, &draft->facts->vital[vital].last);
    end(draft);
}

static void write_basis(struct draft *draft)
{
    const struct window *window = draft->facts->window;
    if (!window->reading_count || !begin(draft))
        return;
    const struct reading *first = &window->readings[0], *last = &window->readings[window->reading_count - 1];
    struct slots slots = { .owner = SLOT_OWNER_WINDOW };
    slots.text['n'] = arena_printf(draft->arena, "%zu", window->reading_count);
    slots.text['s'] = clock_text(draft, first->time_us);
    slots.text['e'] = clock_text(draft, last->time_us);
    if (window->reading_count == 1)
        add(draft, PICK(draft, "based on one reading at $e", "one reading at $e"), &slots);
    else
        add(draft, PICK(draft, "based on $n readings from $s to $e", "$n readings between $s and $e"), &slots);
    cite_window(draft);
    end(draft);
}

static void write_all(struct draft draft)
{
    draft.out->count = 0;
    buf_init(&draft.text, SENTENCE_SIZE_MAX);
    write_alerts(&draft);
    write_calm(&draft);
    write_moved(&draft);
    write_variable(&draft);
    write_stable(&draft);
    write_single(&draft);
    write_missing(&draft);
    write_implausible(&draft);
    write_news2(&draft);
    write_basis(&draft);
    buf_free(&draft.text);
}

void writer_write(const struct facts *facts, uint64_t seed, struct arena *arena, struct summary_text *out)
{
    write_all((struct draft){ .facts = facts, .out = out, .arena = arena, .seed = seed,
                              .house = seed == WRITER_HOUSE });
}

void writer_write_named(const struct facts *facts, uint64_t seed, struct arena *arena, struct summary_text *out)
{
    write_all((struct draft){ .facts = facts, .out = out, .arena = arena, .seed = seed, .house = seed == WRITER_HOUSE,
                              .named = true });
}

static void visit_slots(const struct slots *slots, writer_slot_visit *visit, void *context)
{
    for (const char *letter = letters_of(slots->owner); *letter; letter++)
        if (slots->text[(unsigned char)*letter])
            visit(context, slots->owner, *letter, slots->text[(unsigned char)*letter]);
}

void writer_each_slot(const struct facts *facts, struct arena *arena, writer_slot_visit *visit, void *context)
{
    struct draft draft = { .facts = facts, .arena = arena };
    const struct window *window = facts->window;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        struct slots slots = { .owner = SLOT_OWNERS_VITAL[vital] };
        if (facts->vital[vital].count)
            slots = vital_slots(&draft, (enum vital)vital);
        if (facts->vital[vital].implausible)
            slots.text['n'] = arena_printf(arena, "%u", facts->vital[vital].implausible);
        visit_slots(&slots, visit, context);
    }
    for (int i = 0; i < writer_alerts_told(facts) && slot_owner_alert(i); i++) {
        struct slots slots = alert_slots(&draft, &facts->alert[i]);
        visit_slots(&slots, visit, context);
    }
    struct slots total = { .owner = SLOT_OWNER_TOTAL }, news2 = { .owner = SLOT_OWNER_NEWS2 },
                 basis = { .owner = SLOT_OWNER_WINDOW };
    total.text['n'] = arena_printf(arena, "%zu", window->alert_count);
    news2.text['l'] = arena_printf(arena, "%u", facts->news2.low);
    news2.text['h'] = arena_printf(arena, "%u", facts->news2.high);
    basis.text['n'] = arena_printf(arena, "%zu", window->reading_count);
    if (window->reading_count) {
        basis.text['s'] = clock_text(&draft, window->readings[0].time_us);
        basis.text['e'] = clock_text(&draft, window->readings[window->reading_count - 1].time_us);
    }
    visit_slots(&total, visit, context);
    visit_slots(&news2, visit, context);
    visit_slots(&basis, visit, context);
}

void writer_alert(const struct facts *facts, const struct alert_fact *alert, uint64_t seed, struct arena *arena,
                  struct sentence *out)
{
    struct summary_text *one = arena_alloc(arena, sizeof *one);
    struct draft draft = { .facts = facts, .out = one, .arena = arena, .seed = seed, .house = seed == WRITER_HOUSE };
    buf_init(&draft.text, SENTENCE_SIZE_MAX);
    write_alert(&draft, alert);
    buf_free(&draft.text);
    *out = one->sentences[0];
}

const char *summary_join(const struct summary_text *text, struct arena *arena)
{
    struct buf buf;
    buf_init(&buf, SENTENCES_MAX * (SENTENCE_SIZE_MAX + 2));
    for (int i = 0; i < text->count; i++)
        buf_printf(&buf, "%s%s", i ? " " : "", text->sentences[i].text);
    const char *joined = arena_copy(arena, buf.data ? buf.data : "", buf.length);
    buf_free(&buf);
    return joined;
}
