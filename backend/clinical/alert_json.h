/* alert_json.h - an alert as every interface shows it (docs/api.md and openapi.yaml, schema Alert). */
#ifndef CLINICAL_ALERT_JSON_H
#define CLINICAL_ALERT_JSON_H

#include "base/json.h"
#include "clinical/alarm.h"

struct alert_context {
    const char *patient_id;
    const char *patient_name, *bed_number;   /* NULL: left out (files, offline replay) */
    const char *acknowledged_by;             /* username or NULL */
};
/* One object; `key` NULL in an array or as the root. */
void alert_write_json(struct json_writer *writer, const char *key, const struct alert *alert,
                      const struct alert_context *context);

#endif
