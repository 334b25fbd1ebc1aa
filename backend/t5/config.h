/* config.h - config.json and generation_config.json of a Hugging Face T5 folder.
 *
 * Unknown keys are passed over (the files hold many that do not matter here); a key that would change
 * the output and that this library does not implement is refused by name.
 * Absent keys take the defaults of transformers 4.57: T5Config, GenerationConfig.
 * Errors:  name the file and the key, what was expected and what was found. */
#ifndef T5_CONFIG_H
#define T5_CONFIG_H

#include "base/json.h"
#include "t5/t5.h"

bool config_parse(const char *text, size_t length, struct t5_config *out, struct err *err) MUST_CHECK;
/* What config_parse() reads back as the same, and transformers takes. */
void t5_config_print(const struct t5_config *config, struct buf *out);
bool config_read(const char *dir, struct t5_config *out, struct err *err) MUST_CHECK;

/* transformers' GenerationConfig without a file. */
struct t5_params generation_defaults(void);
/* What `text` says over *out; pad, eos and start token over *config. */
bool generation_parse(const char *text, size_t length, struct t5_config *config, struct t5_params *out,
                      struct err *err) MUST_CHECK;
/* The parameters of the search, under generate()'s names: what `from` says over *out.  t5_params_check() follows. */
bool generation_values(const struct json *from, struct t5_params *out, struct err *err) MUST_CHECK;
/* The same as generation_parse() from a parsed object. */
bool generation_from_json(const struct json *from, struct t5_config *config, struct t5_params *out,
                          struct err *err) MUST_CHECK;
/* generation_config.json, or, where there is none, what config.json says of generation. */
bool generation_read(const char *dir, struct t5_config *config, struct t5_params *out, struct err *err) MUST_CHECK;

/* json_parse_object() of DIR/NAME; errors name the file. */
bool read_json_file(const char *dir, const char *name, struct json **out, struct err *err) MUST_CHECK;

#endif
