/* Records what a process does to the files below one folder, in the order in which it happens, with the data.
 *
 * Preloaded into a workload (recording.py builds and runs it). RECORDER_FOLDER is an absolute path without
 * symbolic links, RECORDER_LOG the file that the records go to; it must lie elsewhere. One lock is held over
 * an operation and its record, so that the log's order is the order of effect in all threads.
 *
 * SQLite's index of the WAL (-shm) is left out: it is mapped, and rebuilt whenever the database is opened anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 65536 };
enum kind { OPEN = 1, WRITE, RESIZE, RENAME, UNLINK, MKDIR, SYNC, CLOSE, MARK };

struct record { /* path and data follow */
    uint8_t kind;
    uint8_t unused[3];
    int32_t fd;
    int64_t offset;
    uint32_t path_size;
    uint32_t data_size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char tracked[FDS_MAX];
static char folder[PATH_MAX];
static size_t folder_size;
static int log_fd = -1;

#define REAL(name)                                                     \
    static __typeof__(name) *real;                                     \
    if (real == NULL)                                                  \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void give_up(const char *why)
{
    fprintf(stderr, "recorder: %s (%s)\n", why, strerror(errno));
    abort();
}

static int real_open(const char *path, int flags, mode_t mode)
{
    REAL(open64);
    return real(path, flags, mode);
}

static void put_all(const void *data, size_t size)
{
    REAL(write);
    for (const char *next = data; size > 0;) {
        ssize_t done = real(log_fd, next, size);
        if (done <= 0)
            give_up("the log cannot be written");
        next += done;
        size -= (size_t)done;
    }
}

__attribute__((constructor)) static void begin_recording(void)
{
    const char *told = getenv("RECORDER_FOLDER");
    const char *log = getenv("RECORDER_LOG");
    if (told == NULL || log == NULL || strlen(told) >= sizeof folder)
        give_up("RECORDER_FOLDER and RECORDER_LOG must be set");
    strcpy(folder, told);
    folder_size = strlen(folder);
    log_fd = real_open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_fd < 0)
        give_up("the log cannot be opened");
}

/* Returns the path below the folder ("" for the folder itself), or NULL where it is none of ours. */
static const char *below(const char *path)
{
    size_t size = strlen(path);
    if (folder_size == 0 || strncmp(path, folder, folder_size) != 0)
        return NULL;
    if (size >= 4 && strcmp(path + size - 4, "-shm") == 0)
        return NULL;
    if (path[folder_size] == '\0')
        return path + folder_size;
    return path[folder_size] == '/' ? path + folder_size + 1 : NULL;
}

/* Makes an absolute path; the folder that `at` stands for may be the working folder. */
static const char *whole(int at, const char *path, char *room)
{
    char link[64];
    if (path[0] == '/')
        return path;
    if (at == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t size = readlink(link, room, PATH_MAX - 1);
    if (size < 0 || (size_t)size + strlen(path) + 2 > PATH_MAX)
        give_up("a path cannot be made absolute");
    room[size] = '/';
    strcpy(room + size + 1, path);
    return room;
}

static void put(enum kind kind, int fd, int64_t offset, const char *path, const void *data, size_t size)
{
    int saved = errno;
    struct record record = {.kind = (uint8_t)kind, .fd = fd, .offset = offset};
    record.path_size = (uint32_t)strlen(path);
    record.data_size = (uint32_t)size;
    put_all(&record, sizeof record);
    put_all(path, record.path_size);
    put_all(data, size);
    errno = saved;
}

static int is_tracked(int fd)
{
    return fd >= 0 && fd < FDS_MAX && tracked[fd];
}

static int opened(int fd, int flags)
{
    char link[64], path[PATH_MAX];
    int saved = errno;
    if (fd < 0)
        return fd;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size >= 0) {
        path[size] = '\0';
        const char *name = below(path);
        if (name != NULL) {
            if (fd >= FDS_MAX)
                give_up("too many open files");
            tracked[fd] = 1;
            put(OPEN, fd, flags, name, "", 0);
        }
    }
    errno = saved;
    return fd;
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
}

#define OPENS(name)                                                    \
    int name(const char *path, int flags, ...)                         \
    {                                                                  \
        REAL(name);                                                    \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        mode_t mode = mode_of(flags, more);                            \
        va_end(more);                                                  \
        pthread_mutex_lock(&lock);                                     \
        int fd = opened(real(path, flags, mode), flags);               \
        pthread_mutex_unlock(&lock);                                   \
        return fd;                                                     \
    }

#define OPENS_AT(name)                                                 \
    int name(int at, const char *path, int flags, ...)                 \
    {                                                                  \
        REAL(name);                                                    \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        mode_t mode = mode_of(flags, more);                            \
        va_end(more);                                                  \
        pthread_mutex_lock(&lock);                                     \
        int fd = opened(real(at, path, flags, mode), flags);           \
        pthread_mutex_unlock(&lock);                                   \
        return fd;                                                     \
    }

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int close(int fd)
{
    REAL(close);
    pthread_mutex_lock(&lock);
    if (is_tracked(fd)) {
        tracked[fd] = 0;
        put(CLOSE, fd, 0, "", "", 0);
    }
    int answer = real(fd);
    pthread_mutex_unlock(&lock);
    return answer;
}

static ssize_t wrote(int fd, const void *data, ssize_t done, int64_t offset)
{
    if (done > 0 && is_tracked(fd))
        put(WRITE, fd, offset, "", data, (size_t)done);
    return done;
}

static ssize_t gathered(int fd, const struct iovec *parts, int count, ssize_t done, int64_t offset)
{
    ssize_t left = done;
    for (int part = 0; part < count && left > 0; part++) {
        ssize_t size = (ssize_t)parts[part].iov_len < left ? (ssize_t)parts[part].iov_len : left;
        wrote(fd, parts[part].iov_base, size, offset);
        offset += size;
        left -= size;
    }
    return done;
}

/* Where the last `done` bytes went that were written at the file's own position. */
static int64_t just_before(int fd, ssize_t done)
{
    return is_tracked(fd) && done > 0 ? (int64_t)lseek(fd, 0, SEEK_CUR) - done : 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, data, size);
    wrote(fd, data, done, just_before(fd, done));
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, parts, count);
    gathered(fd, parts, count, done, just_before(fd, done));
    pthread_mutex_unlock(&lock);
    return done;
}

#define WRITES_AT(name, offset_type)                                                  \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset)           \
    {                                                                                 \
        REAL(name);                                                                   \
        pthread_mutex_lock(&lock);                                                    \
        ssize_t done = wrote(fd, data, real(fd, data, size, offset), offset);         \
        pthread_mutex_unlock(&lock);                                                  \
        return done;                                                                  \
    }

#define GATHERS_AT(name, parameters, arguments)                                       \
    ssize_t name parameters                                                           \
    {                                                                                 \
        REAL(name);                                                                   \
        pthread_mutex_lock(&lock);                                                    \
        ssize_t done = real arguments;                                                \
        int64_t at = offset == -1 ? just_before(fd, done) : offset;                   \
        gathered(fd, parts, count, done, at);                                         \
        pthread_mutex_unlock(&lock);                                                  \
        return done;                                                                  \
    }

WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)
#define PARTS int fd, const struct iovec *parts, int count
GATHERS_AT(pwritev, (PARTS, off_t offset), (fd, parts, count, offset))
GATHERS_AT(pwritev64, (PARTS, off64_t offset), (fd, parts, count, offset))
GATHERS_AT(pwritev2, (PARTS, off_t offset, int flags), (fd, parts, count, offset, flags))
GATHERS_AT(pwritev64v2, (PARTS, off64_t offset, int flags), (fd, parts, count, offset, flags))

static int resized(int fd, int answer)
{
    struct stat now;
    if (answer == 0 && is_tracked(fd)) {
        if (fstat(fd, &now) != 0)
            give_up("a file has no size");
        put(RESIZE, fd, now.st_size, "", "", 0);
    }
    return answer;
}

#define RESIZES(name, parameters, arguments)                           \
    int name parameters                                                \
    {                                                                  \
        REAL(name);                                                    \
        pthread_mutex_lock(&lock);                                     \
        int answer = resized(fd, real arguments);                      \
        pthread_mutex_unlock(&lock);                                   \
        return answer;                                                 \
    }

RESIZES(ftruncate, (int fd, off_t size), (fd, size))
RESIZES(ftruncate64, (int fd, off64_t size), (fd, size))
RESIZES(posix_fallocate, (int fd, off_t from, off_t size), (fd, from, size))
RESIZES(posix_fallocate64, (int fd, off64_t from, off64_t size), (fd, from, size))
RESIZES(fallocate, (int fd, int mode, off_t from, off_t size), (fd, mode, from, size))
RESIZES(fallocate64, (int fd, int mode, off64_t from, off64_t size), (fd, mode, from, size))

static int moved(int from_at, const char *from, int to_at, const char *to, int answer)
{
    char from_room[PATH_MAX], to_room[PATH_MAX];
    if (answer != 0)
        return answer;
    const char *old = below(whole(from_at, from, from_room));
    const char *new = below(whole(to_at, to, to_room));
    if ((old == NULL) != (new == NULL))
        give_up("a file was moved into or out of the folder");
    if (old != NULL)
        put(RENAME, -1, 0, old, new, strlen(new));
    return answer;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    pthread_mutex_lock(&lock);
    int answer = moved(AT_FDCWD, from, AT_FDCWD, to, real(from, to));
    pthread_mutex_unlock(&lock);
    return answer;
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    REAL(renameat);
    pthread_mutex_lock(&lock);
    int answer = moved(from_at, from, to_at, to, real(from_at, from, to_at, to));
    pthread_mutex_unlock(&lock);
    return answer;
}

static int named(enum kind kind, int at, const char *path, int answer)
{
    char room[PATH_MAX];
    const char *name = answer == 0 ? below(whole(at, path, room)) : NULL;
    if (name != NULL)
        put(kind, -1, 0, name, "", 0);
    return answer;
}

#define NAMES(name, kind, at, parameters, arguments)                   \
    int name parameters                                                \
    {                                                                  \
        REAL(name);                                                    \
        pthread_mutex_lock(&lock);                                     \
        int answer = named(kind, at, path, real arguments);            \
        pthread_mutex_unlock(&lock);                                   \
        return answer;                                                 \
    }

NAMES(unlink, UNLINK, AT_FDCWD, (const char *path), (path))
NAMES(unlinkat, UNLINK, at, (int at, const char *path, int flags), (at, path, flags))
NAMES(mkdir, MKDIR, AT_FDCWD, (const char *path, mode_t mode), (path, mode))
NAMES(mkdirat, MKDIR, at, (int at, const char *path, mode_t mode), (at, path, mode))

static int synced(int fd, int answer)
{
    if (answer == 0 && is_tracked(fd))
        put(SYNC, fd, 0, "", "", 0);
    return answer;
}

#define SYNCS(name)                                                    \
    int name(int fd)                                                   \
    {                                                                  \
        REAL(name);                                                    \
        pthread_mutex_lock(&lock);                                     \
        int answer = synced(fd, real(fd));                             \
        pthread_mutex_unlock(&lock);                                   \
        return answer;                                                 \
    }

SYNCS(fsync)
SYNCS(fdatasync)

/* What the workload promises or begins, in its own words, at this moment. */
void recorder_mark(const char *data, size_t size);
void recorder_mark(const char *data, size_t size)
{
    pthread_mutex_lock(&lock);
    put(MARK, -1, 0, "", data, size);
    pthread_mutex_unlock(&lock);
}
