#include "learn/naive_check.h"

#include "base/clock.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words of the ward.  Typed out here, not taken from the grammar. */
static const char known_words[] =
    " the a an of to at from in on and or with without was is were are has have had been be being not no it its as by "
    "because since until between during over throughout this that there while whereas but for all any still now "
    "currently latest last current most recent first patient pt heart rate hr pulse spo2 oxygen saturation sats "
    "systolic diastolic blood pressure bp sbp dbp temperature temp body respiratory respiration breathing resp rr bpm "
    "mmhg c min percent beats breaths per minute celsius degrees rose rises risen rising increased increases "
    "increasing climbed climbs went up fell falls fallen falling decreased decreases decreasing dropped drops declined "
    "declines came down drop fall rise increase decrease trend trends trended upward upwards downward downwards showed "
    "shows stable unchanged steady constant remained remains remain stayed varied fluctuated ranged swung range "
    "relevant significant change normal within limits peak peaking peaked maximum max high highest minimum min low "
    "lowest nadir reaching reached value values critical severe warning warnings alarm alarms alert alerts active "
    "present ongoing acknowledged unacknowledged awaits acknowledgement yet lasted occurred briefly brief times raised "
    "detected signal signals lost received implausible left out ignored tachycardia bradycardia hypoxia hypoxemia "
    "hypertension hypotension fever hypothermia tachypnea bradypnea sensor disconnection desaturation elevated slow "
    "rapid crisis hypertensive pyrexia experienced developed requires continued medical monitoring observation period "
    "window abnormalities measured recorded available missing inputs news2 score based reading readings one two three "
    "four five six seven eight nine ten fall vitals vital signs below under above x ";

static const struct { const char *text; int vital; } vital_names[] = {
    { "systolic pressure", VITAL_SYSTOLIC }, { "systolic blood pressure", VITAL_SYSTOLIC },
        { "diastolic pressure", VITAL_DIASTOLIC },
    { "diastolic blood pressure", VITAL_DIASTOLIC }, { "blood pressure", VITAL_SYSTOLIC }, { "bp ", VITAL_SYSTOLIC },
        { "heart rate", VITAL_HEART_RATE },
    { "hr ", VITAL_HEART_RATE }, { "pulse", VITAL_HEART_RATE }, { "spo2", VITAL_SPO2 },
        { "oxygen saturation", VITAL_SPO2 },
    { "temperature", VITAL_TEMPERATURE }, { "temp ", VITAL_TEMPERATURE }, { "respiratory rate", VITAL_RESPIRATORY },
        { "rr ", VITAL_RESPIRATORY },
};
static const struct { const char *text; int type; } alarm_names[] = {
    { "tachycardia", ALERT_TACHYCARDIA }, { "bradycardia", ALERT_BRADYCARDIA }, { "hypoxia", ALERT_HYPOXIA },
        { "hypertension", ALERT_HYPERTENSION },
    { "hypotension", ALERT_HYPOTENSION }, { "fever", ALERT_FEVER }, { "hypothermia", ALERT_HYPOTHERMIA },
        { "tachypnea", ALERT_TACHYPNEA },
    { "bradypnea", ALERT_BRADYPNEA }, { "sensor disconnection", ALERT_SENSOR }, { "signal", ALERT_SENSOR },
        { "received", ALERT_SENSOR },
};
static const char *const up_words[] = { "rose", "risen", "rising", "increas", "climb", "went up" };
static const char *const down_words[] = { "fell", "fallen", "falling", "decreas", "dropped", "declin", "came down" };

struct naive {
    const struct window *window;
    const struct alarm_limits *limits;
    const char *at, *start;
    int vital, alarm, direction;         /* last named; -1, 0: none */
    bool critical;
    double from, before;                 /* the first number of "from A to B"; the number before this one */
    bool has_from, has_before;
    char said[200];
};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_value(const struct window *window, int vital, double value, int minute)
{
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *r = &window->readings[i];
        if (r->implausible >> vital & 1 || r->value_milli[vital] == VITAL_ABSENT ||
            fabs(r->value_milli[vital] / 1000.0 - value) > 1e-6)
            continue;
        if (minute < 0 || (r->time_us / 60000000) % 1440 == minute)
            return true;
    }
    return false;
}

/* The worst of an alert, or of several of a kind. */
static bool is_peak(const struct window *window, int vital, double value, int minute)
{
    for (size_t i = 0; i < window->alert_count; i++) {
        const struct alert *alert = &window->alerts[i];
        if (alert->type < ALERT_RULE_COUNT && (int)alert_rules[alert->type].vital == vital &&
            fabs(alert->peak_milli / 1000.0 - value) < 1e-6 &&
            (minute < 0 || (alert->peak_us / 60000000) % 1440 == minute))
            return true;
    }
    return false;
}

static bool is_some_time(const struct window *window, int minute)
{
    for (size_t i = 0; i < window->reading_count; i++)
        if ((window->readings[i].time_us / 60000000) % 1440 == minute)
            return true;
    for (size_t i = 0; i < window->alert_count; i++) {
        const struct alert *alert = &window->alerts[i];
        if ((alert->onset_us / 60000000) % 1440 == minute ||
            (alert->end_us && (alert->end_us / 60000000) % 1440 == minute) ||
            (alert->peak_us && (alert->peak_us / 60000000) % 1440 == minute))
            return true;
    }
    return false;
}

/* Means of the first and the last third. */
static double drift(const struct window *window, int vital)
{
    double values[2] = { 0, 0 };
    size_t counts[2] = { 0, 0 }, n = 0, k = 0;
    for (size_t i = 0; i < window->reading_count; i++)
        n += !(window->readings[i].implausible >> vital & 1) && window->readings[i].value_milli[vital] != VITAL_ABSENT;
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *r = &window->readings[i];
        if (r->implausible >> vital & 1 || r->value_milli[vital] == VITAL_ABSENT)
            continue;
        int end = 3 * k < n ? 0 : 3 * k >= 2 * n ? 1 : -1;
        if (end >= 0) {
            values[end] += r->value_milli[vital] / 1000.0;
            counts[end]++;
        }
        k++;
    }
    return counts[0] && counts[1] ? values[1] / (double)counts[1] - values[0] / (double)counts[0] : 0;
}

static bool has_alarm(const struct naive *n, int type, bool critical, int state, int onset, int acknowledged)
{
    for (size_t i = 0; i < n->window->alert_count; i++) {
        const struct alert *alert = &n->window->alerts[i];
        bool open = alert->state == ALERT_ACTIVE || alert->state == ALERT_LATCHED;
        if (alert->type == type && (!critical || alert->severity == SEVERITY_CRITICAL) &&
            (state < 0 || open == (state == 1)) &&
            (onset < 0 || (alert->onset_us / 60000000) % 1440 == onset) &&
                (acknowledged < 0 || (alert->ack_us != 0) == (acknowledged == 1)))
            return true;
    }
    return false;
}

static bool beyond(const struct naive *n, int type, bool critical)
{
    for (size_t i = 0; i < n->window->reading_count && type < ALERT_RULE_COUNT; i++) {
        int vital = alert_rules[type].vital;
        const struct reading *r = &n->window->readings[i];
        if (r->implausible >> vital & 1 || r->value_milli[vital] == VITAL_ABSENT)
            continue;
        int32_t limit = critical ? n->limits->critical_milli[type] : n->limits->warning_milli[type];
        if (alert_rules[type].high ? r->value_milli[vital] >= limit : r->value_milli[vital] <= limit)
            return true;
    }
    return false;
}

static const char *say(struct naive *n, const char *what, const char *detail)
{
    (void)snprintf(n->said, sizeof n->said, "%s: %.60s", what, detail);
    return n->said;
}

/* ---- numbers ---- */

static int minute_text(const char *at)
{
    if (!isdigit(at[0]) || !isdigit(at[1]) || at[2] != ':' || !isdigit(at[3]) || !isdigit(at[4]))
        return -1;
    return ((at[0] - '0') * 10 + at[1] - '0') * 60 + (at[3] - '0') * 10 + at[4] - '0';
}

/* "112 bpm at 13:00", "112 bpm (13:00)": the time that belongs to a number. */
static int minute_behind(const char *at)
{
    for (int i = 0; i < 12 && *at && *at != ',' && *at != ';'; i++, at++) {
        if (starts(at, " at ") && minute_text(at + 4) >= 0)
            return minute_text(at + 4);
        if (starts(at, " (") && minute_text(at + 2) >= 0)
            return minute_text(at + 2);
    }
    return -1;
}

static size_t open_alerts(const struct window *window, bool critical)
{
    size_t count = 0;
    for (size_t i = 0; i < window->alert_count; i++)
        count += window->alerts[i].state != ALERT_CLOSED &&
            (!critical || window->alerts[i].severity == SEVERITY_CRITICAL);
    return count;
}

/* 0: no count; 1: right; -1: wrong */
static int is_count(struct naive *n, double value, const char *behind)
{
    size_t marked = 0, alike = 0;
    if (starts(behind, " readings") || starts(behind, " reading"))
        return fabs((double)n->window->reading_count - value) < 0.5 ? 1 : -1;
    if (starts(behind, " times")) {
        for (size_t i = 0; i < n->window->alert_count; i++)
            alike += n->window->alerts[i].type == n->alarm && n->window->alerts[i].state == ALERT_CLOSED;
        return (double)alike >= value ? 1 : -1;
    }
    if (starts(behind, " critical alarm") || starts(behind, " active"))
        return fabs((double)open_alerts(n->window, starts(behind, " critical")) - value) < 0.5 ? 1 : -1;
    if (starts(behind, " alarm"))
        return fabs((double)n->window->alert_count - value) < 0.5 ? 1 : -1;
    for (size_t i = 0; i < sizeof vital_names / sizeof *vital_names; i++) {
        const char *name = behind + 1 + (starts(behind, " implausible ") ? 12 : 0);
        if (!starts(name, vital_names[i].text) || !strstr(name, " value") || !strstr(n->start, "implausible"))
            continue;
        for (size_t k = 0; k < n->window->reading_count; k++)
            marked += n->window->readings[k].implausible >> vital_names[i].vital & 1;
        return fabs((double)marked - value) < 0.5 ? 1 : -1;
    }
    return 0;
}

static int32_t last_value(const struct window *window, int vital)
{
    int32_t value = VITAL_ABSENT;
    for (size_t i = 0; i < window->reading_count; i++)
        if (!(window->readings[i].implausible >> vital & 1) && window->readings[i].value_milli[vital] != VITAL_ABSENT)
            value = window->readings[i].value_milli[vital];
    return value;
}

static bool is_news2(const struct naive *n, double value)
{
    int32_t last[VITAL_COUNT];
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        last[vital] = last_value(n->window, vital);
    struct news2 score = news2_score(last, n->limits);
    return fabs(score.low - value) < 0.5 || fabs(score.high - value) < 0.5;
}

static const char *check_unit(struct naive *n, const char *behind)
{
    static const struct { const char *unit; unsigned vitals; } units[] = {
        { " bpm", 1u << VITAL_HEART_RATE }, { "%", 1u << VITAL_SPO2 },
            { " mmhg", 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC },
        { " \xc2\xb0" "c", 1u << VITAL_TEMPERATURE }, { "/min", 1u << VITAL_RESPIRATORY | 1u << VITAL_HEART_RATE },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (starts(behind, units[i].unit) && !(units[i].vitals >> n->vital & 1))
            return say(n, "unit", behind);
    return starts(behind, " \xc2\xb0" "f") ? say(n, "unit", behind) : NULL;
}

static const char *check_direction(struct naive *n, double value)
{
    if (n->direction && n->has_from && (value - n->from) * n->direction <= 0)
        return say(n, "direction", n->start);
    n->has_from = false;
    return NULL;
}

static const char *check_extreme(struct naive *n, double value)
{
    char window[64];
    size_t back = n->at - n->start < 40 ? (size_t)(n->at - n->start) : 40;
    memcpy(window, n->at - back, back);
    window[back] = '\0';
    const char *clause = window;
    for (const char *p = window; *p; p++)
        if (*p == ',' || *p == ';' || *p == '(')
            clause = p;
    bool high = strstr(clause, "highest") || strstr(clause, "peak") || strstr(clause, "maximum");
    bool low = strstr(clause, "lowest") || strstr(clause, " low of") || strstr(clause, "minimum") ||
        strstr(clause, "a low ");
    for (size_t i = 0; i < n->window->reading_count && high != low; i++) {
        const struct reading *r = &n->window->readings[i];
        if (r->implausible >> n->vital & 1 || r->value_milli[n->vital] == VITAL_ABSENT ||
            is_peak(n->window, n->vital, value, -1))
            continue;
        /* Within an alarm only its own time counts; there the value must at least be on the right side of the mean. */
        if (n->alarm < 0 && (high ? r->value_milli[n->vital] / 1000.0 > value + 1e-6
                             : r->value_milli[n->vital] / 1000.0 < value - 1e-6))
            return say(n, "no extreme", n->at);
        if (n->alarm >= 0 && n->alarm < ALERT_RULE_COUNT && alert_rules[n->alarm].high != high)
            return say(n, "the other extreme", n->at);
    }
    return NULL;
}

static const char *check_number(struct naive *n)
{
    char *behind;
    double value = strtod(n->at, &behind);
    int counted = is_count(n, value, behind);
    const char *wrong = NULL;
    if (counted)
        return counted < 0 ? say(n, "count", n->at) : (n->at = behind, NULL);
    const char *score = strstr(n->start, "news2");
    if (score && score < n->at)
        return is_news2(n, value) ? (n->at = behind, NULL) : say(n, "NEWS2", n->at);
    if (n->vital < 0)
        return say(n, "a number of nothing", n->at);
    bool diastolic = n->at > n->start && n->at[-1] == '/' && n->has_before;
    int vital = diastolic ? VITAL_DIASTOLIC : n->vital,
        minute = diastolic ? -1 : minute_behind(*behind == '/' &&
                                                isdigit(behind[1]) ? strpbrk(behind, " ,") ? strpbrk(behind,
                                                        " ,") : behind : behind);
    if (!is_value(n->window, vital, value, minute) && !is_peak(n->window, vital, value, minute))
        return say(n, "value", n->at);
    if (!diastolic && (wrong = check_unit(n, behind)))
        return wrong;
    if (!diastolic && ((wrong = check_direction(n, value)) || (wrong = check_extreme(n, value))))
        return wrong;
    if (!diastolic && n->at - n->start >= 5 && starts(n->at - 5, "from ")) {
        n->from = value;
        n->has_from = true;
    }
    n->before = value;
    n->has_before = *behind == '/';
    n->at = behind;
    return NULL;
}

/* ---- words ---- */

static const char *check_word(struct naive *n, size_t length)
{
    char word[40];
    if (length > 30)
        return say(n, "word", n->at);
    (void)snprintf(word, sizeof word, " %.*s ", (int)length, n->at);
    return strstr(known_words, word) ? NULL : say(n, "word", word);
}

static void name_vital(struct naive *n)
{
    for (size_t i = 0; i < sizeof vital_names / sizeof *vital_names; i++)
        if (starts(n->at, vital_names[i].text)) {
            n->vital = vital_names[i].vital;
            return;
        }
}

static const char *check_alarm(struct naive *n)
{
    for (size_t i = 0; i < sizeof alarm_names / sizeof *alarm_names; i++) {
        if (!starts(n->at, alarm_names[i].text))
            continue;
        n->alarm = alarm_names[i].type;
        n->critical = n->at - n->start >= 9 && starts(n->at - 9, "critical ");
        if (n->alarm < ALERT_RULE_COUNT)
            n->vital = alert_rules[n->alarm].vital;
        if (!has_alarm(n, n->alarm, n->critical, -1, -1, -1) && !beyond(n, n->alarm, n->critical))
            return say(n, "no such alarm", n->at);
        const char *since = strstr(n->at, "since ");
        if (since && minute_text(since + 6) >= 0 && !has_alarm(n, n->alarm, n->critical, 1, minute_text(since + 6), -1))
            return say(n, "no such open alarm", n->at);
    }
    return NULL;
}

static const char *check_acknowledged(struct naive *n)
{
    bool is = starts(n->at, "acknowledged"), un = starts(n->at, "unacknowledged") || starts(n->at, "awaits");
    if (!is && !un)
        return NULL;
    const char *back = n->at - (n->at - n->start > 22 ? 22 : n->at - n->start);
    char before[32];
    (void)snprintf(before, sizeof before, "%.*s", (int)(n->at - back), back);
    un |= is && strstr(before, "not ") != NULL;
    int type = n->alarm;
    for (size_t i = 0; type < 0 && i < sizeof alarm_names / sizeof *alarm_names; i++)
        if (strstr(n->at, alarm_names[i].text))
            type = alarm_names[i].type;
    return type >= 0 && has_alarm(n, type, false, -1, -1, un ? 0 : 1) ? NULL : say(n, "acknowledgement", n->at);
}

static const char *check_turn(struct naive *n)
{
    for (size_t i = 0; i < sizeof up_words / sizeof *up_words; i++) {
        if (starts(n->at, up_words[i]))
            n->direction = 1;
    }
    for (size_t i = 0; i < sizeof down_words / sizeof *down_words; i++) {
        if (starts(n->at, down_words[i]))
            n->direction = -1;
    }
    if ((starts(n->at, "without alarm") || starts(n->at, "no alarms")) && n->window->alert_count)
        return say(n, "there are alarms", n->at);
    bool missing = starts(n->at, "not measured") || starts(n->at, "no values of");
    const char *clause = n->start;
    for (const char *p = n->start; p < n->at; p++)
        clause = *p == ';' ? p : clause;
    if (missing && !strstr(clause, "received"))
        for (size_t i = 0; i < sizeof vital_names / sizeof *vital_names; i++)
            if (strstr(clause, vital_names[i].text) && strcmp(vital_names[i].text, "blood pressure") != 0 &&
                last_value(n->window, vital_names[i].vital) != VITAL_ABSENT)
                return say(n, "was measured", n->start);
    return NULL;
}

static const char *check_trend(struct naive *n)
{
    if (n->direction && n->vital >= 0 && !strpbrk(n->start, "0123456789") &&
        drift(n->window, n->vital) * n->direction <= 0)
        return say(n, "direction", n->start);
    static const char *const calm[] = { "patient remained stable", "patient was stable", "patient is stable",
                                        "patient has been stable", "patient x remained stable" };
    bool says = false;
    for (size_t i = 0; i < sizeof calm / sizeof *calm; i++)
        says |= strstr(n->start, calm[i]) != NULL;
    if (!says)
        return NULL;
    for (size_t i = 0; i < n->window->alert_count; i++)
        if (n->window->alerts[i].type != ALERT_SENSOR)
            return say(n, "not stable", n->start);
    return NULL;
}

const char *naive_check(const struct window *window, const struct alarm_limits *limits, const char *sentence)
{
    static _Thread_local struct naive n;
    static _Thread_local char text[4096];
    const char *wrong = NULL;
    size_t length = strlen(sentence);
    if (length >= sizeof text)
        return "too long";
    for (size_t i = 0; i <= length; i++)
        text[i] = (char)tolower((unsigned char)sentence[i]);
    n = (struct naive){ .window = window, .limits = limits, .at = text, .start = text, .vital = -1, .alarm = -1 };
    while (*n.at && !wrong) {
        bool begins = n.at == text || !isalnum((unsigned char)n.at[-1]);
        if (begins && minute_text(n.at) >= 0) {
            wrong = is_some_time(window, minute_text(n.at)) ? NULL : say(&n, "time", n.at);
            n.at += 5;
        } else if (begins && isdigit((unsigned char)*n.at)) {
            wrong = check_number(&n);
        } else if (begins && isalpha((unsigned char)*n.at)) {
            name_vital(&n);
            size_t word = strspn(n.at, "abcdefghijklmnopqrstuvwxyz0123456789");
            if ((wrong = check_word(&n, word)) || (wrong = check_alarm(&n)) || (wrong = check_acknowledged(&n)) ||
                (wrong = check_turn(&n)))
                break;
            n.at += word;
        } else if (strchr(" ,;:()-/%=<>.", *n.at) || starts(n.at, "\xc2\xb0") || starts(n.at, "\xb0") ||
                   starts(n.at, "\xe2\x80\x93")) {
            if (starts(n.at, "; ") || starts(n.at, ", while") || starts(n.at, ", and"))
                n.direction = 0;
            n.at += starts(n.at, "\xe2\x80\x93") ? 3 : 1;
        } else {
            wrong = say(&n, "character", n.at);
        }
    }
    return wrong ? wrong : check_trend(&n);
}

bool naive_critical_told(const struct window *window, const char *text)
{
    for (size_t i = 0; i < window->alert_count; i++) {
        const struct alert *alert = &window->alerts[i];
        char wanted[64];
        if (alert->state == ALERT_CLOSED || alert->severity != SEVERITY_CRITICAL)
            continue;
        for (size_t k = 0; k < sizeof alarm_names / sizeof *alarm_names; k++)
            if (alarm_names[k].type == alert->type) {
                (void)snprintf(wanted, sizeof wanted, "ritical %s", alarm_names[k].text);
                break;
            }
        if (!strstr(text, wanted))
            return false;
    }
    return true;
}
