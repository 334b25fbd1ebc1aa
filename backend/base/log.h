/* log.h - one JSON object a line on standard error.
 *
 *     log_info("service started", LOG_STR("service", name), LOG_INT("port", port));
 *
 * Keys come from the program; values are escaped, so no value can forge a line.
 * Never log a token, a password or a patient's name; a patient id is fine.
 * Threads: any; a line is written with one write(). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key;
    const char *text;   /* NULL: the field is `number` */
    int64_t number;
};
#define LOG_STR(k, v) ((struct log_field){ .key = (k), .text = log_text(v) })
static inline const char *log_text(const char *text) { return text ? text : ""; }
#define LOG_INT(k, v) ((struct log_field){ .key = (k), .number = (v) })
#define LOG_ERR(e)    LOG_STR("error", (e)->text)

void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *out);  /* debug, info, warn, error */
void log_set_fd(int fd);                                      /* default 2 */
void log_set_service(const char *service);                    /* kept by reference */
void log_write(enum log_level level, const char *message, const struct log_field *fields, int count);

#define LOG_FIELDS(...) ((const struct log_field[]){ { 0 }, ##__VA_ARGS__ })
#define LOG_AT(level, message, ...)                                                              \
    log_write((level), (message), LOG_FIELDS(__VA_ARGS__) + 1,                                   \
              (int)(sizeof LOG_FIELDS(__VA_ARGS__) / sizeof(struct log_field)) - 1)
#define log_debug(message, ...) LOG_AT(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)  LOG_AT(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)  LOG_AT(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_ERROR, message, ##__VA_ARGS__)

#endif
