#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct digest; /* an EVP_MD_CTX under another name, so that libcrypto's types stay here */

static EVP_MD_CTX *context_of(struct digest *digest)
{
    return (EVP_MD_CTX *)digest;
}

struct digest *digest_start(enum digest_kind kind, uint64_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context && EVP_DigestInit_ex(context, kind == DIGEST_SHA256 ? EVP_sha256() : EVP_sha1(), NULL) == 1);
    if (kind == DIGEST_GIT_BLOB) {
        char head[32];
        int length = snprintf(head, sizeof head, "blob %" PRIu64, size);
        digest_add((struct digest *)context, head, (size_t)length + 1); /* git hashes the NUL too */
    }
    return (struct digest *)context;
}

void digest_add(struct digest *digest, const void *data, size_t length)
{
    CHECK(EVP_DigestUpdate(context_of(digest), data, length) == 1);
}

void digest_end(struct digest *digest, char out[DIGEST_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    CHECK(EVP_DigestFinal_ex(context_of(digest), sum, &length) == 1 && 2 * length < DIGEST_TEXT_SIZE);
    EVP_MD_CTX_free(context_of(digest));
    if (!out)
        return;
    for (unsigned i = 0; i < length; i++) {
        out[2 * i] = hex[sum[i] >> 4];
        out[2 * i + 1] = hex[sum[i] & 15];
    }
    out[2 * length] = '\0';
}

static bool digest_fd(int fd, const char *path, struct digest *digest, struct err *err)
{
    static _Thread_local char chunk[64 << 10];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, ERR_IO, errno, "%s", path);
        digest_add(digest, chunk, (size_t)n);
    }
}

bool digest_file(const char *path, enum digest_kind kind, char out[DIGEST_TEXT_SIZE], uint64_t *out_size,
                 struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!ok)
        (void)err_set(err, ERR_INPUT, "%s: not a regular file", path);
    if (ok) {
        struct digest *digest = digest_start(kind, (uint64_t)st.st_size);
        ok = digest_fd(fd, path, digest, err);
        digest_end(digest, ok ? out : NULL);
    }
    (void)close(fd);
    if (ok && out_size)
        *out_size = (uint64_t)st.st_size;
    return ok;
}
