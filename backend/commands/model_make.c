/* model_make.c - a model from nothing: `wardscribe model pairs`, `model vocabulary`, `model new`.
 *
 * tools/make-model.sh is these three and `model train`: the same options give the same files. */
#include "base/arena.h"
#include "base/bounds.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "clinical/writer.h"
#include "commands/model.h"
#include "commands/option.h"
#include "learn/prepare.h"
#include "learn/profile.h"
#include "t5/config.h"
#include "t5/spiece.h"
#include "t5/tokenizer.h"
#include "t5/train/folder.h"
#include "t5/train/pairs.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_SEED = 256, KEY_COUNT, KEY_FORMAT, KEY_SIZE, KEY_D_MODEL, KEY_D_KV, KEY_D_FF, KEY_LAYERS, KEY_DECODER_LAYERS,
       KEY_HEADS, KEY_DROPOUT, KEY_UNTIED, KEY_MAX_LENGTH, KEY_SLOTS, KEY_VOCAB_SIZE, KEY_PROFILE, KEY_VARIED,
       KEY_HOUSE };

struct arguments {
    const char *path, *vocabulary, *profile;
    int64_t seed, count, size;
    enum model_format format;
    struct t5_config config;
    int64_t max_length, vocab_size;
    bool slots, varied, house;
};

/* ---- pairs ---- */

static const char pairs_doc[] =
    "Writes training pairs from simulated patients to standard output, one JSON object per line: what the model reads "
    "and what the deterministic writer says of it, in wording that varies or, with --house, does not.\v"
    "The same seed and count give the same lines.\n\n"
    "Example:\n  wardscribe model pairs --seed 1 --count 50000 > pairs.jsonl";

static error_t parse_pairs(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_SEED: arguments->seed = option_integer(state, key, value, 0, INT64_MAX); return 0;
    case KEY_VARIED: arguments->varied = true; return 0;
    case KEY_HOUSE: arguments->house = true; return 0;
    case KEY_PROFILE: arguments->profile = value; return 0;
    case KEY_COUNT: arguments->count = option_integer(state, key, value, 1, 1 << 22); return 0;
    case KEY_FORMAT:
        if (!model_format_parse(value, &arguments->format))
            argp_error(state, "--format: '%s' is not one of: published, facts, slots", value);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

struct printing {
    struct buf line;
    struct profile profile;
};

static bool print_pair(void *context, const struct prepare_pair *pair, struct err *err)
{
    struct printing *printing = context;
    struct buf *line = &printing->line;
    profile_add(&printing->profile, pair->facts, pair->text, 0, NULL);
    buf_reset(line);
    struct json_writer w = json_write(line);
    json_put_object(&w, NULL);
    json_put_text(&w, "input", pair->input);
    json_put_text(&w, "summary", pair->summary);
    json_put_end(&w);
    buf_add_char(line, '\n');
    return fwrite(line->data, 1, line->length, stdout) == line->length ||
           err_set_errno(err, ERR_IO, errno, "standard output");
}

int model_pairs(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "seed", KEY_SEED, "N", 0, "Which patients, and which wording (0)", 0 },
        { "count", KEY_COUNT, "N", 0, "Pairs (1000)", 0 },
        { "varied", KEY_VARIED, NULL, 0,
          "Let each vital drift, or be missing, on its own: what simulated conditions never do", 0 },
        { "house", KEY_HOUSE, NULL, 0, "One wording throughout: what readers are meant to get", 0 },
        { "profile", KEY_PROFILE, "FILE", 0,
          "Write what the windows are like: a model's profile.json, which drift is measured against", 0 },
        { "format", KEY_FORMAT, "NAME", 0, "What the model reads: slots, facts or published (slots)", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_pairs, .doc = pairs_doc };
    struct arguments arguments = { .count = 1000, .format = MODEL_FORMAT_SLOTS };
    struct err err = { 0 };
    struct printing *printing = mem_new(1, sizeof *printing);
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    buf_init(&printing->line, 1 << 20);
    profile_init(&printing->profile);
    struct prepare_options prepare = { (uint64_t)arguments.seed, (size_t)arguments.count, arguments.format,
                                       arguments.varied, arguments.house };
    bool ok = prepare_pairs(&prepare, print_pair, printing, &err);
    if (ok && fflush(stdout) != 0)
        ok = err_set_errno(&err, ERR_IO, errno, "standard output");
    if (ok && arguments.profile) {
        buf_reset(&printing->line);
        profile_write(&printing->profile, &printing->line);
        ok = file_replace(arguments.profile, printing->line.data, printing->line.length, &err);
    }
    buf_free(&printing->line);
    mem_free(printing);
    return ok ? 0 : model_fail("pairs", &err);
}

/* ---- vocabulary ---- */

static const char vocabulary_doc[] =
    "Trains a SentencePiece vocabulary on the texts of pairs and writes it to FILE.\v"
    "Unigram, T5's special pieces, every digit and every printable ASCII character a piece of its own. One thread and "
    "no chance: the same pairs give the same bytes.\n\n"
    "Example:\n  wardscribe model vocabulary spiece.model --data pairs.jsonl --size 1024 --slots";

enum { SYMBOLS_SIZE = 1024, WORD_COUNT_MIN = 5 };

struct corpus {
    struct arena arena;
    const char **texts;
    size_t count, capacity, at;
};

static void corpus_add(struct corpus *corpus, const char *text)
{
    if (corpus->count == corpus->capacity) {
        corpus->capacity = corpus->capacity ? 2 * corpus->capacity : 1024;
        corpus->texts = mem_try_resize(corpus->texts, corpus->capacity, sizeof *corpus->texts);
        CHECK(corpus->texts);
    }
    corpus->texts[corpus->count++] = text;
}

static const char *next_text(void *context)
{
    struct corpus *corpus = context;
    return corpus->at < corpus->count ? corpus->texts[corpus->at++] : NULL;
}

static bool add_pair(void *context, const char *input, const char *summary, struct err *err)
{
    struct corpus *corpus = context;
    (void)err;
    corpus_add(corpus, arena_copy(&corpus->arena, input, strlen(input)));
    corpus_add(corpus, arena_copy(&corpus->arena, summary, strlen(summary)));
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Every word of letters in `texts`, in order of appearance. */
static void collect_words(struct corpus *from, struct corpus *words)
{
    for (size_t i = 0; i < from->count; i++)
        for (const char *at = from->texts[i]; *at;) {
            size_t length = 0;
            while (is_letter(at[length]))
                length++;
            if (length > 1)
                corpus_add(words, arena_copy(&words->arena, at, length));
            at += length ? length : 1;
        }
}

/* The library proposes only pieces that occur in two different words, and these texts have few words: each
 * frequent one is shown once more with what may stand behind it, so that it can become a piece itself. */
static void add_lexicon(struct corpus *corpus)
{
    struct corpus words = { 0 };
    arena_init(&words.arena, (size_t)1 << 30);
    collect_words(corpus, &words);
    qsort(words.texts, words.count, sizeof *words.texts, by_text);
    for (size_t from = 0, to; from < words.count; from = to) {
        for (to = from + 1; to < words.count && strcmp(words.texts[from], words.texts[to]) == 0; to++)
            ;
        if (to - from >= WORD_COUNT_MIN)
            corpus_add(corpus, arena_printf(&corpus->arena, "%s %s, %s. %s; %s:", words.texts[from], words.texts[from],
                                            words.texts[from], words.texts[from], words.texts[from]));
    }
    mem_free(words.texts);
    arena_free(&words.arena);
}

/* "$Ha,$HA,…": clinical/slots.h */
static void list_slots(char out[SYMBOLS_SIZE])
{
    static const struct {
        const char *owners, *letters;
    } table[] = { { SLOT_OWNERS_VITAL, "aAblLhsemxn" },
                  { "0123456789abcdef", "nofpq" },
                  { "N", "lh" },
                  { "W", "nse" },
                  { "G", "n" } };
    char *at = out;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (const char *owner = table[i].owners; *owner; owner++)
            for (const char *letter = table[i].letters; *letter; letter++)
                at += snprintf(at, 5, "%s$%c%c", at > out ? "," : "", *owner, *letter);
}

static error_t parse_vocabulary(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'd': arguments->vocabulary = value; return 0;
    case KEY_SIZE: arguments->size = option_integer(state, key, value, 128, 1 << 18); return 0;
    case KEY_SLOTS: arguments->slots = true; return 0;
    case ARGP_KEY_ARG: arguments->path = value; return 0;
    case ARGP_KEY_END:
        if (!arguments->path || !arguments->vocabulary)
            argp_error(state, "FILE and --data are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int model_vocabulary(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "data", 'd', "PAIRS", 0, "JSON lines with \"input\" and \"summary\"", 0 },
        { "size", KEY_SIZE, "N", 0, "Pieces, at most (1024)", 0 },
        { "slots", KEY_SLOTS, NULL, 0, "Make every slot, $Ha and so on, a piece", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_vocabulary, .args_doc = "FILE",
                                      .doc = vocabulary_doc };
    struct arguments arguments = { .size = 1024 };
    struct corpus corpus = { 0 };
    struct err err = { 0 };
    char reason[200], symbols[SYMBOLS_SIZE] = "";
    size_t size = 0;
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    arena_init(&corpus.arena, (size_t)1 << 30);
    bool ok = pairs_each(arguments.vocabulary, add_pair, &corpus, &err);
    if (arguments.slots)
        list_slots(symbols);
    if (ok)
        add_lexicon(&corpus);
    char *model = ok ? spiece_train(next_text, &corpus, (int)arguments.size, symbols, &size, reason, sizeof reason)
                     : NULL;
    if (ok && !model)
        ok = err_set(&err, ERR_INPUT, "%s: libsentencepiece: %s", arguments.vocabulary, reason);
    ok = ok && file_replace(arguments.path, model, size, &err);
    free(model);
    mem_free(corpus.texts);
    arena_free(&corpus.arena);
    return ok ? 0 : model_fail("vocabulary", &err);
}

/* ---- new ---- */

static const char new_doc[] =
    "Makes a folder with an untrained T5 1.1 (gated GELU) around a vocabulary.\v"
    "Example:\n  wardscribe model new start --vocabulary spiece.model --d-model 160 --layers 3 --heads 4";

static error_t parse_new(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct t5_config *c = &arguments->config;
    switch (key) {
    case 'v': arguments->vocabulary = value; return 0;
    case KEY_D_MODEL: c->d_model = (int)option_integer(state, key, value, 8, 4096); return 0;
    case KEY_D_KV: c->d_kv = (int)option_integer(state, key, value, 4, 256); return 0;
    case KEY_D_FF: c->d_ff = (int)option_integer(state, key, value, 8, 16384); return 0;
    case KEY_LAYERS: c->layer_count = (int)option_integer(state, key, value, 1, 48); return 0;
    case KEY_DECODER_LAYERS: c->decoder_layer_count = (int)option_integer(state, key, value, 1, 48); return 0;
    case KEY_HEADS: c->head_count = (int)option_integer(state, key, value, 1, 64); return 0;
    case KEY_DROPOUT: c->dropout_rate = (float)option_integer(state, key, value, 0, 90) / 100; return 0;
    case KEY_UNTIED: c->tied = false; return 0;
    case KEY_VOCAB_SIZE: arguments->vocab_size = option_integer(state, key, value, 1, 1 << 20); return 0;
    case KEY_SEED: arguments->seed = option_integer(state, key, value, 0, INT64_MAX); return 0;
    case KEY_MAX_LENGTH: arguments->max_length = option_integer(state, key, value, 2, 4096); return 0;
    case ARGP_KEY_ARG: arguments->path = value; return 0;
    case ARGP_KEY_END:
        if (!arguments->path || !arguments->vocabulary)
            argp_error(state, "DIR and --vocabulary are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* transformers' T5Tokenizer asks for these two files beside spiece.model; generation starts greedy. */
static bool write_beside(const struct arguments *arguments, struct err *err)
{
    char path[PATH_MAX], generation[400];
    static const char tokenizer[] =
        "{\n  \"tokenizer_class\": \"T5Tokenizer\",\n  \"extra_ids\": 100,\n  \"legacy\": true,\n"
        "  \"eos_token\": \"</s>\",\n  \"pad_token\": \"<pad>\",\n  \"unk_token\": \"<unk>\"\n}\n";
    (void)snprintf(
        generation, sizeof generation,
        "{\n  \"decoder_start_token_id\": 0,\n  \"eos_token_id\": 1,\n  \"pad_token_id\": 0,\n  \"num_beams\": 1,\n"
        "  \"max_length\": %lld\n}\n",
        (long long)arguments->max_length);
    if (snprintf(path, sizeof path, "%s/tokenizer_config.json", arguments->path) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", arguments->path);
    if (!file_replace(path, tokenizer, sizeof tokenizer - 1, err))
        return false;
    (void)snprintf(path, sizeof path, "%.4000s/generation_config.json", arguments->path);
    return file_replace(path, generation, strlen(generation), err);
}

static bool copy_vocabulary(const struct arguments *arguments, int *out_size, struct err *err)
{
    char path[PATH_MAX];
    struct buf bytes;
    struct t5_tokenizer *tokenizer;
    if (!t5_tokenizer_open(arguments->vocabulary, &tokenizer, err))
        return false;
    /* 100 extra ids; whole vectors, as T5's 32128 */
    *out_size = (tokenizer_piece_count(tokenizer) + 100 + 63) / 64 * 64;
    t5_tokenizer_close(tokenizer);
    if (!file_read(arguments->vocabulary, T5_SPIECE_SIZE_MAX, &bytes, err))
        return false;
    bool ok = snprintf(path, sizeof path, "%s/spiece.model", arguments->path) < (int)sizeof path ||
              err_set(err, ERR_INPUT, "%s: the path is too long", arguments->path);
    ok = ok && file_replace(path, bytes.data, bytes.length, err);
    buf_free(&bytes);
    return ok;
}

int model_new(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "vocabulary", 'v', "FILE", 0, "spiece.model", 1 },
        { "d-model", KEY_D_MODEL, "N", 0, "Width (128)", 2 },
        { "d-kv", KEY_D_KV, "N", 0, "Width of a head (32)", 2 },
        { "d-ff", KEY_D_FF, "N", 0, "Inner width of the feed-forward (256)", 2 },
        { "layers", KEY_LAYERS, "N", 0, "Encoder layers (3)", 2 },
        { "decoder-layers", KEY_DECODER_LAYERS, "N", 0, "(3)", 2 },
        { "heads", KEY_HEADS, "N", 0, "(4)", 2 },
        { "dropout-percent", KEY_DROPOUT, "N", 0, "(0)", 2 },
        { "vocab-size", KEY_VOCAB_SIZE, "N", 0, "At least so many ids (pieces and 100 extra ids, to whole vectors)",
          2 },
        { "untied", KEY_UNTIED, NULL, 0, "A head of its own instead of the embedding", 2 },
        { "max-length", KEY_MAX_LENGTH, "N", 0, "Tokens of a generated text (320)", 3 },
        { "seed", KEY_SEED, "N", 0, "Of the first weights (0)", 3 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_new, .args_doc = "DIR", .doc = new_doc };
    struct arguments arguments = { .max_length = 320, .config = {
        .d_model = 128, .d_kv = 32, .d_ff = 256, .layer_count = 3, .decoder_layer_count = 3, .head_count = 4,
        .bucket_count = 32, .bucket_distance_max = 128, .eos_id = 1, .layer_norm_epsilon = 1e-6f, .gated = true,
        .gelu_new = true, .tied = true } };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    bool ok = mkdir(arguments.path, 0755) == 0 || errno == EEXIST ||
              err_set_errno(&err, ERR_IO, errno, "%s", arguments.path);
    ok = ok && copy_vocabulary(&arguments, &arguments.config.vocab_size, &err) && write_beside(&arguments, &err);
    if (arguments.vocab_size > arguments.config.vocab_size)
        arguments.config.vocab_size = (int)arguments.vocab_size;
    if (ok) {
        struct layout *layout = layout_new(&arguments.config);
        real *params = mem_new(layout->total, sizeof *params);
        layout_initialise(layout, (uint64_t)arguments.seed, params);
        ok = folder_write(arguments.path, NULL, layout, params, TENSOR_F32, &err);
        mem_free(params);
        layout_free(layout);
    }
    return ok ? 0 : model_fail("new", &err);
}
