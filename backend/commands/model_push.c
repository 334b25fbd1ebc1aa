/* model_push.c - `wardscribe model push`: a model folder to a Hugging Face Hub. */
#include "base/json.h"
#include "base/mem.h"
#include "commands/model.h"
#include "commands/model_hub.h"

#include <argp.h>
#include <stdio.h>

static const char doc[] =
    "Puts a model folder on a Hugging Face Hub as one commit and prints the commit.\v"
    "The model is made when there is none yet.  What the branch holds already is not sent again.  Sent are "
    "config.json, generation_config.json, *.safetensors and their index, spiece.model, tokenizer files, README.md, "
    "LICENSE, exam.json, exam.html and version.json; nothing else in the folder leaves this machine: --dry-run "
    "shows the list.\n\n"
    "Environment: HF_TOKEN (a token that may write), HF_ENDPOINT; see wardscribe model pull --help.\n\n"
    "Examples:\n"
    "  wardscribe model push models/ward-t5 our-hospital/ward-t5 --private\n"
    "  wardscribe model push models/ward-t5 our-hospital/ward-t5@candidate -m 'Trained on week 47'\n\n"
    "Exit status: 0 pushed or unchanged, 77 no access, others as in sysexits.h.";

struct arguments {
    struct model_hub_arguments hub;
    const char *dir, *message;
    bool is_private, dry_run;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'j': arguments->hub.json = true; return 0;
    case 'q': arguments->hub.quiet = true; return 0;
    case 'p': arguments->is_private = true; return 0;
    case 'n': arguments->dry_run = true; return 0;
    case 'm': arguments->message = value; return 0;
    case 'e': arguments->hub.endpoint = value; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "'%s' is one argument too many", value);
        *(state->arg_num ? &arguments->hub.name : &arguments->dir) = value;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "a folder and a name are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int list_files(const char *dir)
{
    struct err err = { 0 };
    int count = 0;
    char (*names)[HUB_FILE_SIZE] = mem_new(256, sizeof *names);
    bool ok = hub_push_files(dir, names, &count, &err);
    for (int i = 0; ok && i < count; i++)
        (void)printf("%s\n", names[i]);
    mem_free(names);
    return ok ? 0 : model_fail("push", &err);
}

static void print_pushed(const struct model_hub_arguments *arguments, const struct hub_name *name,
                         const struct hub_pushed *pushed)
{
    if (!arguments->json) {
        if (pushed->unchanged && !arguments->quiet)
            (void)fprintf(stderr, "%s@%s holds exactly this already\n", name->repo, name->revision);
        (void)printf("%s\n", pushed->commit);
        return;
    }
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "name", name->repo);
    json_put_text(&w, "revision", name->revision);
    json_put_text(&w, "commit", pushed->commit);
    json_put_int(&w, "files", pushed->file_count);
    json_put_int(&w, "uploaded", pushed->uploaded_count);
    json_put_int(&w, "uploaded_bytes", pushed->uploaded_bytes);
    json_put_bool(&w, "unchanged", pushed->unchanged);
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

int model_push(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "message", 'm', "TEXT", 0, "The commit's message", 0 },
        { "private", 'p', NULL, 0, "When the model has to be made: not for everyone", 0 },
        { "dry-run", 'n', NULL, 0, "Only list the files that would go", 0 },
        { "json", 'j', NULL, 0, "One JSON object: commit, what was sent", 0 },
        { "quiet", 'q', NULL, 0, "No progress", 0 },
        { "endpoint", 'e', "URL", 0, "Instead of HF_ENDPOINT", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR NAME[@BRANCH]",
                                      .doc = doc };
    static struct model_hub hub;
    struct arguments arguments = { 0 };
    struct hub_pushed pushed;
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    bool ok = model_hub_open(&hub, &arguments.hub, &err);
    if (ok && arguments.dry_run)
        return list_files(arguments.dir);
    struct hub_push push = { .name = hub.name, .dir = arguments.dir, .message = arguments.message,
                             .is_private = arguments.is_private };
    ok = ok && hub_push(&hub.options, &push, &pushed, &err);
    int status = model_hub_close(&hub, "push", ok, &err);
    if (ok)
        print_pushed(&arguments.hub, &hub.name, &pushed);
    return status;
}
