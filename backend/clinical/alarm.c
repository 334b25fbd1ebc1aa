#include "clinical/alarm.h"

#include <string.h>

/* Until three gaps are known (alarm.h "Silence"). */
enum { EXPECTED_MS_UNKNOWN = 3600 * 1000, EXPECTED_MS_MIN = 1000, GAPS_NEEDED = 3, US_IN_MS = 1000 };
#define US_IN_S INT64_C(1000000)

void alarm_init(struct alarm_patient *state, uint32_t patient)
{
    *state = (struct alarm_patient){ .patient = patient, .due_us = INT64_MAX };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        state->expected_ms[vital] = EXPECTED_MS_UNKNOWN;
}

static uint16_t bit(int i)
{
    return (uint16_t)(1u << i);
}

static void emit(struct alarm_patient *state, struct alarm_events *events, struct alert *alert,
                 enum alarm_change change)
{
    CHECK(events->count < ALARM_EVENTS_MAX);
    alert->version++;
    alert->updated_us = state->now_us;
    events->items[events->count++] = (struct alarm_event){ change, *alert };
}

static void close_alert(struct alarm_patient *state, struct alarm_events *events, struct alert *alert)
{
    alert->state = ALERT_CLOSED;
    state->open &= (uint16_t)~bit(alert->type);
    state->gap_seen &= (uint16_t)~bit(alert->type);
    emit(state, events, alert, ALARM_CLOSED);
}

static void unacknowledge(struct alert *alert, int64_t now_us)
{
    alert->ack_us = 0;
    alert->ack_by = 0;
    alert->escalation = 0;
    alert->raised_us = now_us;
}

static void set_severity(struct alert *alert, enum alert_severity severity)
{
    alert->severity = (uint8_t)severity;
    alert->priority = severity == SEVERITY_CRITICAL ? PRIORITY_HIGH : PRIORITY_MEDIUM;
}

/* ---- silence ---- */

static int64_t expected_us(const struct alarm_patient *state, const struct alarm_limits *limits, enum vital vital)
{
    uint32_t set_s = limits->expected_interval_s[vital];
    return set_s ? set_s * US_IN_S : (int64_t)state->expected_ms[vital] * US_IN_MS;
}

int64_t alarm_silence_limit_us(const struct alarm_patient *state, const struct alarm_limits *limits, enum vital vital)
{
    return 2 * expected_us(state, limits, vital);
}

static bool is_lost(const struct alarm_patient *state, int vital)
{
    return (state->open & bit(ALERT_SENSOR)) && (state->alerts[ALERT_SENSOR].lost >> vital & 1);
}

/* The last moment at which this vital is not lost yet; INT64_MAX: it cannot get lost. */
static int64_t silence_deadline(const struct alarm_patient *state, const struct alarm_limits *limits, int vital)
{
    if (!state->last_us[vital] || is_lost(state, vital))
        return INT64_MAX;
    int64_t base = state->last_us[vital] > state->silence_base_us ? state->last_us[vital] : state->silence_base_us;
    return base + alarm_silence_limit_us(state, limits, (enum vital)vital);
}

static uint32_t third_smallest(const uint32_t *gaps, int count)
{
    uint32_t sorted[GAP_COUNT];
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && sorted[at - 1] > gaps[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = gaps[i];
    }
    return sorted[2];
}

static void learn_gap(struct alarm_patient *state, int vital, int64_t time_us)
{
    int64_t last = state->last_us[vital];
    if (!last || state->silence_base_us > last)
        return;
    int64_t gap_ms = (time_us - last) / US_IN_MS;
    uint32_t gap = gap_ms > (int64_t)EXPECTED_INTERVAL_S_MAX * 1000 ? EXPECTED_INTERVAL_S_MAX * 1000u
                                                                    : (uint32_t)gap_ms;
    uint8_t at = state->gap_next[vital];
    if (state->gap_count[vital] == GAP_COUNT && state->gap_ms[vital][at] == gap && state->expected_ms[vital] == gap) {
        state->gap_next[vital] = (uint8_t)((at + 1) % GAP_COUNT);
        return; /* a steady stream: nothing new to learn */
    }
    state->gap_ms[vital][at] = gap;
    state->gap_next[vital] = (uint8_t)((at + 1) % GAP_COUNT);
    if (state->gap_count[vital] < GAP_COUNT)
        state->gap_count[vital]++;
    if (state->gap_count[vital] < GAPS_NEEDED)
        return;
    uint32_t expected = third_smallest(state->gap_ms[vital], state->gap_count[vital]);
    state->expected_ms[vital] = expected < EXPECTED_MS_MIN ? EXPECTED_MS_MIN : expected;
}

static uint8_t known_vitals(const struct alarm_patient *state)
{
    uint8_t known = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (state->last_us[vital])
            known |= (uint8_t)(1u << vital);
    return known;
}

static uint8_t continuous_vitals(const struct alarm_patient *state, const struct alarm_limits *limits)
{
    uint8_t continuous = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (state->last_us[vital] && expected_us(state, limits, (enum vital)vital) <= CONTINUOUS_S_MAX * US_IN_S)
            continuous |= (uint8_t)(1u << vital);
    return continuous;
}

static void set_lost(struct alarm_patient *state, const struct alarm_limits *limits, struct alert *alert, uint8_t lost)
{
    uint8_t continuous = continuous_vitals(state, limits);
    bool all = lost == known_vitals(state) || (continuous && (lost & continuous) == continuous);
    alert->lost = lost;
    alert->severity = all ? SEVERITY_WARNING : SEVERITY_INFO;
    alert->priority = all ? PRIORITY_MEDIUM : PRIORITY_LOW;
}

/* Open alerts on a lost vital stay, but sound again if the condition is still there afterwards. */
static void mark_gaps(struct alarm_patient *state, uint8_t lost)
{
    for (int type = 0; type < ALERT_RULE_COUNT; type++)
        if ((state->open & bit(type)) && (lost >> alert_rules[type].vital & 1))
            state->gap_seen |= bit(type);
}

static void lose_vitals(struct alarm_patient *state, const struct alarm_limits *limits, uint8_t newly,
                        int64_t onset_us, struct alarm_events *events)
{
    struct alert *alert = &state->alerts[ALERT_SENSOR];
    bool open = state->open & bit(ALERT_SENSOR);
    if (!open) {
        int vital = __builtin_ctz(newly);
        *alert = (struct alert){
            .type = ALERT_SENSOR, .state = ALERT_ACTIVE, .patient = state->patient,
            .onset_us = onset_us, .raised_us = onset_us, .peak_us = onset_us,
            .value_milli = VITAL_ABSENT, .other_milli = VITAL_ABSENT, .peak_milli = VITAL_ABSENT,
            .threshold_milli = (int32_t)(alarm_silence_limit_us(state, limits, (enum vital)vital) / US_IN_MS),
        };
        state->open |= bit(ALERT_SENSOR);
    }
    set_lost(state, limits, alert, alert->lost | newly);
    mark_gaps(state, newly);
    emit(state, events, alert, open ? ALARM_SENSORS : ALARM_OPENED);
}

/* The silence ended when the reading was taken, however late it came: the next one begins after that, and not where
 * this one began. */
static void regain_vitals(struct alarm_patient *state, const struct alarm_limits *limits, uint8_t seen, int64_t time_us,
                          struct alarm_events *events)
{
    struct alert *alert = &state->alerts[ALERT_SENSOR];
    if (!(state->open & bit(ALERT_SENSOR)) || !(alert->lost & seen))
        return;
    uint8_t still = alert->lost & (uint8_t)~seen;
    if (still) {
        set_lost(state, limits, alert, still);
        emit(state, events, alert, ALARM_SENSORS);
        return;
    }
    alert->end_us = time_us > alert->onset_us ? time_us : alert->onset_us;
    if (state->silence_base_us < alert->end_us)
        state->silence_base_us = alert->end_us;
    close_alert(state, events, alert);
}

/* ---- rules ---- */

struct sample {
    int32_t value_milli, other_milli;
    int64_t time_us;
};

static int32_t threshold_of(const struct alarm_limits *limits, int type, enum alert_severity severity)
{
    return severity == SEVERITY_CRITICAL ? limits->critical_milli[type] : limits->warning_milli[type];
}

/* Inside `threshold` by the patient's hysteresis. */
static bool cleared(const struct alarm_limits *limits, int type, int32_t threshold, int32_t value)
{
    if (threshold == LIMIT_OFF)
        return true;
    int32_t by = limits->hysteresis_milli[type];
    return alert_rules[type].high ? value <= threshold - by : value >= threshold + by;
}

static bool all_clear(const struct alarm_limits *limits, int type, int32_t value)
{
    return cleared(limits, type, limits->warning_milli[type], value) &&
           cleared(limits, type, limits->critical_milli[type], value);
}

static void note_peak(struct alert *alert, const struct sample *sample)
{
    bool worse = alert_rules[alert->type].high ? sample->value_milli > alert->peak_milli
                                               : sample->value_milli < alert->peak_milli;
    if (alert->peak_milli != VITAL_ABSENT && !worse)
        return;
    alert->peak_milli = sample->value_milli;
    alert->peak_us = sample->time_us;
}

static void note_raise(struct alert *alert, const struct alarm_limits *limits, const struct sample *sample,
                       enum alert_severity severity)
{
    set_severity(alert, severity);
    alert->value_milli = sample->value_milli;
    alert->other_milli = sample->other_milli;
    alert->threshold_milli = threshold_of(limits, alert->type, severity);
}

static void open_alert(struct alarm_patient *state, struct alert *alert, int64_t now_us, struct alarm_events *events)
{
    state->pending &= (uint16_t)~bit(alert->type);
    state->open |= bit(alert->type);
    alert->state = ALERT_ACTIVE;
    alert->raised_us = now_us;
    emit(state, events, alert, ALARM_OPENED);
}

static void begin_episode(struct alarm_patient *state, int type, const struct sample *sample)
{
    state->alerts[type] = (struct alert){
        .type = (uint8_t)type, .patient = state->patient, .onset_us = sample->time_us,
        .peak_milli = VITAL_ABSENT, .state = ALERT_NONE,
    };
}

static void step_idle(struct alarm_patient *state, const struct alarm_limits *limits, int type,
                      const struct sample *sample, enum alert_severity severity, struct alarm_events *events)
{
    struct alert *alert = &state->alerts[type];
    if (severity == SEVERITY_NORMAL) {
        state->pending &= (uint16_t)~bit(type);
        return;
    }
    if (!(state->pending & bit(type)))
        begin_episode(state, type, sample);
    note_peak(alert, sample);
    note_raise(alert, limits, sample, severity);
    if (severity == SEVERITY_CRITICAL || !limits->delay_s[type])
        open_alert(state, alert, state->now_us, events);
    else
        state->pending |= bit(type);
}

static void end_condition(struct alarm_patient *state, struct alert *alert, int64_t time_us,
                          struct alarm_events *events)
{
    alert->end_us = time_us > alert->onset_us ? time_us : alert->onset_us; /* before: a clock that was set back */
    if (alert->severity != SEVERITY_CRITICAL || alert->ack_us) {
        close_alert(state, events, alert);
        return;
    }
    alert->state = ALERT_LATCHED;
    emit(state, events, alert, ALARM_ENDED);
}

static void step_active(struct alarm_patient *state, const struct alarm_limits *limits, struct alert *alert,
                        const struct sample *sample, enum alert_severity severity, struct alarm_events *events)
{
    int type = alert->type;
    bool after_gap = state->gap_seen & bit(type);
    state->gap_seen &= (uint16_t)~bit(type);
    note_peak(alert, sample);
    if (severity > alert->severity) {
        note_raise(alert, limits, sample, severity);
        unacknowledge(alert, state->now_us);
        emit(state, events, alert, ALARM_WORSENED);
    } else if (severity == SEVERITY_NORMAL && all_clear(limits, type, sample->value_milli)) {
        end_condition(state, alert, sample->time_us, events);
    } else if (after_gap) {
        unacknowledge(alert, state->now_us);
        emit(state, events, alert, ALARM_RETURNED);
    } else if (alert->ack_us && alert->severity == SEVERITY_CRITICAL && severity < SEVERITY_CRITICAL &&
               cleared(limits, type, limits->critical_milli[type], sample->value_milli)) {
        note_raise(alert, limits, sample, SEVERITY_WARNING);
        emit(state, events, alert, ALARM_EASED);
    }
}

static void step_latched(struct alarm_patient *state, struct alert *alert, const struct sample *sample,
                         enum alert_severity severity, struct alarm_events *events)
{
    if (severity == SEVERITY_NORMAL)
        return;
    note_peak(alert, sample);
    alert->state = ALERT_ACTIVE;
    alert->end_us = 0;
    unacknowledge(alert, state->now_us);
    emit(state, events, alert, ALARM_RETURNED);
}

static void step_rule(struct alarm_patient *state, const struct alarm_limits *limits, int type,
                      const struct sample *sample, struct alarm_events *events)
{
    enum alert_severity severity = limits_judge(limits, (enum alert_type)type, sample->value_milli);
    if (!(state->open & bit(type))) {
        if (severity != SEVERITY_NORMAL || (state->pending & bit(type)))
            step_idle(state, limits, type, sample, severity, events);
        return;
    }
    struct alert *alert = &state->alerts[type];
    if (alert->state == ALERT_LATCHED)
        step_latched(state, alert, sample, severity, events);
    else
        step_active(state, limits, alert, sample, severity, events);
}

/* ---- time ---- */

static int64_t delay_deadline(const struct alarm_patient *state, const struct alarm_limits *limits, int type)
{
    return state->pending & bit(type) ? state->alerts[type].onset_us + limits->delay_s[type] * US_IN_S : INT64_MAX;
}

static int64_t escalation_deadline(const struct alarm_patient *state, int type)
{
    const struct alert *alert = &state->alerts[type];
    if (!(state->open & bit(type)) || alert->priority != PRIORITY_HIGH || alert->ack_us || alert->escalation >= 2)
        return INT64_MAX;
    return alert->raised_us + (alert->escalation ? ESCALATE_2_S : ESCALATE_1_S) * US_IN_S;
}

static int64_t min_time(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t earliest_due(const struct alarm_patient *state, const struct alarm_limits *limits)
{
    int64_t due = INT64_MAX;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        int64_t deadline = silence_deadline(state, limits, vital);
        due = min_time(due, deadline == INT64_MAX ? deadline : deadline + 1);
    }
    for (unsigned left = state->pending; left; left &= left - 1)
        due = min_time(due, delay_deadline(state, limits, __builtin_ctz(left)));
    for (unsigned left = state->open & (bit(ALERT_RULE_COUNT) - 1u); left; left &= left - 1)
        due = min_time(due, escalation_deadline(state, __builtin_ctz(left)));
    return due;
}

/* Everything that is due at exactly state->due_us. */
static void do_due(struct alarm_patient *state, const struct alarm_limits *limits, struct alarm_events *events)
{
    int64_t due = state->due_us;
    uint8_t newly = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (silence_deadline(state, limits, vital) < due)
            newly |= (uint8_t)(1u << vital);
    if (newly)
        lose_vitals(state, limits, newly, due - 1, events);
    for (int type = 0; type < ALERT_RULE_COUNT; type++) {
        if (delay_deadline(state, limits, type) <= due) {
            open_alert(state, &state->alerts[type], due, events);
        } else if (escalation_deadline(state, type) <= due) {
            state->alerts[type].escalation++;
            emit(state, events, &state->alerts[type], ALARM_ESCALATED);
        }
    }
}

static void advance(struct alarm_patient *state, const struct alarm_limits *limits, int64_t to_us,
                    struct alarm_events *events)
{
    while (state->due_us <= to_us) {
        if (state->due_us > state->now_us)
            state->now_us = state->due_us;
        do_due(state, limits, events);
        state->due_us = earliest_due(state, limits);
    }
    if (to_us > state->now_us)
        state->now_us = to_us;
}

/* ---- public ---- */

static uint8_t newer_vitals(const struct alarm_patient *state, const struct reading *reading)
{
    uint8_t newer = 0;
    if (reading->time_us <= state->floor_us)
        return 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (reading_usable(reading, (enum vital)vital) != VITAL_ABSENT && reading->time_us > state->last_us[vital])
            newer |= (uint8_t)(1u << vital);
    return newer;
}

static void set_earlier(int64_t *time, int64_t bound)
{
    *time = *time < bound ? *time : bound;
}

/* See CLOCK_SET_BACK_US.  Nothing that was stamped ahead may keep this reading from counting. */
static void follow_clock_back(struct alarm_patient *state, const struct reading *reading)
{
    int64_t time_us = reading->time_us;
    if (!(reading->flags & READING_LIVE) || state->now_us - time_us <= CLOCK_SET_BACK_US)
        return;
    state->now_us = time_us;
    set_earlier(&state->silence_base_us, time_us);
    set_earlier(&state->floor_us, time_us - 1);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        set_earlier(&state->last_us[vital], time_us - 1);
    for (unsigned left = state->open | state->pending; left; left &= left - 1) {
        set_earlier(&state->alerts[__builtin_ctz(left)].raised_us, time_us);
        if (state->pending >> __builtin_ctz(left) & 1)
            set_earlier(&state->alerts[__builtin_ctz(left)].onset_us, time_us);
    }
}

static void note_values(struct alarm_patient *state, const struct reading *reading, uint8_t newer)
{
    for (unsigned left = newer; left; left &= left - 1) {
        int vital = __builtin_ctz(left);
        learn_gap(state, vital, reading->time_us);
        state->last_us[vital] = reading->time_us;
        state->last_milli[vital] = reading->value_milli[vital];
    }
    if (newer >> VITAL_SYSTOLIC & 1)
        state->last_other_milli = reading_usable(reading, VITAL_DIASTOLIC);
}

/* The newest values, as of time_us, of the vitals in the set. */
static void judge(struct alarm_patient *state, const struct alarm_limits *limits, uint8_t vitals, int64_t time_us,
                  struct alarm_events *events)
{
    for (int type = 0; type < ALERT_RULE_COUNT; type++) {
        enum vital vital = alert_rules[type].vital;
        if (!(vitals >> vital & 1))
            continue;
        struct sample sample = { state->last_milli[vital], VITAL_ABSENT, time_us };
        if (vital == VITAL_SYSTOLIC)
            sample.other_milli = state->last_other_milli;
        step_rule(state, limits, type, &sample, events);
    }
}

void alarm_reading(struct alarm_patient *state, const struct alarm_limits *limits, const struct reading *reading,
                   struct alarm_events *events)
{
    follow_clock_back(state, reading);
    /* A reading that brings nothing still moves the patient's time: that is how silence is noticed. */
    advance(state, limits, reading->time_us, events);
    uint8_t newer = newer_vitals(state, reading);
    state->live |= (reading->flags & READING_LIVE) != 0;
    state->discharged &= newer == 0;
    note_values(state, reading, newer);
    regain_vitals(state, limits, newer, reading->time_us, events);
    judge(state, limits, newer, reading->time_us, events);
    state->due_us = earliest_due(state, limits);
}

void alarm_tick(struct alarm_patient *state, const struct alarm_limits *limits, int64_t now_us,
                struct alarm_events *events)
{
    advance(state, limits, now_us, events);
}

static bool acknowledge(struct alarm_patient *state, const struct alarm_command *command, struct alarm_events *events)
{
    struct alert *alert = &state->alerts[command->type];
    if (!(state->open & bit(command->type)) || alert->onset_us / US_IN_MS != command->onset_us / US_IN_MS ||
        (command->version && command->version != alert->version))
        return false;
    if (alert->ack_us)
        return true;
    alert->ack_us = command->time_us;
    alert->ack_by = command->user;
    alert->escalation = 0;
    if (alert->state == ALERT_LATCHED)
        close_alert(state, events, alert);
    else
        emit(state, events, alert, ALARM_ACKNOWLEDGED);
    return true;
}

static void discharge(struct alarm_patient *state, struct alarm_events *events)
{
    for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
        if (!(state->open & bit(type)))
            continue;
        if (!state->alerts[type].end_us)
            state->alerts[type].end_us = state->now_us;
        close_alert(state, events, &state->alerts[type]);
    }
    int64_t now_us = state->now_us;
    alarm_init(state, state->patient);
    state->now_us = state->floor_us = now_us;
    state->discharged = 1;
}

/* A recording's patient is judged by its next reading: its time stands still until then. */
static void judge_again(struct alarm_patient *state, const struct alarm_limits *limits, int64_t time_us,
                        struct alarm_events *events)
{
    uint8_t here = known_vitals(state);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (is_lost(state, vital))
            here &= (uint8_t)~(1u << vital);
    if (state->live && !state->discharged)
        judge(state, limits, here, time_us, events);
}

bool alarm_command(struct alarm_patient *state, const struct alarm_limits *limits, const struct alarm_command *command,
                   struct alarm_events *events)
{
    bool applied = true;
    /* A replayed patient lives in the recording's time; the wall clock must not move it. */
    if (state->live && command->kind != ALARM_RESTARTED)
        advance(state, limits, command->time_us - command->lag_us, events);
    switch (command->kind) {
    case ALARM_ACKNOWLEDGE:
        applied = acknowledge(state, command, events);
        break;
    case ALARM_PAUSE:
        state->paused_until_us = command->until_us;
        break;
    case ALARM_RESUME:
        state->paused_until_us = 0;
        break;
    case ALARM_LIMITS: /* the caller passes the new limits from now on */
        judge_again(state, limits, command->time_us, events);
        break;
    case ALARM_DISCHARGE:
        discharge(state, events);
        break;
    case ALARM_RESTARTED:
        if (state->live)
            state->silence_base_us = command->time_us + RESTART_GRACE_S * US_IN_S;
        break;
    case ALARM_TICK:
        break; /* advanced above */
    }
    state->due_us = earliest_due(state, limits);
    return applied;
}

enum alert_severity alarm_severity(const struct alarm_patient *state)
{
    enum alert_severity worst = SEVERITY_NORMAL;
    for (unsigned left = state->open; left; left &= left - 1) {
        enum alert_severity severity = (enum alert_severity)state->alerts[__builtin_ctz(left)].severity;
        worst = severity > worst ? severity : worst;
    }
    return worst;
}

/* ---- bytes: version, the fixed part, then the alerts that are open or pending ---- */

enum { SAVE_VERSION = 2 };

size_t alarm_save(const struct alarm_patient *state, unsigned char *out)
{
    size_t at = offsetof(struct alarm_patient, alerts);
    out[0] = SAVE_VERSION;
    memcpy(out + 1, state, at);
    at++;
    for (unsigned left = state->open | state->pending; left; left &= left - 1, at += sizeof(struct alert))
        memcpy(out + at, &state->alerts[__builtin_ctz(left)], sizeof(struct alert));
    return at;
}

bool alarm_load(struct alarm_patient *state, const unsigned char *data, size_t size, struct err *err)
{
    size_t at = offsetof(struct alarm_patient, alerts) + 1;
    if (size < at || data[0] != SAVE_VERSION)
        return err_set(err, ERR_INPUT, "alarm state: not of version %d", SAVE_VERSION);
    memset(state, 0, sizeof *state);
    memcpy(state, data + 1, at - 1);
    unsigned left = state->open | state->pending;
    if (left >> ALERT_TYPE_COUNT || size != at + (size_t)__builtin_popcount(left) * sizeof(struct alert))
        return err_set(err, ERR_INPUT, "alarm state: wrong size");
    for (; left; left &= left - 1, at += sizeof(struct alert))
        memcpy(&state->alerts[__builtin_ctz(left)], data + at, sizeof(struct alert));
    return true;
}
