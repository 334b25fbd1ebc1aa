/* t5.h - libt5: T5 on a CPU, without Python.
 *
 * Loads a Hugging Face folder as it is (config.json, generation_config.json, model.safetensors or
 * shards with their index, spiece.model), writes the tokens that transformers 4.57 writes, and does
 * it for many requests at once.  It knows nothing of what the texts are about.
 *
 *     struct t5_model *model;  struct t5_engine *engine;  struct t5_result result;
 *     t5_model_open("flan-t5-small", &(struct t5_model_options){ 0 }, &model, &err)
 *     t5_engine_start(model, &(struct t5_engine_options){ .threads = 2 }, &engine, &err)
 *     t5_generate_text(engine, "summarize: …", &params, &text, &err)
 *
 * Shapes:   B requests, T tokens of the input, L tokens written, D d_model, V vocabulary; row-major.
 * Units:    scores are natural logarithms; times are microseconds.
 * Errors:   bool and `struct err` (base/err.h); a message names the file, the tensor or the key, what
 *           was expected and what was found.
 * Memory:   weights stay mapped read-only; packed copies are made only for the chosen precision.
 * Threads:  a model may be shared; an engine takes requests from any thread. */
#ifndef T5_T5_H
#define T5_T5_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct t5_model;
struct t5_tokenizer;
struct t5_engine;

/* ---- model ---- */

/* AUTO takes what is fastest on this CPU among those that keep the text (docs/decisions). */
enum t5_precision { T5_AUTO, T5_FP32, T5_BF16, T5_INT8 };
const char *t5_precision_name(enum t5_precision precision);                    /* "int8" */
bool t5_precision_parse(const char *name, enum t5_precision *out);

struct t5_model_options {
    enum t5_precision precision;
    const char *kernel;          /* NULL: best of this CPU; else "plain", "avx2", "avx512", "neon" */
};

struct t5_config {               /* config.json */
    int vocab_size, d_model, d_kv, d_ff, layer_count, decoder_layer_count, head_count;
    int bucket_count, bucket_distance_max;      /* relative_attention_num_buckets, …_max_distance */
    int pad_id, eos_id, decoder_start_id;
    float layer_norm_epsilon, dropout_rate;
    bool gated, gelu_new, tied;                 /* else: one wi, ReLU, own lm_head */
};

bool t5_model_open(const char *dir, const struct t5_model_options *options, struct t5_model **out,
                   struct err *err) MUST_CHECK;
void t5_model_close(struct t5_model *model);                     /* NULL is fine */
const struct t5_config *t5_model_config(const struct t5_model *model);
const char *t5_model_kernel(const struct t5_model *model);       /* "avx512-vnni", "avx2", "plain", … */
enum t5_precision t5_model_precision(const struct t5_model *model);
size_t t5_model_parameter_count(const struct t5_model *model);
/* NULL where the folder has no spiece.model. */
const struct t5_tokenizer *t5_model_tokenizer(const struct t5_model *model);

/* ---- tokenizer ---- */

bool t5_tokenizer_open(const char *spiece_path, struct t5_tokenizer **out, struct err *err) MUST_CHECK;
void t5_tokenizer_close(struct t5_tokenizer *tokenizer);
/* Ids with </s> at the end; a longer text is cut so that at most `max_tokens` (>= 1) remain, </s> kept.
 * `out` holds max_tokens. */
bool t5_encode(const struct t5_tokenizer *tokenizer, const char *text, size_t length, size_t max_tokens,
               int32_t *out, size_t *out_count, struct err *err) MUST_CHECK;
/* NUL-terminated, freed with t5_text_free. */
bool t5_decode(const struct t5_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special_tokens,
               char **out, struct err *err) MUST_CHECK;
void t5_text_free(char *text);

/* ---- generation ---- */

enum t5_early_stopping { T5_EARLY_FALSE, T5_EARLY_TRUE, T5_EARLY_NEVER };

/* transformers' GenerationConfig, same names and meanings. */
struct t5_params {
    int num_beams;               /* 1: greedy */
    int min_length, max_length;  /* tokens of the output, the start token counted; max_length >= 2 */
    double length_penalty;       /* > 0 favours long outputs */
    float repetition_penalty;    /* 1: off */
    enum t5_early_stopping early_stopping;
    int no_repeat_ngram_size;    /* 0: off */
};
/* The folder's generation_config.json over transformers' defaults: what generate() without arguments does. */
void t5_params_default(const struct t5_model *model, struct t5_params *out);
/* Names the parameter, its range and what was found. */
bool t5_params_check(const struct t5_params *params, struct err *err) MUST_CHECK;

enum t5_status { T5_DONE, T5_CANCELLED, T5_EXPIRED, T5_STOPPED };

struct t5_result {
    enum t5_status status;
    const int32_t *ids;          /* start token first, </s> last where it was written */
    size_t count;
    float score;                 /* transformers' sequences_scores; greedy: sum of log-probabilities */
    int64_t queued_us, encode_us, decode_us;
    int64_t first_token_us;      /* from t5_submit() to the first token; 0: there was none */
};

/* `result` and its ids live until the call returns.  Runs on the engine's thread: keep it short. */
typedef void t5_done(void *context, const struct t5_result *result);

struct t5_request {
    const int32_t *input_ids;    /* copied */
    size_t input_count;
    struct t5_params params;
    int64_t deadline_us;         /* CLOCK_MONOTONIC; 0: none */
    t5_done *done;
    void *context;
};

struct t5_engine_options {
    int threads;                 /* 0: as many as there are CPUs */
    int row_max;                 /* beams that run at once; 0: 128 */
    int queue_max;               /* requests that wait; 0: 1024 */
};

/* Continuous batching: requests join and leave a running batch; fp32 results do not depend, bit for
 * bit, on who else is in it. */
bool t5_engine_start(struct t5_model *model, const struct t5_engine_options *options, struct t5_engine **out,
                     struct err *err) MUST_CHECK;
void t5_engine_stop(struct t5_engine *engine);        /* answers what is left with T5_STOPPED */
/* ERR_BUSY when queue_max requests wait, ERR_INPUT for wrong ids or parameters. */
bool t5_submit(struct t5_engine *engine, const struct t5_request *request, uint64_t *out_ticket,
               struct err *err) MUST_CHECK;
void t5_cancel(struct t5_engine *engine, uint64_t ticket);   /* done() still comes, once */

/* For metrics.  Counts are since the start. */
struct t5_engine_figures {
    int waiting, running, rows;              /* now: requests in the queue, in the batch; beams in the batch */
    uint64_t answered[T5_STOPPED + 1];       /* by enum t5_status */
    uint64_t refused;                        /* the queue was full */
    uint64_t tokens;                         /* of answers, start tokens counted */
    uint64_t steps, step_rows;               /* step_rows / steps: how full the batch is */
};
void t5_engine_read_figures(struct t5_engine *engine, struct t5_engine_figures *out);

/* Text in, text out; waits.  For programs that need no more.  The text is cut at 512 tokens (what T5 was
 * trained on); `out` is freed with t5_text_free(); out_figures (NULL is fine) has no ids. */
bool t5_generate_text(struct t5_engine *engine, const char *text, const struct t5_params *params, char **out,
                      struct t5_result *out_figures, struct err *err) MUST_CHECK;

#endif
