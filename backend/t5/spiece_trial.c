#include "base/bounds.h"
#include "base/digest.h"
#include "base/str.h"
#include "t5/spiece.h"
#include "t5/spiece_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEEN_MAX = 16 };

static const char *const built_in[] = {
    /* The vocabulary of T5, T5 v1.1 and Flan-T5, as Google published it. */
    "d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86",
    /* models/wardscribe-small: a new vocabulary has another, which a test asks for. */
    "ec93acc602e974ba489b6eee6815722fe7826b27f605562895d9d8395d1cc898",
};

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[SEEN_MAX][DIGEST_TEXT_SIZE];
static size_t seen_count;

static bool seen_here(const char *hash, bool add)
{
    bool found = false;
    pthread_mutex_lock(&seen_lock);
    for (size_t i = 0; i < SEEN_MAX && !found; i++)
        found = strcmp(seen[i], hash) == 0;
    if (!found && add)
        memcpy(seen[seen_count++ % SEEN_MAX], hash, DIGEST_TEXT_SIZE);
    pthread_mutex_unlock(&seen_lock);
    return found;
}

/* ---- remembered from an earlier process: an empty file named by the hash ---- */

static bool marker_folder(char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = cache && cache[0] == '/'  ? snprintf(out, size, "%s/wardscribe/spiece", cache)
                 : home && home[0] == '/' ? snprintf(out, size, "%s/.cache/wardscribe/spiece", home)
                                          : -1;
    return length > 0 && (size_t)length < size;
}

/* Only what this user wrote counts. */
static bool remembered(const char *hash)
{
    char folder[PATH_MAX / 2], path[PATH_MAX];
    struct stat about;
    if (!marker_folder(folder, sizeof folder))
        return false;
    snprintf(path, sizeof path, "%s/%s", folder, hash);
    return lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid();
}

/* Best effort: without a cache folder the trial is made again next time. */
static void remember(const char *hash)
{
    char folder[PATH_MAX / 2], path[PATH_MAX];
    if (!marker_folder(folder, sizeof folder))
        return;
    for (char *at = folder + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = 0;
        mkdir(folder, 0700);
    }
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/%s", folder, hash);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

bool spiece_is_built_in(const char *hash)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (strcmp(built_in[i], hash) == 0)
            return true;
    return false;
}

static bool is_known(const char *hash)
{
    return spiece_is_built_in(hash) || seen_here(hash, false) || remembered(hash);
}

/* ---- the child ---- */

/* Words, digits, signs, letters that normalize, that are unknown, and what is no text at all. */
static const char *const probes[] = {
    "Patient 1: HR=112, SpO2=91, Temp=38.4, BP=148/92, Resp=24.", "", " ", "  two  spaces ", "<extra_id_0> </s> <pad>",
    "\xef\xac\x81 \xc2\xbd \xe2\x85\xa3 \xe2\x91\xa0 \xc3\x89\xcc\x81",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80", "\xff\xfe\xc0 cut \xe2\x96",
};

static int use_once(const void *bytes, size_t size)
{
    char reason[64];
    struct spiece *spiece = spiece_load(bytes, size, reason, sizeof reason);
    if (!spiece)
        return 1;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        int32_t ids[512];
        size_t count = spiece_encode(spiece, probes[i], strlen(probes[i]), ids, 512);
        free(spiece_decode(spiece, ids, count < 512 ? count : 512, true));
    }
    for (int32_t id = 0; id < spiece_count(spiece); id++)
        free(spiece_decode(spiece, &id, 1, false));
    spiece_free(spiece);
    return 0;
}

static _Noreturn void be_child(const void *bytes, size_t size)
{
    const struct rlimit cpu = { SPIECE_TRIAL_S, SPIECE_TRIAL_S }, core = { 0, 0 }, files = { 0, 0 };
    signal(SIGABRT, SIG_DFL);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    setrlimit(RLIMIT_FSIZE, &files);
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (quiet >= 0)
        dup2(quiet, STDERR_FILENO);
    _exit(use_once(bytes, size));
}

static bool judge(int status, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status))
        return err_set(err, ERR_INPUT, "libsentencepiece refuses the model");
    return err_set(err, ERR_INPUT, "libsentencepiece died of the model (signal %d): a broken or a hostile file",
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static bool try_in_child(const void *bytes, size_t size, struct err *err)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot start a process to try the model in");
    if (child == 0)
        be_child(bytes, size);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot wait for the process that tries the model");
    return judge(status, err);
}

bool spiece_try(const void *bytes, size_t size, struct err *err)
{
    char hash[DIGEST_TEXT_SIZE];
    struct digest *digest = digest_start(DIGEST_SHA256, 0);
    digest_add(digest, bytes, size);
    digest_end(digest, hash);
    if (is_known(hash))
        return true;
    if (!try_in_child(bytes, size, err))
        return false;
    seen_here(hash, true);
    remember(hash);
    return true;
}
