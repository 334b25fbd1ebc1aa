#include "base/dir_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static bool say_who_has_it(int fd, const char *dir, struct err *err)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        return err_set(err, ERR_CONFIG, "%s is in use by another Wardscribe (process %ld)", dir, pid);
    return err_set(err, ERR_CONFIG, "%s is in use by another Wardscribe", dir);
}

bool dir_lock_take(const char *dir, struct dir_lock *out, struct err *err)
{
    char path[4096], pid[24];
    if ((size_t)snprintf(path, sizeof path, "%s/lock", dir) >= sizeof path)
        return err_set(err, ERR_INPUT, "the path of the data directory is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool held = errno == EWOULDBLOCK;
        bool ok = held ? say_who_has_it(fd, dir, err) : err_set_errno(err, ERR_IO, errno, "%s", path);
        (void)close(fd);
        return ok;
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
        err_set_errno(err, ERR_IO, errno, "%s", path);
        (void)close(fd);
        return false;
    }
    out->fd = fd;
    return true;
}

void dir_lock_release(struct dir_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd);
    lock->fd = -1;
}
