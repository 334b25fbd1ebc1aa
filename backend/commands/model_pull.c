/* model_pull.c - `wardscribe model pull`: a model from a Hugging Face Hub. */
#include "base/json.h"
#include "commands/interrupt.h"
#include "commands/model.h"
#include "commands/model_hub.h"

#include <argp.h>
#include <stdio.h>

static const char doc[] =
    "Fetches a T5 model from a Hugging Face Hub into the cache and prints its folder.\v"
    "NAME is ORG/MODEL; REVISION a branch, a tag or a commit (default: main).  Every file is proven by the "
    "hash that the Hub names before it is used; what was cut is resumed, now and the next time.  Files that "
    "Hugging Face's own tools have fetched are found, and they find these.\n\n"
    "Environment:\n"
    "  HF_ENDPOINT     the Hub (https://huggingface.co); http:// for this machine only\n"
    "  HF_TOKEN        for private and gated models; or the file HF_TOKEN_PATH, or HF_HOME/token\n"
    "  HF_HUB_CACHE    the cache (HF_HOME/hub, ~/.cache/huggingface/hub)\n"
    "  HF_HUB_OFFLINE  1: only what the cache has\n"
    "  https_proxy, no_proxy, SSL_CERT_FILE\n\n"
    "Examples:\n"
    "  wardscribe model pull google/flan-t5-small\n"
    "  wardscribe model pull 5unnySunny/medical-flan-t5-small-log-summarizer@main\n"
    "  wardscribe model run \"$(wardscribe model pull -q google/flan-t5-small)\" < lines.txt\n\n"
    "Exit status: 0 pulled, 66 no such model, 69 no Hub, 77 no access, others as in sysexits.h.";

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct model_hub_arguments *arguments = state->input;
    switch (key) {
    case 'j': arguments->json = true; return 0;
    case 'q': arguments->quiet = true; return 0;
    case 'c': arguments->cache = value; return 0;
    case 'e': arguments->endpoint = value; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s' is one argument too many", value);
        arguments->name = value;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "a model's name is needed, such as google/flan-t5-small"); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_json(const struct hub_name *name, const struct hub_pulled *pulled)
{
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "name", name->repo);
    json_put_text(&w, "revision", name->revision);
    json_put_text(&w, "commit", pulled->commit);
    json_put_text(&w, "folder", pulled->dir);
    json_put_int(&w, "files", pulled->file_count);
    json_put_int(&w, "fetched", pulled->fetched_count);
    json_put_int(&w, "fetched_bytes", pulled->fetched_bytes);
    json_put_bool(&w, "tokenizer", pulled->has_tokenizer);
    json_put_bool(&w, "unreachable", pulled->unreachable);
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

static void print_pulled(const struct model_hub_arguments *arguments, const struct hub_name *name,
                         const struct hub_pulled *pulled)
{
    if (pulled->unreachable)
        (void)fprintf(stderr, "warning: the Hub does not answer; this is what the cache has\n");
    if (!pulled->has_tokenizer)
        (void)fprintf(stderr, "warning: %s has no spiece.model: it runs on token ids only (model run --ids)\n",
                      name->repo);
    if (arguments->json) {
        print_json(name, pulled);
        return;
    }
    if (!arguments->quiet && !pulled->unreachable)
        (void)fprintf(stderr, "%s is at commit %s; to pin it: %s@%s\n", name->revision, pulled->commit, name->repo,
                      pulled->commit);
    (void)printf("%s\n", pulled->dir);
}

int model_pull(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "json", 'j', NULL, 0, "One JSON object: folder, commit, what was fetched", 0 },
        { "quiet", 'q', NULL, 0, "No progress; only the folder", 0 },
        { "cache", 'c', "DIR", 0, "Instead of HF_HUB_CACHE", 0 },
        { "endpoint", 'e', "URL", 0, "Instead of HF_ENDPOINT", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "NAME[@REVISION]",
                                      .doc = doc };
    static struct model_hub hub;
    static struct hub_pulled pulled;
    struct model_hub_arguments arguments = { 0 };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    bool ok = model_hub_open(&hub, &arguments, &err) && hub_pull(&hub.options, &hub.name, &pulled, &err);
    int status = model_hub_close(&hub, "pull", ok, &err);
    if (ok)
        print_pulled(&arguments, &hub.name, &pulled);
    else if (interrupt_seen())
        (void)fprintf(stderr, "wardscribe model pull: stopped; the same command goes on where it was\n");
    return status;
}
