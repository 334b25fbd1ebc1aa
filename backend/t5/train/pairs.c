#include "t5/train/dropout.h"
#include "t5/train/pairs.h"

#include "base/bounds.h"
#include "base/json.h"
#include "base/lines.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const struct t5_tokenizer *tokenizer;
    const struct pairs_options *options;
    struct pairs *pairs;
    size_t capacity, ids_capacity;
    int32_t *tokens;                     /* [max of the limits + 1] */
};

/* ---- reading ---- */

static void reserve(struct reader *reader, size_t ids)
{
    struct pairs *pairs = reader->pairs;
    if (pairs->count == reader->capacity) {
        reader->capacity = reader->capacity ? 2 * reader->capacity : 1024;
        size_t **arrays[] = { &pairs->input_at, &pairs->target_at, &pairs->end_at };
        for (int i = 0; i < 3; i++) {
            *arrays[i] = mem_try_resize(*arrays[i], reader->capacity, sizeof **arrays[i]);
            CHECK(*arrays[i]);           /* TRAIN_PAIRS_MAX bounds it: 24 MB */
        }
    }
    while (pairs->ids_count + ids > reader->ids_capacity) {
        reader->ids_capacity = reader->ids_capacity ? 2 * reader->ids_capacity : 1 << 16;
        pairs->ids = mem_try_resize(pairs->ids, reader->ids_capacity, sizeof *pairs->ids);
        CHECK(pairs->ids);
    }
}

static bool add_text(struct reader *reader, const char *text, size_t max, size_t *longest, struct err *err)
{
    struct pairs *pairs = reader->pairs;
    size_t count;
    if (!t5_encode(reader->tokenizer, text, strlen(text), max + 1, reader->tokens, &count, err))
        return false;
    if (count > max) {                   /* cut: </s> stays the last */
        reader->tokens[max - 1] = reader->tokens[count - 1];
        count = max;
        pairs->cut_count++;
    }
    reserve(reader, count);
    memcpy(pairs->ids + pairs->ids_count, reader->tokens, count * sizeof *pairs->ids);
    pairs->hash = str_hash64(reader->tokens, count * sizeof *reader->tokens, pairs->hash);
    pairs->ids_count += count;
    *longest = count > *longest ? count : *longest;
    return true;
}

static bool add_pair(struct reader *reader, const char *input, const char *summary, struct err *err)
{
    struct pairs *pairs = reader->pairs;
    if (pairs->count == TRAIN_PAIRS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d pairs", TRAIN_PAIRS_MAX);
    reserve(reader, 0);
    pairs->input_at[pairs->count] = pairs->ids_count;
    if (!add_text(reader, input, reader->options->input_max, &pairs->input_longest, err))
        return false;
    pairs->target_at[pairs->count] = pairs->ids_count;
    if (!add_text(reader, summary, reader->options->target_max, &pairs->target_longest, err))
        return false;
    pairs->end_at[pairs->count++] = pairs->ids_count;
    return true;
}

/* Same tokens once more: gold edits are seen more often than the rest. */
static bool add_again(struct reader *reader, int64_t times, struct err *err)
{
    struct pairs *pairs = reader->pairs;
    for (size_t from = pairs->count - 1; times > 0; times--) {
        if (pairs->count == TRAIN_PAIRS_MAX)
            return err_set(err, ERR_TOO_LARGE, "more than %d pairs, weights counted", TRAIN_PAIRS_MAX);
        reserve(reader, 0);
        pairs->input_at[pairs->count] = pairs->input_at[from];
        pairs->target_at[pairs->count] = pairs->target_at[from];
        pairs->end_at[pairs->count++] = pairs->end_at[from];
    }
    return true;
}

static bool add_weighted(struct reader *reader, const char *input, const char *summary, int64_t weight, struct err *err)
{
    return add_pair(reader, input, summary, err) && add_again(reader, weight - 1, err);
}

/* A line of the file: to `visit`, or into `reader`. */
struct line_reader {
    struct reader *reader;
    pairs_visit *visit;
    void *context;
};

static bool read_line(void *context, const char *text, size_t length, struct err *err)
{
    struct line_reader *lines = context;
    struct json *root;
    const char *input, *summary;
    int64_t weight = 1;
    if (!json_parse_object(text, length, TRAIN_LINE_SIZE_MAX, &root, err))
        return false;
    bool ok = json_get_text(root, "input", JSON_REQUIRED | JSON_MULTILINE, 1, TRAIN_LINE_SIZE_MAX, &input, err) &&
              json_get_text(root, "summary", JSON_REQUIRED | JSON_MULTILINE, 1, TRAIN_LINE_SIZE_MAX, &summary, err) &&
              json_get_int(root, "weight", JSON_NULLABLE, 1, 100, &weight, err) &&
              (lines->visit ? lines->visit(lines->context, input, summary, err)
                            : add_weighted(lines->reader, input, summary, weight, err));
    json_free(root);
    return ok;
}

bool pairs_read(const char *path, const struct t5_tokenizer *tokenizer, const struct pairs_options *options,
                struct pairs **out, struct err *err)
{
    struct reader reader = { .tokenizer = tokenizer, .options = options };
    size_t longest = options->input_max > options->target_max ? options->input_max : options->target_max;
    reader.pairs = mem_new(1, sizeof *reader.pairs);
    reader.tokens = mem_new(longest + 1, sizeof *reader.tokens);
    bool ok = lines_read(path, TRAIN_LINE_SIZE_MAX, read_line, &(struct line_reader){ .reader = &reader }, err);
    if (ok && reader.pairs->count < options->count_min)
        ok = err_set(err, ERR_REFUSED, "%s: %zu pairs are too few to learn from; at least %zu are needed", path,
                     reader.pairs->count, options->count_min);
    mem_free(reader.tokens);
    if (!ok) {
        pairs_free(reader.pairs);
        return false;
    }
    *out = reader.pairs;
    return true;
}

bool pairs_each(const char *path, pairs_visit *visit, void *context, struct err *err)
{
    return lines_read(path, TRAIN_LINE_SIZE_MAX, read_line, &(struct line_reader){ .visit = visit,
                                                                                   .context = context }, err);
}

void pairs_free(struct pairs *pairs)
{
    if (!pairs)
        return;
    mem_free(pairs->ids);
    mem_free(pairs->input_at);
    mem_free(pairs->target_at);
    mem_free(pairs->end_at);
    mem_free(pairs);
}

/* ---- batches ---- */

static int descending(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The sum of the `batch` largest of ends[i] - starts[i]. */
static size_t largest_sum(const size_t *starts, const size_t *ends, size_t count, size_t batch)
{
    size_t *lengths = mem_new(count ? count : 1, sizeof *lengths), sum = 0;
    for (size_t i = 0; i < count; i++)
        lengths[i] = ends[i] - starts[i];
    qsort(lengths, count, sizeof *lengths, descending);
    for (size_t i = 0; i < batch && i < count; i++)
        sum += lengths[i];
    mem_free(lengths);
    return sum;
}

struct net_limits pairs_limits(const struct pairs *pairs, size_t batch)
{
    return (struct net_limits){
        .B = batch, .Ne = largest_sum(pairs->input_at, pairs->target_at, pairs->count, batch),
        .Nd = largest_sum(pairs->target_at, pairs->end_at, pairs->count, batch),
        .input_longest = pairs->input_longest, .target_longest = pairs->target_longest,
    };
}

void pairs_batch_init(struct pairs_batch *batch, struct net_limits limits)
{
    batch->input_start = mem_new(limits.B + 1, sizeof *batch->input_start);
    batch->target_start = mem_new(limits.B + 1, sizeof *batch->target_start);
    batch->input_ids = mem_new(limits.Ne, sizeof *batch->input_ids);
    batch->decoder_ids = mem_new(limits.Nd, sizeof *batch->decoder_ids);
    batch->labels = mem_new(limits.Nd, sizeof *batch->labels);
}

void pairs_batch_free(struct pairs_batch *batch)
{
    mem_free(batch->input_start);
    mem_free(batch->target_start);
    mem_free(batch->input_ids);
    mem_free(batch->decoder_ids);
    mem_free(batch->labels);
}

void pairs_batch_fill(const struct pairs *pairs, const struct t5_config *config, const uint32_t *order, size_t count,
                      struct pairs_batch *out)
{
    size_t Ne = 0, Nd = 0;
    for (size_t b = 0; b < count; b++) {
        size_t pair = order[b], input = pairs->input_at[pair], target = pairs->target_at[pair],
               end = pairs->end_at[pair];
        out->input_start[b] = Ne;
        out->target_start[b] = Nd;
        memcpy(out->input_ids + Ne, pairs->ids + input, (target - input) * sizeof *pairs->ids);
        memcpy(out->labels + Nd, pairs->ids + target, (end - target) * sizeof *pairs->ids);
        net_shift_right(out->labels + Nd, end - target, config->decoder_start_id, config->pad_id,
                        out->decoder_ids + Nd);
        Ne += target - input;
        Nd += end - target;
    }
    out->input_start[count] = Ne;
    out->target_start[count] = Nd;
    out->label_count = Nd;               /* a text has no ignored labels */
    out->token_count = Ne + Nd;
    out->net = (struct net_batch){ count,          out->input_start, out->target_start,
                                   out->input_ids, out->decoder_ids, out->labels };
}

void pairs_shuffle(const struct pairs *pairs, uint64_t seed, uint64_t epoch, uint32_t *order)
{
    uint64_t state = mix64(seed ^ mix64(epoch));
    for (size_t i = 0; i < pairs->count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = pairs->count; i > 1; i--) {          /* Fisher & Yates */
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t j = (size_t)((state >> 32) * i >> 32);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}
