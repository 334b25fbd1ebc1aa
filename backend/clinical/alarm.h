/* alarm.h - the alarm state machine of one patient.  Pure: readings and time in, alerts out.
 *
 * Episode:   an alert opens once and closes once.  Identity: (patient, type, onset).  Within it
 *            severity rises with the value at once, and falls after it was acknowledged.
 *
 *     (none) ──beyond limit, held for delay_s──▶ ACTIVE ──back inside by the hysteresis──▶ CLOSED
 *                                                 │  ▲                    (warning, or acknowledged)
 *                             critical, unanswered│  │beyond again
 *                                                 ▼  │
 *                                               LATCHED ──acknowledge──▶ CLOSED
 *
 * Time:      the machine runs on the readings' own time.  Whatever becomes due between two readings
 *            (a delay that ends, a vital that falls silent) is done in time order *before* the later
 *            reading, with its own computed time; a tick only does the same earlier.  So the alerts of
 *            a recording do not depend on when, or whether, ticks come: a replay at any speed gives the
 *            same alerts, byte for byte.  Of a live patient, whose readings can arrive late, ticks are
 *            commands in the stream (ALARM_TICK), so that they repeat too.
 * Late:      a vital not newer than the last of its kind changes nothing.  The exception is a clock
 *            that was set back: see CLOCK_SET_BACK_US.
 * Lag:       a device whose stamps run behind the server's clock (its own is slow, or it sends in batches)
 *            must not be called silent before its readings can have come: the caller knows the lag and
 *            ticks that much later; a command carries it.
 * Limits:    new ones judge the newest values of a live patient at once.
 * Silence:   a vital is lost when no usable value came for 2 expected intervals; expected is set by
 *            the limits or learned: the third smallest of the last four gaps, so that one outage
 *            does not stretch it and a changed rate is learned after two.  Before three gaps are
 *            known it is an hour, the slowest charting in use.
 * Threads:   a state belongs to one thread.  Plain data: alarm_save/alarm_load for the store.
 * Bounds:    one call emits at most ALARM_EVENTS_MAX events. */
#ifndef CLINICAL_ALARM_H
#define CLINICAL_ALARM_H

#include "base/str.h"
#include "clinical/alarm_limits.h"
#include "clinical/reading.h"

enum alert_state { ALERT_NONE, ALERT_ACTIVE, ALERT_LATCHED, ALERT_CLOSED };
enum alert_priority { PRIORITY_LOW, PRIORITY_MEDIUM, PRIORITY_HIGH };

struct alert {
    int64_t onset_us;         /* when the condition began: the first reading beyond, or last + 2 intervals */
    int64_t raised_us;        /* onset plus delay */
    int64_t peak_us;          /* of the worst value */
    int64_t end_us;           /* 0: the condition is not over */
    int64_t ack_us;           /* 0: not acknowledged */
    int64_t updated_us;       /* time of the event that made this version */
    uint32_t patient;
    uint32_t ack_by;          /* user id, 0: nobody */
    uint32_t version;         /* 1 at opening, one more with every change */
    int32_t value_milli;      /* of the reading that raised, or raised it higher; sensor: VITAL_ABSENT */
    int32_t other_milli;      /* blood pressure: the diastolic beside it, else VITAL_ABSENT */
    int32_t threshold_milli;  /* the limit it crossed; sensor: the silence allowed, in ms */
    int32_t peak_milli;
    uint8_t type, severity, state, priority;   /* enum alert_type, alert_severity, alert_state, alert_priority */
    uint8_t lost;             /* sensor: bit per vital lost */
    uint8_t escalation;       /* 0, then 1, 2 while a high-priority alert stays unanswered */
    uint8_t reserved[2];
};

/* A high-priority alert that nobody answers goes up a step after each of these; reminders every step.
 * Source: ThingsBoard #11803, #12501 (what users ask for); Philips X2 manual: 2 min reminders. */
enum { ESCALATE_1_S = 60, ESCALATE_2_S = 180 };

/* A live reading (stamped within READING_LIVE_US of the server's clock) that lies further behind this
 * patient's time than two such errors proves that time wrong: a device's clock was ahead and was set
 * back.  The patient's time follows it, so that no reading is taken for late for the next hour. */
#define CLOCK_SET_BACK_US (2 * READING_LIVE_US)

/* Vitals that come at least this often are watched by a device: all of them lost is a total loss,
 * whatever is charted by hand besides.  Source: trust.md incident 4 ("no telem" shown as information). */
enum { CONTINUOUS_S_MAX = 60 };
/* After a restart of ours devices need to connect again: silence counts from this much later, or every
 * bed of the ward would be called disconnected at once.  Gateways try again within 1 to 5 s. */
enum { RESTART_GRACE_S = 5 };

enum { GAP_COUNT = 4, ALARM_EVENTS_MAX = 7 * ALERT_TYPE_COUNT };

struct alarm_patient {
    int64_t last_us[VITAL_COUNT];         /* newest usable value; 0: never */
    int64_t now_us;                       /* newest time this patient has lived through */
    int64_t due_us;                       /* nothing happens by itself before; INT64_MAX: never */
    int64_t silence_base_us;              /* silence counts from here at the earliest (a restart) */
    int64_t floor_us;                     /* readings up to here are history (a discharge) */
    int64_t paused_until_us;              /* sound off until; 0: not paused */
    int32_t last_milli[VITAL_COUNT];      /* newest usable value: judged again when limits change */
    int32_t last_other_milli;             /* the diastolic beside the newest systolic */
    uint32_t expected_ms[VITAL_COUNT];    /* learned */
    uint32_t gap_ms[VITAL_COUNT][GAP_COUNT];
    uint8_t gap_count[VITAL_COUNT];       /* how many are known, at most GAP_COUNT */
    uint8_t gap_next[VITAL_COUNT];
    uint16_t open;                        /* bit per alert type: ACTIVE or LATCHED */
    uint16_t pending;                     /* bit per rule: beyond, waiting for its delay */
    uint16_t gap_seen;                    /* bit per rule: its vital was lost while it was open */
    uint8_t live;                         /* a live device has sent, since the last discharge */
    uint8_t discharged;
    uint32_t patient;
    struct alert alerts[ALERT_TYPE_COUNT];
};

enum alarm_command_kind {
    ALARM_ACKNOWLEDGE,       /* type, onset_us, user */
    ALARM_PAUSE,             /* until_us */
    ALARM_RESUME,
    ALARM_LIMITS,            /* limits: from now on, the newest values are judged by them at once */
    ALARM_DISCHARGE,         /* closes everything; a later reading admits again */
    ALARM_RESTARTED,         /* the system was down until time_us: silence counts from now (live patients) */
    ALARM_TICK,              /* it is time_us, and something is due (live patients).  Readings may come later
                              * that are older: a replay must see the tick where it was */
};
struct alarm_command {
    int64_t time_us;
    int64_t lag_us;          /* how far the patient's readings come behind the clock that time_us is of */
    enum alarm_command_kind kind;
    enum alert_type type;
    int64_t onset_us, until_us;
    uint32_t version;        /* of the alert as the user saw it; 0: any */
    uint32_t user;
    struct alarm_limits limits;
};

/* The alert as it is after a change, and what the change was. */
enum alarm_change { ALARM_OPENED, ALARM_WORSENED, ALARM_EASED, ALARM_ENDED, ALARM_RETURNED, ALARM_ACKNOWLEDGED,
                    ALARM_CLOSED, ALARM_ESCALATED, ALARM_SENSORS };
struct alarm_event {
    enum alarm_change change;
    struct alert alert;
};
struct alarm_events {
    int count;
    struct alarm_event items[ALARM_EVENTS_MAX];
};

void alarm_init(struct alarm_patient *state, uint32_t patient);
/* Each of these appends to `events` (the caller sets count to 0). */
void alarm_reading(struct alarm_patient *state, const struct alarm_limits *limits, const struct reading *reading,
                   struct alarm_events *events);
void alarm_tick(struct alarm_patient *state, const struct alarm_limits *limits, int64_t now_us,
                struct alarm_events *events);
/* false: it did not apply (no such open alert, version has moved on): nothing changed. */
bool alarm_command(struct alarm_patient *state, const struct alarm_limits *limits, const struct alarm_command *command,
                   struct alarm_events *events);
/* Before alarm_reading() in a batch over many patients: hides the cache misses (bench/alarm). */
static inline void alarm_prefetch(const struct alarm_patient *state)
{
    const char *bytes = (const char *)state;
    for (size_t at = 0; at < offsetof(struct alarm_patient, alerts); at += 64)
        __builtin_prefetch(bytes + at, 1, 3);
}

/* The worst of the open alerts (latched ones count): what a card on the ward shows. */
enum alert_severity alarm_severity(const struct alarm_patient *state);
/* 2 expected intervals; what makes a value stale. */
int64_t alarm_silence_limit_us(const struct alarm_patient *state, const struct alarm_limits *limits, enum vital vital);

/* The store's bytes: fixed part and the open alerts only.  Format version inside. */
enum { ALARM_SAVE_SIZE_MAX = sizeof(struct alarm_patient) + 16 };
size_t alarm_save(const struct alarm_patient *state, unsigned char *out);
bool alarm_load(struct alarm_patient *state, const unsigned char *data, size_t size, struct err *err) MUST_CHECK;

/* "P001.tachycardia.1795440000000": patient id, type, onset in ms. */
enum { ALERT_ID_SIZE = 80 };
char *alert_id_format(const struct alert *alert, const char *patient_id, char out[ALERT_ID_SIZE]);
/* The parts of an id; `patient_id` gets at most PATIENT_ID_SIZE. */
bool alert_id_parse(const char *id, char *patient_id, size_t patient_id_size, enum alert_type *out_type,
                    int64_t *out_onset_ms, struct err *err) MUST_CHECK;
/* As in clinical.md: "Critical tachycardia detected. Heart rate: 142 bpm (threshold: >=130)". */
void alert_message(const struct alert *alert, struct buf *out);
const char *alert_state_name(enum alert_state state);
const char *alert_priority_name(enum alert_priority priority);

#endif
