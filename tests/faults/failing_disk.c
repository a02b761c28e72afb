/* A disk that is full, read-only or broken, for one folder of one process: loaded by LD_PRELOAD.
 *
 * FAILING_DISK_FOLDER  the folder; what is written anywhere else is not touched
 * FAILING_DISK_CONTROL a file that says what the disk does, read at each call; without it the disk works:
 *     errno N      everything that writes, makes, renames or removes fails with that errno
 *     capacity N   the folder holds N bytes; what would make its files larger fails with ENOSPC, what is
 *                  overwritten in place does not, and statvfs tells how much is left
 *
 * Files are found by /proc/self/fd, so it does not matter how they were opened.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BLOCK 512

static int inside(const char *path) {
    const char *folder = getenv("FAILING_DISK_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int holds(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}

/* What the disk does now: an errno, or a capacity of -1 for no limit. */
static int state(long long *capacity) {
    static __thread int looking;
    int saved = errno, number = 0;
    *capacity = -1;
    const char *path = getenv("FAILING_DISK_CONTROL");
    if (!path || looking) return 0;
    looking = 1;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        char text[64];
        ssize_t length = read(fd, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        if (sscanf(text, "capacity %lld", capacity) != 1) {
            *capacity = -1;
            sscanf(text, "errno %d", &number);
        }
        close(fd);
    }
    looking = 0;
    errno = saved;
    return number;
}

static long long used(void) {
    const char *folder = getenv("FAILING_DISK_FOLDER");
    long long sum = 0;
    DIR *files = opendir(folder);
    struct dirent *entry;
    while (files && (entry = readdir(files))) {
        struct stat found;
        if (!fstatat(dirfd(files), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) && S_ISREG(found.st_mode))
            sum += found.st_size;
    }
    if (files) closedir(files);
    return sum;
}

/* The errno with which writing up to this end of the file fails; 0 if it does not. */
static int refuses(int fd, long long end) {
    long long capacity;
    int saved = errno, number = 0;
    if (holds(fd)) {
        struct stat found;
        number = state(&capacity);
        if (!number && capacity >= 0 && !fstat(fd, &found) && end > found.st_size)
            number = used() + end - found.st_size > capacity ? ENOSPC : 0;
    }
    errno = saved;
    return number;
}

static int refuses_path(const char *path) {
    long long capacity;
    char whole[PATH_MAX];
    if (path[0] != '/') {
        size_t length = getcwd(whole, sizeof whole) ? strlen(whole) : 0;
        snprintf(whole + length, sizeof whole - length, "/%s", path);
        path = whole;
    }
    return inside(path) ? state(&capacity) : 0;
}

#define FAILS(number) do { int why = (number); if (why) { errno = why; return -1; } } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    struct stat found;
    if (!fstat(fd, &found) && S_ISREG(found.st_mode)) {
        off_t at = fcntl(fd, F_GETFL) & O_APPEND ? found.st_size : lseek(fd, 0, SEEK_CUR);
        FAILS(refuses(fd, (long long)at + size));
    }
    return REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    FAILS(refuses(fd, (long long)at + size));
    return REAL(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    FAILS(refuses(fd, (long long)at + size));
    return REAL(pwrite64)(fd, data, size, at);
}

int fsync(int fd) { FAILS(refuses(fd, 0)); return REAL(fsync)(fd); }
int fdatasync(int fd) { FAILS(refuses(fd, 0)); return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { FAILS(refuses(fd, size)); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAILS(refuses(fd, size)); return REAL(ftruncate64)(fd, size); }
int truncate(const char *path, off_t size) { FAILS(refuses_path(path)); return REAL(truncate)(path, size); }
int truncate64(const char *path, off64_t size) { FAILS(refuses_path(path)); return REAL(truncate64)(path, size); }
int fallocate(int fd, int mode, off_t at, off_t size) { FAILS(refuses(fd, at + size)); return REAL(fallocate)(fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { FAILS(refuses(fd, at + size)); return REAL(fallocate64)(fd, mode, at, size); }

/* These two return the errno. */
int posix_fallocate(int fd, off_t at, off_t size) {
    int number = refuses(fd, at + size);
    return number ? number : REAL(posix_fallocate)(fd, at, size);
}

int posix_fallocate64(int fd, off64_t at, off64_t size) {
    int number = refuses(fd, at + size);
    return number ? number : REAL(posix_fallocate64)(fd, at, size);
}

int unlink(const char *path) { FAILS(refuses_path(path)); return REAL(unlink)(path); }
int mkdir(const char *path, mode_t mode) { FAILS(refuses_path(path)); return REAL(mkdir)(path, mode); }
int rename(const char *from, const char *to) { FAILS(refuses_path(to)); return REAL(rename)(from, to); }

/* Opening for writing fails as on a read-only disk; a full one lets what is there be opened. */
static int refuses_opening(const char *path, int flags) {
    int number = refuses_path(path);
    if (!number || (flags & O_ACCMODE) == O_RDONLY) return 0;
    return number == EROFS || (flags & O_CREAT && access(path, F_OK)) ? number : 0;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest); \
        FAILS(refuses_opening(path, flags)); \
        return REAL(name)(path, flags, mode); \
    }

OPENS(open)
OPENS(open64)

#define LEFT(name, kind) \
    int name(const char *path, struct kind *room) { \
        long long capacity, left; \
        int done = REAL(name)(path, room); \
        if (done || !inside(path) || state(&capacity) || capacity < 0) return done; \
        left = capacity > used() ? (capacity - used()) / BLOCK : 0; \
        room->f_bsize = room->f_frsize = BLOCK; \
        room->f_blocks = capacity / BLOCK; \
        room->f_bfree = room->f_bavail = left; \
        return 0; \
    }

LEFT(statvfs, statvfs)
LEFT(statvfs64, statvfs64)
