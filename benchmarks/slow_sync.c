/* Delays fsync and fdatasync by SLOW_SYNC_MS milliseconds, as a slow disk would: LD_PRELOAD=slow_sync.so. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int delayed(const char *name, int file)
{
    const char *milliseconds = getenv("SLOW_SYNC_MS");
    if (milliseconds)
        usleep(1000 * atoi(milliseconds));
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file)
{
    return delayed("fsync", file);
}

int fdatasync(int file)
{
    return delayed("fdatasync", file);
}
