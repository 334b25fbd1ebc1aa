/* slow_disk.c - preloaded into the server by tests/test_pressure.py: what a sync does is written in $SLOW_DISK.
 *
 *     no such file   as always
 *     wait           returns when the file is gone or says something else
 *     fail           the disk's error, EIO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int wanted(void)
{
    int first = EOF;
    const char *path = getenv("SLOW_DISK");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file) {
        first = fgetc(file);
        (void)fclose(file);
    }
    return first;
}

static int disturbed(const char *name, int fd)
{
    int now;
    while ((now = wanted()) == 'w')
        (void)usleep(5000);
    if (now == 'f') {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fdatasync(int fd)
{
    return disturbed("fdatasync", fd);
}

int fsync(int fd)
{
    return disturbed("fsync", fd);
}
