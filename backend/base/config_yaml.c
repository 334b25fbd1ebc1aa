/* config_yaml.c - the YAML file, by libcyaml; its types stay here.
 *
 * The schema is made from the table: a mapping of sections, each a mapping of texts.  Texts, because
 * the same code then judges values from the file, the environment and flags (and because libcyaml
 * 1.3.1 has no ranges and takes any unknown word for `true`).  libcyaml gives the line of what it
 * refuses itself; for a value that we refuse, the line is looked up in the text. */
#include "base/config.h"

#include "base/bounds.h"
#include "base/mem.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_COUNT_MAX = CONFIG_KEY_COUNT_MAX + 8, SECTION_COUNT_MAX = 24 };

/* What may stand in the file: every key; of a secret also KEY_file. */
struct yaml_schema {
    size_t count, section_count;
    char full[NAME_COUNT_MAX][64];                                  /* "auth.signing_key_file" */
    char section[SECTION_COUNT_MAX][32];
    cyaml_schema_field_t top[SECTION_COUNT_MAX];
    cyaml_schema_field_t fields[NAME_COUNT_MAX + SECTION_COUNT_MAX]; /* with an end mark per section */
};

static cyaml_schema_field_t text_field(const char *key, size_t offset)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)offset,
        .value = { .type = CYAML_STRING,
                   .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
                   .data_size = sizeof(char),
                   .string = { .min = 0, .max = CYAML_UNLIMITED } },
    };
}

static void add_names(struct yaml_schema *schema)
{
    for (size_t i = 0; i < config_key_count; i++) {
        CHECK(schema->count + 2 <= NAME_COUNT_MAX);
        (void)snprintf(schema->full[schema->count++], 64, "%s", config_keys[i].name);
        if (config_keys[i].kind == CONFIG_SECRET)
            (void)snprintf(schema->full[schema->count++], 64, "%s_file", config_keys[i].name);
    }
}

/* The fields from names[i] on that share its section; returns where the next section begins. */
static size_t add_section(struct yaml_schema *schema, size_t i, size_t *field)
{
    const char *dot = strchr(schema->full[i], '.');
    size_t n = (size_t)(dot - schema->full[i]) + 1, first = i;
    char *name = schema->section[schema->section_count];
    CHECK(n < sizeof schema->section[0]);
    memcpy(name, schema->full[i], n - 1);   /* the rest is zeroed */
    cyaml_schema_field_t *top = &schema->top[schema->section_count++];
    *top = (cyaml_schema_field_t){
        .key = name,
        .data_offset = (uint32_t)(first * sizeof(char *)),
        .value = { .type = CYAML_MAPPING, .flags = CYAML_FLAG_OPTIONAL,
                   .mapping = { .fields = &schema->fields[*field] } },
    };
    for (; i < schema->count && strncmp(schema->full[i], schema->full[first], n) == 0; i++)
        schema->fields[(*field)++] = text_field(schema->full[i] + n, (i - first) * sizeof(char *));
    top->value.data_size = (uint32_t)((i - first) * sizeof(char *));
    (*field)++; /* the zeroed end mark */
    return i;
}

static void make_schema(struct yaml_schema *schema)
{
    add_names(schema);
    for (size_t i = 0, field = 0; i < schema->count;) {
        CHECK(schema->section_count + 2 < SECTION_COUNT_MAX);
        if (strchr(schema->full[i], '.')) {
            i = add_section(schema, i, &field);
        } else {
            schema->top[schema->section_count++] = text_field(schema->full[i], i * sizeof(char *));
            i++;
        }
    }
}

/* ---- libcyaml's words ---- */

struct said {
    char text[200], where[80];
};

/* libcyaml logs "Load: WHAT" and then a backtrace of "  in mapping field 'x' (line: 3, column: 5)". */
__attribute__((format(printf, 3, 0)))
static void listen_to_cyaml(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct said *said = context;
    char line[200];
    if (level < CYAML_LOG_ERROR)
        return;
    (void)vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    const char *text = str_starts(line, "Load: ") ? line + 6 : line;
    const char *at = strstr(line, "(line: ");
    if (at && !said->where[0])
        (void)snprintf(said->where, sizeof said->where, "%.79s", at + 7);
    else if (!said->text[0] && !str_starts(text, "Backtrace"))
        (void)snprintf(said->text, sizeof said->text, "%s", text);
}

static void *allocate(void *context, void *old, size_t size)
{
    (void)context;
    if (size)
        return mem_try_resize(old, size, 1);
    mem_free(old);
    return NULL;
}

/* ---- lines ---- */

/* One line of block-style YAML: how far it is indented, and whether it is `key:`. */
struct yaml_line {
    const char *text;
    size_t length, indent;
};

/* Moves to the next line; false at the end. */
static bool next_line(const char **at, const char *end, struct yaml_line *line)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    line->text = *at;
    line->length = stop ? (size_t)(stop - *at) : (size_t)(end - *at);
    line->indent = 0;
    while (line->indent < line->length && line->text[line->indent] == ' ')
        line->indent++;
    *at += line->length + 1;
    return true;
}

static bool has_key(const struct yaml_line *line, const char *key, size_t key_length)
{
    const char *word = line->text + line->indent;
    return line->length - line->indent > key_length && memcmp(word, key, key_length) == 0 && word[key_length] == ':';
}

/* The line on which section.key stands; 0 when it is written in another way than block style. */
static int line_of(const char *text, size_t length, const char *full)
{
    const char *dot = strchr(full, '.'), *key = dot ? dot + 1 : full, *at = text;
    bool inside = !dot;
    struct yaml_line line;
    for (int number = 1; next_line(&at, text + length, &line); number++) {
        bool top = line.indent == 0 && line.length && line.text[0] != '#';
        if (dot && top)
            inside = has_key(&line, full, (size_t)(dot - full));
        else if (inside && (dot || top) && has_key(&line, key, strlen(key)))
            return number;
    }
    return 0;
}

/* libcyaml tells the line of the last thing that it liked; the key that it did not is further on. */
static int line_refused(const char *text, size_t length, const struct said *said)
{
    int liked = atoi(said->where), number = 1;
    const char *key = strstr(said->text, ": "), *at = text;
    int from = str_starts(said->text, "Mapping field already seen") ? liked + 1 : liked;
    struct yaml_line line;
    for (; key && next_line(&at, text + length, &line); number++)
        if (number >= from && has_key(&line, key + 2, strlen(key + 2)))
            return number;
    return liked > 0 ? liked : 1;
}

static bool take_values(struct config *config, const struct yaml_schema *schema, char *const *values, const char *text,
                        size_t length, const char *name, struct err *err)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (!values[i])
            continue;
        int line = line_of(text, length, schema->full[i]);
        if (!config_set(config, schema->full[i], values[i], CONFIG_FROM_FILE, err))
            return line ? err_context(err, "%s:%d", name, line) : err_context(err, "%s", name);
        for (size_t k = 0; k < config_key_count; k++)   /* of KEY_file too: the longest match is the last */
            if (str_starts(schema->full[i], config_keys[k].name))
                config->origins[k].line = config->origins[k].source == CONFIG_FROM_FILE ? line : 0;
    }
    return true;
}

/* A file of comments only is an empty mapping to us; libcyaml would call it an error. */
static bool only_comments(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '#')
            while (i < length && text[i] != '\n')
                i++;
        else if (!strchr(" \t\r\n", text[i]))
            return false;
    }
    return true;
}

bool config_read_text(struct config *config, const char *text, size_t length, const char *name, struct err *err)
{
    if (only_comments(text, length))
        return true;
    if (!str_utf8_valid(text, length) || memchr(text, '\0', length))
        return err_set(err, ERR_CONFIG, "%s: is not UTF-8 text", name);
    struct yaml_schema *schema = mem_new(1, sizeof *schema);
    make_schema(schema);
    const cyaml_schema_value_t root = { .type = CYAML_MAPPING,
                                        .flags = CYAML_FLAG_POINTER,
                                        .data_size = (uint32_t)(schema->count * sizeof(char *)),
                                        .mapping = { .fields = schema->top } };
    struct said said = { 0 };
    const cyaml_config_t how = { .log_fn = listen_to_cyaml, .log_ctx = &said, .mem_fn = allocate,
                                 .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS };
    cyaml_data_t *values = NULL;
    cyaml_err_t code = cyaml_load_data((const uint8_t *)text, length, &how, &root, &values, NULL);
    bool ok = code == CYAML_OK
        ? take_values(config, schema, (char *const *)values, text, length, name, err)
        : err_set(err, ERR_CONFIG, "%s:%d: %s", name, line_refused(text, length, &said),
                  said.text[0] ? said.text : cyaml_strerror(code));
    (void)cyaml_free(&how, &root, values, 0);
    mem_free(schema);
    return ok;
}
