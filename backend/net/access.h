/* access.h - rights, roles, and the one table that joins them.
 *
 * Every route names a right; every role has a set of rights.  Nothing else decides who may do what. */
#ifndef NET_ACCESS_H
#define NET_ACCESS_H

#include <stdbool.h>

enum right {
    RIGHT_PUBLIC,        /* no token asked for */
    RIGHT_SELF,          /* any valid token: own account */
    RIGHT_READ,          /* patients, vitals, alerts, summaries */
    RIGHT_INGEST,        /* send readings */
    RIGHT_ALARM_RESPOND, /* acknowledge, pause, resume */
    RIGHT_PATIENT_EDIT,  /* admit, name, bed */
    RIGHT_SUMMARY,       /* ask for a summary */
    RIGHT_LIMITS,        /* alarm limits, discharge */
    RIGHT_ADMIN,         /* users, keys, audit */
    RIGHT_COUNT
};

/* admin, doctor, nurse, viewer, device */
bool access_role_known(const char *role);
bool access_allowed(const char *role, enum right right);

#endif
