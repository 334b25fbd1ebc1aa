#include "clinical/slots.h"
#include "clinical/writer.h"

#include <string.h>

enum { SLOTS_ARENA_SIZE = 1 << 20 };

/* ---- making and filling ---- */

static void keep_slot(void *context, char owner, char letter, const char *text)
{
    struct slots *slots = context;
    if (slots->count == SLOTS_MAX || strlen(text) >= SLOT_TEXT_SIZE)
        return;
    struct slot *slot = &slots->slot[slots->count++];
    slot->owner = owner;
    slot->letter = letter;
    (void)str_copy(slot->text, sizeof slot->text, text);
}

void slots_make(const struct facts *facts, struct slots *out)
{
    struct arena arena;
    arena_init(&arena, SLOTS_ARENA_SIZE);
    out->count = 0;
    writer_each_slot(facts, &arena, keep_slot, out);
    arena_free(&arena);
}

static const struct slot *find_name(const struct slots *slots, char owner, char letter)
{
    for (int i = 0; i < slots->count; i++)
        if (slots->slot[i].owner == owner && slots->slot[i].letter == letter)
            return &slots->slot[i];
    return NULL;
}

void slots_fill(const struct slots *slots, const char *text, struct buf *out)
{
    while (*text) {
        const struct slot *slot = text[0] == '$' && text[1] && text[2] ? find_name(slots, text[1], text[2]) : NULL;
        if (slot)
            buf_add_text(out, slot->text);
        else
            buf_add_char(out, *text);
        text += slot ? 3 : 1;
    }
}

/* ---- what the model reads ---- */

/* Vitals measured once, numbered by their moments in order of the vitals. */
static int group_of(const struct facts *facts, int vital)
{
    int group = 1;
    for (int i = 0; i < vital; i++) {
        bool first = facts->vital[i].count == 1;
        if (first && facts->vital[i].last.time_us == facts->vital[vital].last.time_us)
            return group_of(facts, i);
        for (int j = 0; first && j < i; j++)
            first = facts->vital[j].count != 1 || facts->vital[j].last.time_us != facts->vital[i].last.time_us;
        group += first;
    }
    return group;
}

static void add_vital(struct buf *out, const struct facts *facts, int vital)
{
    static const char *const names[VITAL_COUNT] = { "HR", "SpO2", "SBP", "DBP", "T", "RR" };
    const struct vital_fact *fact = &facts->vital[vital];
    buf_printf(out, " | %s", names[vital]);
    if (vital == VITAL_SYSTOLIC && writer_is_pair(fact))
        buf_add_text(out, " pair");
    if (!fact->count) {
        buf_add_text(out, " none");
    } else if (fact->count == 1) {
        buf_printf(out, " one %d", group_of(facts, vital));
    } else {
        bool moved = fact->trend == TREND_RISING || fact->trend == TREND_FALLING;
        buf_printf(out, " %s%s%s%s%s", trend_name(fact->trend),
                   facts_same_minute(fact->first.time_us, fact->last.time_us) ? " same" : "",
                   moved && writer_overshoots(fact, (enum vital)vital, true) ? " over" : "",
                   moved && writer_overshoots(fact, (enum vital)vital, false) ? " under" : "",
                   fact->min.milli != fact->max.milli ? " range" : "");
    }
    if (fact->implausible)
        buf_add_text(out, fact->implausible > 1 ? " bads" : " bad");
}

static void add_alert(struct buf *out, const struct alert_fact *alert)
{
    static const char *const lost[VITAL_COUNT] = { "HR", "SpO2", "SBP", "DBP", "T", "RR" };
    buf_printf(out, " | alarm%s %s", alert->severity == SEVERITY_CRITICAL ? " critical" : "", alert_word(alert->type));
    for (int vital = 0; alert->type == ALERT_SENSOR && vital < VITAL_COUNT; vital++)
        if (alert->lost >> vital & 1)
            buf_printf(out, " %s", lost[vital]);
    if (alert->count > 1)
        buf_add_text(out, " times");
    if (alert->end_us && facts_same_minute(alert->onset_us, alert->end_us))
        buf_add_text(out, " brief");
    if (alert->state == ALERT_CLOSED)
        buf_add_text(out, " closed");
    else
        buf_printf(out, " %s %s", alert->end_us ? "ended" : "open", alert->acknowledged ? "acked" : "unacked");
    if (alert->has_peak)
        buf_add_text(out, " worst");
}

void slots_input(const struct facts *facts, struct buf *out)
{
    size_t readings = facts->window->reading_count;
    int told = writer_alerts_told(facts);
    buf_add_text(out, readings > 1 ? "many" : readings ? "one" : "no");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        add_vital(out, facts, vital);
    for (int i = 0; i < told; i++)
        add_alert(out, &facts->alert[i]);
    if (told != facts->alert_count)
        buf_add_text(out, " | more alarms");
    buf_printf(out, " | NEWS2%s", facts->news2.low != facts->news2.high ? " range" : "");
    if (facts_patient_stable(facts))
        buf_add_text(out, facts->window->alert_count ? " | calm alarms" : " | calm");
}

/* ---- a person's text ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Starts with a digit behind no letter or digit; goes on with digits, and with one of ".:/" between two digits. */
static size_t number_length(const char *text, const char *at)
{
    size_t length = 0;
    if (!is_digit(*at) || (at > text && is_word(at[-1])))
        return 0;
    while (is_digit(at[length]) || (at[length] && strchr(".:/", at[length]) && is_digit(at[length + 1])))
        length++;
    return length;
}

/* Whose word ends at `at`: a vital's or NEWS2's; or 0. */
static char owner_before(const char *text, const char *at)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const char *word = vital_word((enum vital)vital);
        size_t length = strlen(word);
        if ((size_t)(at - text) >= length && strncasecmp(at - length, word, length) == 0)
            return SLOT_OWNERS_VITAL[vital];
    }
    if (at - text >= 5 && strncmp(at - 5, "NEWS2", 5) == 0)
        return 'N';
    return at - text >= 14 && strncasecmp(at - 14, "blood pressure", 14) == 0 ? SLOT_OWNERS_VITAL[VITAL_SYSTOLIC] : 0;
}

/* A number without its unit is told by the letter without unit; a time by that of the value before. */
static int score(const struct slot *slot, char owner, char letter_before)
{
    static const char times[][2] = {
        { 'a', 's' }, { 'A', 's' }, { 'b', 'e' }, { 'l', 'm' }, { 'L', 'm' }, { 'h', 'x' },
        { 'p', 'q' }, { 'o', 'f' }, { 'n', 's' }, { 's', 'e' }, { 'l', 'h' }, { 'L', 'h' }
    };
    int points = slot->owner == owner ? 4 : 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        points += slot->letter == times[i][1] && letter_before == times[i][0] ? 2 : 0;
    return points;
}

/* The slot whose text the number, and the unit behind it, starts with. */
static const struct slot *match(const struct slots *slots, const char *at, size_t length, char owner,
                                char letter_before)
{
    const struct slot *best = NULL;
    int best_points = -1;
    for (int i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->slot[i];
        size_t whole = strlen(slot->text);
        bool same = whole >= length && strncmp(slot->text, at, whole) == 0 && !is_digit(slot->text[length]) &&
                    !is_word(at[whole]);
        int points = same ? score(slot, owner, letter_before) + (whole > length) : -1;
        if (points > best_points) {
            best = slot;
            best_points = points;
        }
    }
    return best;
}

void slots_hide(const struct slots *slots, const char *text, struct buf *out)
{
    char owner = 0, letter = 0;
    for (const char *at = text; *at;) {
        char named = owner_before(text, at);
        owner = named ? named : owner;
        letter = named ? 0 : letter;
        size_t length = number_length(text, at);
        if (length && strncmp(at + length, " reading", 8) == 0)
            owner = 'W';
        const struct slot *slot = length ? match(slots, at, length, owner, letter) : NULL;
        if (slot) {
            buf_printf(out, "$%c%c", slot->owner, slot->letter);
            letter = slot->letter;
            at += strlen(slot->text);
        } else {
            buf_add(out, at, length ? length : 1);
            at += length ? length : 1;
        }
    }
}
