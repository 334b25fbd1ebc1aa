/* claim_prove.h - one clause against a window: proven, or why not.
 *
 * A prover gets what its pattern captured and says true only when the readings or the alerts show it.
 * It adds what it proved it with to the proof, and moves the context: what "it" is in the next clause. */
#ifndef CLINICAL_CLAIM_PROVE_H
#define CLINICAL_CLAIM_PROVE_H

#include "clinical/claim_pattern.h"
#include "clinical/writer.h"

/* Alerts a clause can speak of: those of the window one by one, then the groups of facts. */
enum { CLAIM_ALERTS_MAX = 2 * WINDOW_ALERTS_MAX };
struct alert_set {
    uint64_t bits[CLAIM_ALERTS_MAX / 64];
};

struct claim_world {
    const struct facts *facts;
    struct alert_fact alerts[CLAIM_ALERTS_MAX];
    int alert_count;
};
void claim_world_init(struct claim_world *world, const struct facts *facts);

/* Copied at every clause, so that a reading that fails leaves nothing behind. */
struct claim_state {
    int vital;                           /* what a following "peaking at" speaks of; -1 */
    struct alert_set alerts;             /* what "it was acknowledged" may speak of */
    bool has_alert;
    uint64_t critical_told;              /* open critical alerts of the window that were told as such */
    struct sentence evidence;            /* its text is not used */
    int claims;
};

struct claim_proof {
    const struct claim_world *world;
    struct claim_state *state;
    char *reason;                        /* CLAIM_REASON_SIZE; why not */
};
enum { CLAIM_REASON_SIZE = 160 };

typedef bool claim_prover(struct claim_proof *proof, const struct captures *captures, int how);

void claim_cite_window(struct claim_proof *proof);

/* `how`: +1 rising or highest, -1 falling or lowest, 0 and others as each says. */
claim_prover prove_change, prove_extreme, prove_swing, prove_stable, prove_values, prove_normal, prove_compare,
    prove_level;
claim_prover prove_missing, prove_implausible, prove_news2, prove_basis;
claim_prover prove_alert, prove_episode, prove_times, prove_condition, prove_patient_condition, prove_open_conditions,
    prove_acknowledged;
claim_prover prove_lost, prove_no_alerts, prove_alert_count, prove_patient_stable, prove_needs_observation;

/* prove_alert */
enum { ALERT_ANY, ALERT_ACKNOWLEDGED, ALERT_UNACKNOWLEDGED };
/* prove_patient_condition: at some time, or by the newest value or an open alert */
enum { CONDITION_SEEN, CONDITION_NOW };
/* prove_lost */
enum { LOST_SINCE, LOST_BETWEEN, LOST_BRIEFLY, LOST_TIMES, LOST_ANY };
/* prove_no_alerts, prove_alert_count */
enum { ALERTS_ALL, ALERTS_CRITICAL, ALERTS_OPEN, ALERTS_OPEN_CRITICAL, ALERTS_OPEN_WARNING };
/* prove_compare */
enum { COMPARE_ANY = 0, COMPARE_ALL = 1, COMPARE_LAST = 2, COMPARE_BELOW = 4 };
/* prove_values */
enum { VALUES_SEEN, VALUES_LAST };

#endif
