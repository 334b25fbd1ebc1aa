#include "clinical/claim_grammar.h"

const struct claim_fragment claim_fragments[] = {
    { "rose", "(rose|rises|increased|increases|climbed|climbs|went up|has risen|has increased|has climbed|is rising|is "
              "increasing|was rising|was increasing|trended up|trended upwards|rising|increasing|have risen|have "
              "increased|are rising|were rising)" },
    { "fell", "(fell|falls|decreased|decreases|dropped|drops|declined|declines|went down|came down|has fallen|has "
              "decreased|has dropped|has declined|is falling|is decreasing|was falling|was decreasing|trended "
              "down|trended downwards|falling|decreasing|have fallen|have decreased|are falling|were falling)" },
    { "was", "(was|is|were|are|has been|have been|remained|remains|remain|stayed|stays)" },
    { "at1", "(at {t1}|\\( {t1} \\)|\\( at {t1} \\))" },
    { "at2", "(at {t2}|\\( {t2} \\)|\\( at {t2} \\))" },
    { "between", "(between {t1} and {t2}|from {t1} to {t2}|\\( {t1} to {t2} \\)|\\( {t1} - {t2} \\))" },
    { "period", "((in|during|over|throughout) (this|the) [monitoring|observation|whole|entire] (period|window))" },
    { "trend", "((trend|trends) :)" },
    { "stable", "(stable|unchanged|steady|constant)" },
    { "normal", "(within normal limits|within [the] normal range|in the normal range|normal)" },
    { "alarms", "(alarms|alarm|alerts|alert)" },
    { "raised",
      "(were raised|was raised|were active|was active|is active|are active|occurred|were present|were detected)" },
    { "missing",
      "((was|were) not (measured|recorded|available)|not (measured|recorded|available)|(is|are|was|were) missing)" },
    { "high", "(highest|maximum|peak|max)" },
    { "low", "(lowest|minimum|min)" },
};
const int claim_fragment_count = sizeof claim_fragments / sizeof *claim_fragments;

const struct claim_rule claim_rules[] = {
    /* what moved */
    { "[<trend>] {v1} <rose> from {n1} [<at1>] to {n2} [<at2>]", prove_change, +1 },
    { "[<trend>] {v1} <fell> from {n1} [<at1>] to {n2} [<at2>]", prove_change, -1 },
    { "[<trend>] {v1} <rose> from {n1} to {n2} (<between>|<period>)", prove_change, +1 },
    { "[<trend>] {v1} <fell> from {n1} to {n2} (<between>|<period>)", prove_change, -1 },
    { "[<trend>] between {t1} and {t2} [,] {v1} <rose> from {n1} to {n2}", prove_change, +1 },
    { "[<trend>] between {t1} and {t2} [,] {v1} <fell> from {n1} to {n2}", prove_change, -1 },
    { "[<trend>] {v1} <rose> to {n2} [<at2>]", prove_change, +1 },
    { "[<trend>] {v1} <fell> to {n2} [<at2>]", prove_change, -1 },
    { "[<trend>] {V} <rose> [<between>|<period>]", prove_change, +1 },
    { "[<trend>] {V} <fell> [<between>|<period>]", prove_change, -1 },
    { "[<trend>] (a|the) (rise|increase|rising trend|upward trend) in {V} [<period>]", prove_change, +1 },
    { "[<trend>] (a|the) (fall|decrease|drop|falling trend|downward trend) in {V} [<period>]", prove_change, -1 },
    { "{V} (showed|shows|show) a (rising|upward|increasing) trend [<period>]", prove_change, +1 },
    { "{V} (showed|shows|show) a (falling|downward|decreasing) trend [<period>]", prove_change, -1 },

    /* extremes: of the vital named before, or named here */
    { "([with] (a|the) (peak|maximum|high|highest value)|peaked|peaking|reaching a (peak|maximum|high)) (of|at) {n1} "
      "[<at1>]",
      prove_extreme, +1 },
    { "([with] (a|the) (low|minimum|nadir|lowest value)|reaching a (low|minimum)) (of|at) {n1} [<at1>]", prove_extreme,
      -1 },
    { "[with] [a|the] <high> {v1} [of|was|is|:] {n1} [<at1>]", prove_extreme, +1 },
    { "[with] [a|the] <low> {v1} [of|was|is|:] {n1} [<at1>]", prove_extreme, -1 },
    { "{v1} (peaked at|reached a (peak|maximum|high) of|<high>) {n1} [<at1>]", prove_extreme, +1 },
    { "{v1} (reached a (low|minimum) of|<low>) {n1} [<at1>]", prove_extreme, -1 },

    /* what swung, what was stable, single values */
    { "{v1} (varied|fluctuated|ranged|swung) (between|from) {n1} [<at1>] (and|to) {n2} [<at2>] [<period>]", prove_swing,
      0 },
    { "{v1} (varied|fluctuated|ranged|swung) (between|from) {r1} [<period>]", prove_swing, 0 },
    { "<stable> : {L}", prove_stable, 0 },
    { "(no (relevant|significant) change in|without (relevant|significant) change :) ({L}|{V}) [<period>]",
      prove_stable, 0 },
    { "({L}|{V}) <was> <stable> [<period>]", prove_stable, 0 },
    { "[<stable>] {v1} <was> <stable> at ({n1}|{r1}) [<period>]", prove_stable, 0 },
    { "{v1} (remained|stayed) at ({n1}|{r1}) [<period>]", prove_stable, 0 },
    { "{v1} <was> <stable> between {n1} and {n2} [<period>]", prove_stable, 0 },
    { "{V} <was> (<stable> and <normal>|<stable> , <normal>) [<period>]", prove_normal, 1 },
    { "{V} <was> <normal> [<period>]", prove_normal, 0 },
    { "all [measured] (vitals|vital signs) <was> <stable> [<period>]", prove_stable, 1 },
    { "all [measured] (vitals|vital signs) <was> <normal> [<period>]", prove_normal, 2 },
    { "at {t1} [,] {L}", prove_values, VALUES_SEEN },
    { "{L} at {t1}", prove_values, VALUES_SEEN },
    { "[and] {p} (had|has|shows|showed) {L} [at {t1}]", prove_values, VALUES_SEEN },
    { "{L}", prove_values, VALUES_SEEN },
    { "(now|currently|latest|last|most recent|current) [:] {L} [at {t1}]", prove_values, VALUES_LAST },
    { "{v1} (was|fell|dropped) (below|under|\\<) {n1} [<at1>]", prove_compare, COMPARE_ANY | COMPARE_BELOW },
    { "{v1} (was|rose) (above|over|>) {n1} [<at1>]", prove_compare, COMPARE_ANY },
    { "{v1} (remained|stayed|has been) (below|under) {n1} [<period>]", prove_compare, COMPARE_ALL | COMPARE_BELOW },
    { "{v1} (remained|stayed|has been) (above|over) {n1} [<period>]", prove_compare, COMPARE_ALL },
    { "{v1} (is|is now) (below|under|\\<) {n1}", prove_compare, COMPARE_LAST | COMPARE_BELOW },
    { "{v1} (is|is now) (above|over|>) {n1}", prove_compare, COMPARE_LAST },

    { "{v1} (was|were) (elevated|raised|high) [<at1>|<period>]", prove_level, +1 },
    { "{v1} (was|were) (low|reduced) [<at1>|<period>]", prove_level, -1 },
    { "{v1} (is|remains) (elevated|raised|high) [at {n1}]", prove_level, +2 },
    { "{v1} (is|remains) (low|reduced) [at {n1}]", prove_level, -2 },

    /* alarms */
    { "{c1} [alarm] (has been|is|was|remains|remained) (active|present|ongoing) since {t1}", prove_alert, ALERT_ANY },
    { "an unacknowledged {c1} (alarm|alert) (has been|is) active since {t1}", prove_alert, ALERT_UNACKNOWLEDGED },
    { "an acknowledged {c1} (alarm|alert) (has been|is) active since {t1}", prove_alert, ALERT_ACKNOWLEDGED },
    { "there is an unacknowledged {c1} (alarm|alert) since {t1}", prove_alert, ALERT_UNACKNOWLEDGED },
    { "there is an acknowledged {c1} (alarm|alert) since {t1}", prove_alert, ALERT_ACKNOWLEDGED },
    { "{c1} [alarm|alert] (has been|is|remains) (active|ongoing)", prove_alert, ALERT_ANY },
    { "there is [an active|a] {c1} [alarm|alert] [since {t1}]", prove_alert, ALERT_ANY },
    { "an active {c1} (alarm|alert) [is present] [since {t1}]", prove_alert, ALERT_ANY },
    { "active <alarms> : {C}", prove_open_conditions, 0 },
    { "{c1} [alarm|alert] (started|began|was raised|was detected) at {t1}", prove_episode, 0 },
    { "{c1} [alarm|alert] (resolved|ended) at {t2}", prove_episode, 0 },
    { "an unacknowledged {c1} (alarm|alert) is active", prove_alert, ALERT_UNACKNOWLEDGED },
    { "{c1} [alarm] (was present|lasted|occurred|was active) <between>", prove_episode, 0 },
    { "{c1} (occurred|was present) [briefly] at {t1}", prove_episode, 0 },
    { "there was [brief] {c1} at {t1}", prove_episode, 0 },
    { "{c1} (occurred|was present) {i1} times <between>", prove_times, 0 },
    { "{c1} [alarm|alert] (was present|occurred|was raised|was detected) [<period>]", prove_condition, 0 },
    { "{p} (experienced|had|developed|showed|was|became) {C} [<period>]", prove_patient_condition, CONDITION_SEEN },
    { "{p} (is|has|shows|remains) {C}", prove_patient_condition, CONDITION_NOW },
    { "(it|the alarm) (was|is|has been) acknowledged", prove_acknowledged, 1 },
    { "(it|the alarm) (was|is|has) not [been] [yet] acknowledged", prove_acknowledged, 0 },
    { "(it|the alarm) [still] (awaits acknowledgement|(is|remains) unacknowledged)", prove_acknowledged, 0 },
    { "[the] {V} (signal|signals) (has|have) been lost since {t1}", prove_lost, LOST_SINCE },
    { "no values of {V} (has|have) been received since {t1}", prove_lost, LOST_SINCE },
    { "[the] {V} (signal|signals) (was|were) lost <between>", prove_lost, LOST_BETWEEN },
    { "no values of {V} (was|were) received <between>", prove_lost, LOST_BETWEEN },
    { "[the] {V} (signal|signals) (was|were) (lost briefly|briefly lost) at {t1}", prove_lost, LOST_BRIEFLY },
    { "[the] {V} (signal|signals) (was|were) lost {i1} times <between>", prove_lost, LOST_TIMES },
    { "(no <alarms> <raised>|there were no <alarms>|there was no alarm|(without|with no) [any] <alarms>|no <alarms>) "
      "[<period>]",
      prove_no_alerts, ALERTS_ALL },
    { "(no active <alarms>|no <alarms> (is|are) active|there (is|are) no active <alarms>)", prove_no_alerts,
      ALERTS_OPEN },
    { "(no critical <alarms> (is|are) active|no active critical <alarms>|there (is|are) no active critical <alarms>)",
      prove_no_alerts, ALERTS_OPEN_CRITICAL },
    { "(no critical <alarms> [<raised>]|there were no critical <alarms>|(without|with no) critical <alarms>) "
      "[<period>]",
      prove_no_alerts, ALERTS_CRITICAL },
    { "(there were|there was|in all [,]) {i1} <alarms> (<period>|fall <period>|<raised> [<period>])", prove_alert_count,
      ALERTS_ALL },
    { "[there (are|is)] {i1} active <alarms>", prove_alert_count, ALERTS_OPEN },
    { "{i1} <alarms> (is|are) active", prove_alert_count, ALERTS_OPEN },
    { "({i1} critical <alarms> (is|are) active|[there (are|is)] {i1} active critical <alarms>)", prove_alert_count,
      ALERTS_OPEN_CRITICAL },
    { "{i1} (warnings|warning) (is|are) active", prove_alert_count, ALERTS_OPEN_WARNING },

    /* the patient */
    { "{p} (remained|was|is|has been|remains) <stable> [<period>]", prove_patient_stable, 0 },
    { "with no critical abnormalities detected [<period>]", prove_no_alerts, ALERTS_CRITICAL },
    { "{p} (remained|was|is) <stable> [,] (without|with no) <alarms> [<period>]", prove_patient_stable, 1 },
    { "{p} (remained|was|is) <stable> [,] (without|with no) critical abnormalities [detected] [<period>]",
      prove_patient_stable, 2 },
    { "([and] requires|{p} requires) continued [medical] (observation|monitoring)", prove_needs_observation, 0 },

    /* what is missing, and what it all rests on */
    { "{V} <missing> [<period>]", prove_missing, 0 },
    { "not (measured|recorded|available) [<period>] : {V}", prove_missing, 0 },
    { "no [values of] {V} (was|were) (recorded|measured|available) [<period>]", prove_missing, 0 },
    { "{i1} implausible {v1} (value|values) (was|were) (left out|ignored)", prove_implausible, 0 },
    { "{i1} {v1} (value|values) (was|were) implausible [and left out]", prove_implausible, 0 },
    { "[the] news2 [score] (is|was|:|=) {i1}", prove_news2, 0 },
    { "[the] news2 [score] (is|was|:|=) ({i1} - {i2}|between {i1} and {i2}|{i1} to {i2}) [,] (because|as) inputs are "
      "missing",
      prove_news2, 0 },
    { "[based on] {i1} (reading|readings) (at {t1}|<between>)", prove_basis, 0 },
    { "[based on] {i1} (reading|readings)", prove_basis, 0 },
    { "{i1} (reading|readings) (were|was) (recorded|taken) [at {t1}|<between>]", prove_basis, 0 },
};

int claim_rule_count(void)
{
    return sizeof claim_rules / sizeof *claim_rules;
}

const char *claim_rule_pattern(int rule)
{
    return claim_rules[rule].pattern;
}

/* Longer ones first. */
int claim_joint(const struct claim_reader *reader, int at)
{
    static const char *const joints[][2] = {
        { ",", "and" }, { ",", "while" }, { ",", "whereas" }, { ",", "but" }, { ";", "and" }, { ",", "with" },
        { ",", NULL }, { ";", NULL }, { "and", NULL }, { "while", NULL }, { "with", NULL }, { "whereas", NULL },
        { "but", NULL },
    };
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++) {
        int k = 0;
        while (k < 2 && joints[i][k] && at + k < reader->count && reader->tokens[at + k].kind == TOKEN_WORD &&
               reader->tokens[at + k].word == claim_word(joints[i][k]))
            k++;
        if (k == 2 || (k && !joints[i][k]))
            return k;
    }
    return 0;
}
