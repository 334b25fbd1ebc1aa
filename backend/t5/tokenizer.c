/* tokenizer.c - transformers' T5Tokenizer (legacy=True) around libsentencepiece.
 *
 * Ids:     the pieces first; then <extra_id_99> … <extra_id_0>, so that extra id N is count + 99 - N.
 * Encode:  the text is cut at </s>, <unk>, <pad> and <extra_id_N>; what is between is encoded piece by
 *          piece; </s> is added unless it is the last one already.
 * Decode:  pieces between special tokens are joined by the library, with the spaces that
 *          T5Tokenizer.convert_tokens_to_string puts there, then cleaned up ("it 's ." is "it's.").
 * Source:  transformers 4.57.6, models/t5/tokenization_t5.py, tokenization_utils.py (_decode),
 *          tokenization_utils_base.py (clean_up_tokenization). */
#include "t5/tokenizer.h"

#include "base/bounds.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "t5/config.h"
#include "t5/spiece.h"
#include "t5/spiece_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXTRA_ID_COUNT = 100 };

struct t5_tokenizer {
    struct spiece *spiece;
    int32_t piece_count, eos_id, pad_id, unknown_id;
    int32_t extra_first;      /* <extra_id_99>, or more where the vocabulary is too small for all */
    int32_t id_end;           /* the first id that is none */
};

/* ---- opening ---- */

static bool load(const void *bytes, size_t size, struct t5_tokenizer *t, struct err *err)
{
    char reason[200];
    if (!spiece_check(bytes, size, err) || !spiece_try(bytes, size, err))
        return false;
    if (!(t->spiece = spiece_load(bytes, size, reason, sizeof reason)))
        return err_set(err, ERR_INPUT, "libsentencepiece refuses the model: %s", reason);
    t->piece_count = spiece_count(t->spiece);
    t->unknown_id = spiece_unknown_id(t->spiece);
    t->eos_id = spiece_id(t->spiece, "</s>");
    t->pad_id = spiece_id(t->spiece, "<pad>");
    t->extra_first = t->piece_count;
    t->id_end = t->piece_count + EXTRA_ID_COUNT;
    if (t->eos_id == t->unknown_id)
        return err_set(err, ERR_INPUT, "has no piece </s>");
    return true;
}

bool tokenizer_from_memory(const void *bytes, size_t size, struct t5_tokenizer **out, struct err *err)
{
    struct t5_tokenizer *t = mem_new(1, sizeof *t);
    if (!load(bytes, size, t, err)) {
        t5_tokenizer_close(t);
        return false;
    }
    *out = t;
    return true;
}

bool t5_tokenizer_open(const char *spiece_path, struct t5_tokenizer **out, struct err *err)
{
    struct buf bytes;
    if (!file_read(spiece_path, T5_SPIECE_SIZE_MAX, &bytes, err))
        return false;
    bool ok = tokenizer_from_memory(bytes.data, bytes.length, out, err) || err_context(err, "%s", spiece_path);
    buf_free(&bytes);
    return ok;
}

void t5_tokenizer_close(struct t5_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    spiece_free(tokenizer->spiece);
    mem_free(tokenizer);
}

bool tokenizer_fit(struct t5_tokenizer *t, int vocab_size, struct err *err)
{
    if (t->piece_count > vocab_size)
        return err_set(err, ERR_INPUT, "spiece.model has %d pieces, but vocab_size is %d (config.json)", t->piece_count,
                       vocab_size);
    t->id_end = vocab_size < t->piece_count + EXTRA_ID_COUNT ? vocab_size : t->piece_count + EXTRA_ID_COUNT;
    return true;
}

int tokenizer_piece_count(const struct t5_tokenizer *tokenizer)
{
    return tokenizer->piece_count;
}

/* ---- special tokens ---- */

static int32_t extra_id(const struct t5_tokenizer *t, int number)
{
    return t->piece_count + EXTRA_ID_COUNT - 1 - number;
}

static bool is_extra(const struct t5_tokenizer *t, int32_t id)
{
    return id >= t->piece_count && id < t->id_end;
}

/* "<extra_id_7>" at the start of the text: its id and length. */
static bool match_extra(const struct t5_tokenizer *t, const char *text, size_t length, int32_t *out_id,
                        size_t *out_length)
{
    static const char start[] = "<extra_id_";
    size_t at = sizeof start - 1;
    int number = 0;
    if (length < at + 2 || memcmp(text, start, at) != 0)
        return false;
    while (at < length && text[at] >= '0' && text[at] <= '9' && number < EXTRA_ID_COUNT)
        number = 10 * number + (text[at++] - '0');
    bool leading_zero = text[sizeof start - 1] == '0' && at > sizeof start;
    if (at == sizeof start - 1 || at == length || text[at] != '>' || number >= EXTRA_ID_COUNT || leading_zero)
        return false;
    *out_id = extra_id(t, number);
    *out_length = at + 1;
    return *out_id < t->id_end;
}

static bool match_special(const struct t5_tokenizer *t, const char *text, size_t length, int32_t *out_id,
                          size_t *out_length)
{
    const struct { const char *name; int32_t id; } names[] = {
        { "</s>", t->eos_id }, { "<unk>", t->unknown_id }, { "<pad>", t->pad_id },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i].name);
        if (length >= size && memcmp(text, names[i].name, size) == 0) {
            *out_id = names[i].id;
            *out_length = size;
            return true;
        }
    }
    return match_extra(t, text, length, out_id, out_length);
}

static bool is_special(const struct t5_tokenizer *t, int32_t id)
{
    return id == t->eos_id || id == t->unknown_id || id == t->pad_id || is_extra(t, id);
}

/* ---- encode ---- */

struct ids {
    int32_t *out;
    size_t count, max;       /* count may go beyond max: then it is cut */
    int32_t last;
};

static void add_id(struct ids *ids, int32_t id)
{
    if (ids->count < ids->max)
        ids->out[ids->count] = id;
    ids->count++;
    ids->last = id;
}

static void encode_part(const struct t5_tokenizer *t, const char *text, size_t length, struct ids *ids)
{
    enum { AT_ONCE = 512 };
    int32_t few[AT_ONCE], *found = few;
    if (length == 0)
        return;
    size_t count = spiece_encode(t->spiece, text, length, found, AT_ONCE);
    if (count > AT_ONCE) {
        found = mem_new(count, sizeof *found);
        count = spiece_encode(t->spiece, text, length, found, count);
    }
    for (size_t i = 0; i < count; i++)
        add_id(ids, found[i]);
    if (found != few)
        mem_free(found);
}

static void encode_all(const struct t5_tokenizer *t, const char *text, size_t length, struct ids *ids)
{
    size_t from = 0;
    for (size_t at = 0; at < length;) {
        int32_t id;
        size_t size;
        if (text[at] != '<' || !match_special(t, text + at, length - at, &id, &size)) {
            at++;
            continue;
        }
        encode_part(t, text + from, at - from, ids);
        add_id(ids, id);
        from = at += size;
    }
    encode_part(t, text + from, length - from, ids);
}

bool t5_encode(const struct t5_tokenizer *tokenizer, const char *text, size_t length, size_t max_tokens, int32_t *out,
               size_t *out_count, struct err *err)
{
    struct ids ids = { .out = out, .max = max_tokens, .last = -1 };
    CHECK(max_tokens >= 1);
    if (length > T5_TEXT_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "a text of %zu bytes; at most %d", length, T5_TEXT_SIZE_MAX);
    encode_all(tokenizer, text, length, &ids);
    bool cut = ids.count + 1 > max_tokens;   /* as transformers counts: with the </s> that it may not need */
    if (cut)
        ids.count = max_tokens - 1;
    if (cut || ids.last != tokenizer->eos_id)
        out[ids.count++] = tokenizer->eos_id;
    *out_count = ids.count;
    return true;
}

/* ---- decode ---- */

static bool add_pieces(const struct t5_tokenizer *t, const int32_t *ids, size_t count, bool first, struct buf *out,
                       struct err *err)
{
    if (count == 0)
        return true;
    char *text = spiece_decode(t->spiece, ids, count, first);
    if (!text)
        return err_set(err, ERR_INPUT, "libsentencepiece cannot decode these tokens");
    buf_add_text(out, text);
    free(text);
    return true;
}

static void strip(struct buf *text, size_t from)
{
    size_t start = from;
    while (text->length > from && text->data[text->length - 1] == ' ')
        text->length--;
    while (start < text->length && text->data[start] == ' ')
        start++;
    memmove(text->data + from, text->data + start, text->length - start);
    text->length -= start - from;
    text->data[text->length] = 0;
}

/* T5Tokenizer.convert_tokens_to_string, its odd place of the space included: in front of the pieces that
 * stand before a special token. */
static bool add_run(const struct t5_tokenizer *t, const int32_t *ids, size_t count, struct buf *out, struct err *err)
{
    static const char *const names[] = { "</s>", "<unk>", "<pad>" };
    const int32_t special[] = { t->eos_id, t->unknown_id, t->pad_id };
    const size_t start = out->length;
    size_t from = 0;
    bool after_special = false;
    for (size_t i = 0; i < count; i++) {
        size_t kind = 0;
        while (kind < 3 && special[kind] != ids[i])
            kind++;
        if (kind == 3) {
            after_special = false;
            continue;
        }
        if (!after_special)
            buf_add_char(out, ' ');
        if (!add_pieces(t, ids + from, i - from, from == 0, out, err))
            return false;
        buf_add_text(out, names[kind]);
        after_special = true;
        from = i + 1;
    }
    if (!add_pieces(t, ids + from, count - from, from == 0, out, err))
        return false;
    strip(out, start);
    return true;
}

/* Extra ids stand alone, with a space on both sides. */
static bool decode_all(const struct t5_tokenizer *t, const int32_t *ids, size_t count, struct buf *out, struct err *err)
{
    size_t from = 0;
    bool any = false;
    for (size_t i = 0; i <= count; i++) {
        if (i < count && !is_extra(t, ids[i]))
            continue;
        const size_t before = out->length;
        if (i > from) {
            if (any)
                buf_add_char(out, ' ');
            const size_t start = out->length;
            if (!add_run(t, ids + from, i - from, out, err))
                return false;
            bool kept = out->length > start || i == count;   /* transformers keeps an empty one at the end only */
            any = any || kept;
            out->length = kept ? out->length : before;
        }
        if (i < count) {
            buf_printf(out, "%s<extra_id_%d>", any ? " " : "", t->piece_count + EXTRA_ID_COUNT - 1 - ids[i]);
            any = true;
        }
        from = i + 1;
    }
    return true;
}

/* One replacement after the other, over the whole text, as there. */
static void clean_up(struct buf *text)
{
    static const struct { const char *from, *to; } rows[] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" },
        { " 'm", "'m" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t from = strlen(rows[i].from), to = strlen(rows[i].to);
        char *write = text->data;
        for (const char *read = text->data; *read;) {
            if (strncmp(read, rows[i].from, from) == 0) {
                memcpy(write, rows[i].to, to);
                write += to;
                read += from;
            } else {
                *write++ = *read++;
            }
        }
        *write = 0;
        text->length = (size_t)(write - text->data);
    }
}

/* What has a text: ids beyond the vocabulary's are padding of the embedding and have none. */
static size_t keep_known(const struct t5_tokenizer *t, const int32_t *ids, size_t count, bool skip_special,
                         int32_t *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < t->id_end && !(skip_special && is_special(t, ids[i])))
            out[kept++] = ids[i];
    return kept;
}

bool t5_decode(const struct t5_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special_tokens,
               char **out, struct err *err)
{
    struct buf text;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0)
            return err_set(err, ERR_INPUT, "token %zu: %d is no id", i, ids[i]);
    int32_t *known = mem_new(count + 1, sizeof *known);
    size_t kept = keep_known(tokenizer, ids, count, skip_special_tokens, known);
    buf_init(&text, SIZE_MAX / 2);
    buf_add(&text, "", 0);
    bool ok = decode_all(tokenizer, known, kept, &text, err);
    mem_free(known);
    if (!ok) {
        buf_free(&text);
        return false;
    }
    clean_up(&text);
    *out = text.data;
    return true;
}

void t5_text_free(char *text)
{
    mem_free(text);
}
