/* model.c - `wardscribe model`: what can be done with a T5 folder. */
#include "commands/model.h"

#include "base/clock.h"
#include "commands/commands.h"
#include "commands/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct command subcommands[] = {
    { "info", model_info, "Say what a model folder holds" },
    { "run", model_run, "Write what a model makes of lines of text" },
    { "bench", model_bench, "Measure a model on this machine" },
    { "quantize", model_quantize, "Write a copy with 16-bit weights" },
    { "train", model_train, "Teach a folder from pairs of texts" },
    { "eval", model_eval, "Loss, exact matches and ROUGE-L of a folder on pairs" },
    { "exam", model_exam, "How much of what a model writes is proven, on simulated or recorded patients" },
    { "pairs", model_pairs, "Write training pairs from simulated patients" },
    { "vocabulary", model_vocabulary, "Train a SentencePiece vocabulary on pairs" },
    { "new", model_new, "Make a folder with an untrained T5" },
    { "pull", model_pull, "Fetch a model from a Hugging Face Hub" },
    { "push", model_push, "Put a model folder on a Hugging Face Hub" },
    { 0 },
};

static const struct command_table table = {
    .program = "wardscribe model", .what = "subcommand", .rows = subcommands,
    .head = "Usage: wardscribe model SUBCOMMAND [OPTION...]\n"
            "T5 on a CPU: loads a Hugging Face folder as it is (config.json, *.safetensors,\n"
            "spiece.model) and writes the tokens that transformers writes.\n",
    .foot = "Help:  wardscribe model SUBCOMMAND --help\n",
};

int model_fail(const char *name, const struct err *err)
{
    (void)fprintf(stderr, "wardscribe model %s: %s\n", name, err->text);
    return err_exit_status(err->kind);
}

/* Field 22 of /proc/self/stat: clock ticks from boot to the start (proc(5)). */
int64_t model_process_start_us(void)
{
    char text[1024];
    struct timespec boot;
    int64_t now_us = clock_monotonic_us(clock_system()), ticks = 0;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        (void)fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')');   /* the name may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
        return now_us;
    ticks = strtoll(at + 1, NULL, 10);
    int64_t age_us = (int64_t)boot.tv_sec * US_PER_S + boot.tv_nsec / 1000 - ticks * US_PER_S / sysconf(_SC_CLK_TCK);
    return now_us - age_us;
}

int command_model(int argc, char **argv)
{
    return command_dispatch(&table, argc, argv);
}
