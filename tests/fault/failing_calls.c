/* LD_PRELOAD: the k-th write, flush or rename below a folder fails as on a full disk, whichever process makes it.
 *
 * FAILING_ROOT   folder whose files count; a rename counts by its new name.
 * FAILING_STATE  file of two 64-bit integers, shared by all processes: k (0: nothing fails and nothing is counted), and
 *                the calls counted so far.
 *
 * It reaches every call through the C library: Python's, SQLite's, Arrow's and DuckDB's. It does not reach writes to
 * memory maps, nor direct system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int64_t *state;
static const char *root;

__attribute__((constructor)) static void map_state(void) {
    const char *path = getenv("FAILING_STATE");
    root = getenv("FAILING_ROOT");
    int descriptor = path && root ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED) state = mapped;
}

static int fails_at(const char *path) {
    if (strncmp(path, root, strlen(root)) != 0) return 0;
    if (__atomic_add_fetch(&state[1], 1, __ATOMIC_SEQ_CST) != state[0]) return 0;
    errno = ENOSPC;
    return 1;
}

static int fails(int descriptor) {
    if (!state || state[0] == 0) return 0;
    char link[64], path[PATH_MAX];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    return fails_at(path);
}

static int fails_to(int folder, const char *name) {
    if (!state || state[0] == 0) return 0;
    if (name[0] == '/' || folder == AT_FDCWD) return fails_at(name);
    return fails(folder);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n) { return fails(fd) ? -1 : REAL(write)(fd, data, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return fails(fd) ? -1 : REAL(pwrite)(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    return fails(fd) ? -1 : REAL(pwrite64)(fd, data, n, at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) { return fails(fd) ? -1 : REAL(writev)(fd, parts, n); }
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile(int to, int from, off_t *at, size_t n) { return fails(to) ? -1 : REAL(sendfile)(to, from, at, n); }
ssize_t sendfile64(int, int, off64_t *, size_t);
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    return fails(to) ? -1 : REAL(sendfile64)(to, from, at, n);
}
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *put, size_t n, unsigned flags) {
    return fails(to) ? -1 : REAL(copy_file_range)(from, at, to, put, n, flags);
}
int fsync(int fd) { return fails(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd) ? -1 : REAL(fdatasync)(fd); }
int rename(const char *from, const char *to) { return fails_to(AT_FDCWD, to) ? -1 : REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    return fails_to(b, to) ? -1 : REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return fails_to(b, to) ? -1 : REAL(renameat2)(a, from, b, to, flags);
}
