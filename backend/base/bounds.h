/* bounds.h - every limit in one place, each with its reason. */
#ifndef BASE_BOUNDS_H
#define BASE_BOUNDS_H

enum {
    /* Patients: the bar is 512 MiB at 100,000; twice that leaves room before a second process. */
    PATIENT_COUNT_MAX = 200000,
    PATIENT_ID_SIZE   = 32,    /* MRNs and UUIDs without dashes fit; [A-Za-z0-9._-]{1,31} */
    PATIENT_NAME_SIZE = 96,
    SOURCE_SIZE       = 32,    /* a device's name: "monitor-7"; same characters as a patient id */
    SOURCE_COUNT_MAX  = 65535, /* source numbers are 16 bits on disk */

    /* HTTP */
    HTTP_BODY_SIZE_MAX     = 8 << 20,   /* NDJSON batch after gunzip: 40,000 readings of 200 bytes */
    HTTP_BODY_DISCARD_MAX  = 64 << 20,  /* read and thrown away to answer 413; beyond it the connection is cut */
    HTTP_BODY_GZIP_RATIO   = 100,       /* JSON of vitals packs about 12:1; more than 100:1 is a bomb */
    HTTP_JSON_BODY_MAX     = 64 << 10,  /* a request that is one document */
    HTTP_HEADER_SIZE_MAX   = 8 << 10,   /* request line and headers; MHD's pool per connection */
    HTTP_CONNECTION_COUNT_MAX = 4096,   /* per listening port */
    HTTP_IDLE_TIMEOUT_S    = 75,        /* as nginx's keepalive_timeout */
    JSON_DEPTH_MAX         = 8,         /* the deepest document of docs/api has 3 */
    LINE_COUNT_MAX         = 50000,     /* lines in one NDJSON batch */
    TOKEN_SIZE_MAX         = 2048,      /* ours take about 500 bytes */

    /* WebSocket */
    WS_MESSAGE_SIZE_MAX    = 4 << 10,   /* what a client may send: subscriptions, pings */
    WS_CLIENT_COUNT_MAX    = 10000,     /* trust.md C3 */
    WS_SEND_BUFFER_MAX     = 256 << 10, /* one client's unsent bytes; beyond it values coalesce */

    /* Queues between threads: full means 429 with Retry-After, never growth. */
    STREAM_QUEUE_READINGS_MAX = 1 << 18, /* about 4 s at the bar of 60,000/s */
    STORE_QUEUE_ITEMS_MAX     = 1 << 16,
    STORE_QUEUE_COST_MAX      = 1 << 19, /* rows and readings that wait: about 20 MB, 8 s at 60,000/s */
    JOURNAL_RECORDS_MAX       = 1 << 24, /* kept for a recovery when no snapshot comes: 700 MB */

    RECORDING_READINGS_MAX = 1 << 24,   /* of one replay, in memory: 740 MB; the largest set has 120,000 */
    RECORDING_FILES_MAX = 50000,        /* the whole of Challenge 2019 is 40,336 files */

    CONFIG_FILE_SIZE_MAX = 64 << 10,    /* the example with every key and comment has 5 KB */

    USER_COUNT_MAX       = 10000,       /* kept in memory, 500 bytes each; a hospital has a few thousand */
    DENIED_COUNT_MAX     = 4096,        /* logouts within one token's life; beyond it all of the user's tokens go */
    LOGIN_QUEUE_MAX      = 64,          /* passwords that wait to be hashed: 64 * 50 ms / 2 threads = 1.6 s */
    LOGIN_THREAD_COUNT   = 2,           /* trust.md E5: argon2id at most 2 at a time, 46 MiB each */

    /* T5: T5-11B is vocab 32128, d_model 1024, d_ff 65536, 24 layers, 128 heads of 128; twice or more of each */
    SAFETENSORS_HEADER_SIZE_MAX  = 1 << 20,   /* T5-11B's 560 tensors take 66 KB */
    SAFETENSORS_TENSOR_COUNT_MAX = 8192,
    TENSOR_NAME_SIZE_MAX = 255,
    T5_JSON_SIZE_MAX     = 1 << 20,           /* config.json, generation_config.json, a shard index */
    T5_SHARD_COUNT_MAX   = 256,               /* T5-11B comes in 10 */
    T5_VOCAB_SIZE_MAX    = 1 << 20,           /* umT5: 256,384 */
    T5_WIDTH_MAX         = 1 << 17,           /* d_model, d_ff, heads * d_kv: a product of two fits 64 bits */
    T5_LAYER_COUNT_MAX   = 128,
    T5_BUCKET_COUNT_MAX  = 1024,
    T5_TOKENS_MAX        = 4096,              /* of one input or output; its scores are heads * tokens^2 */
    T5_INPUT_TOKENS      = 512,               /* what T5 was trained on; a longer text is cut there */
    T5_BEAM_COUNT_MAX    = 64,
    T5_QUEUE_MAX         = 1 << 20,           /* requests that wait for an engine, a few KB each */
    T5_SPIECE_SIZE_MAX   = 16 << 20,          /* umT5's, the largest T5 vocabulary, has 4.5 MB */
    SPIECE_TRIAL_S       = 10,                /* CPU time of a first load; the largest vocabularies take 0.3 s */
    T5_TEXT_SIZE_MAX     = 1 << 20,           /* a text to encode, far beyond T5_TOKENS_MAX pieces */

    MODEL_LINE_SIZE_MAX = 1 << 20,       /* a line for model run: T5_TOKENS_MAX tokens of 250 bytes */

    /* A Hub of models */
    HUB_JSON_SIZE_MAX       = 4 << 20,   /* T5-XXL's index has 60 KB; a listing 100 bytes per file */
    HUB_FILE_COUNT_MAX      = 10000,     /* files in a repository; hubs advise against 100,000 */
    HUB_SHARD_COUNT_MAX     = 512,       /* T5-XXL has 5 to 10 */
    HUB_REGULAR_SIZE_MAX    = 10 << 20,  /* the Hub's own limit for what is not git LFS */
    HUB_COMMIT_SIZE_MAX     = 64 << 20,  /* a commit's request: small files in base64 */
    HUB_SMALL_FILE_SIZE_MAX = 64 << 20,  /* config, vocabulary (mT5's has 4 MB), README */
    /* Training */
    TRAIN_PAIRS_MAX      = 1 << 22,           /* a year of 1,000 beds, a summary every two hours */
    TRAIN_LINE_SIZE_MAX  = 1 << 18,           /* one pair as JSON; the longest of ours has 6 KB */
    TRAIN_BATCH_MAX      = 4096,

    PASSWORD_SIZE_MIN = 12,             /* OWASP ASVS 5.0, 6.2.1 asks for at least 8, recommends 15 */
    PASSWORD_SIZE_MAX = 128,
};

/* One file of weights: T5-XXL in fp32, unsharded, has 44 GB.  The disk is asked before a byte comes. */
#define HUB_WEIGHTS_SIZE_MAX (INT64_C(64) << 30)

#endif
