#include "clinical/alert_json.h"

#include "base/bounds.h"

static void put_lost(struct json_writer *w, const struct alert *alert)
{
    if (alert->type != ALERT_SENSOR)
        return;
    json_put_array(w, "lost");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (alert->lost >> vital & 1)
            json_put_text(w, NULL, vital_infos[vital].json_name);
    json_put_end(w);
}

void alert_write_json(struct json_writer *w, const char *key, const struct alert *alert,
                      const struct alert_context *context)
{
    char id[ALERT_ID_SIZE];
    struct buf message;
    buf_init(&message, 512);
    alert_message(alert, &message);
    json_put_object(w, key);
    json_put_text(w, "id", alert_id_format(alert, context->patient_id, id));
    json_put_text(w, "patient_id", context->patient_id);
    if (context->patient_name)
        json_put_text(w, "patient_name", context->patient_name);
    if (context->bed_number)
        json_put_text(w, "bed_number", context->bed_number && context->bed_number[0] ? context->bed_number : NULL);
    json_put_text(w, "type", alert_type_name((enum alert_type)alert->type));
    json_put_text(w, "message", message.data);
    json_put_text(w, "severity", severity_name((enum alert_severity)alert->severity));
    json_put_text(w, "vital_type", alert_vital_type((enum alert_type)alert->type));
    vital_put_json(w, "vital_value", alert->value_milli);
    vital_put_json(w, "threshold", alert->threshold_milli);
    json_put_time(w, "timestamp", alert->onset_us);
    json_put_bool(w, "acknowledged", alert->ack_us != 0);
    json_put_text(w, "priority", alert_priority_name((enum alert_priority)alert->priority));
    json_put_text(w, "kind", alert->type == ALERT_SENSOR ? "technical" : "physiological");
    json_put_text(w, "state", alert_state_name((enum alert_state)alert->state));
    json_put_time(w, "onset", alert->onset_us);
    json_put_time(w, "raised", alert->raised_us);
    vital_put_json(w, "peak_value", alert->peak_milli);
    json_put_time_if(w, "peak_at", alert->peak_us);
    json_put_time_if(w, "end", alert->end_us);
    json_put_time_if(w, "acknowledged_at", alert->ack_us);
    json_put_text(w, "acknowledged_by", alert->ack_us ? context->acknowledged_by : NULL);
    json_put_int(w, "escalation", alert->escalation);
    json_put_int(w, "version", alert->version);
    put_lost(w, alert);
    json_put_end(w);
    buf_free(&message);
}
