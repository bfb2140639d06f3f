/* Records, in order, what an unmodified process does to the files below one folder, and what it says
 * on its TCP connections; makes the n-th of such calls fail when asked to.
 *
 * Loaded with LD_PRELOAD. From the environment:
 *   POWERCUT_DIR     the folder, absolute and without links in it
 *   POWERCUT_LOG     where the record goes; appended to
 *   POWERCUT_FAULTS  "w50:28x3,s7:5x1": from the 50th write on, 3 calls fail with errno 28;
 *                    the 7th sync fails with errno 5. Counted over all files of the folder.
 *
 * What is recorded, and how it is read, is in recorder.py. One mutex makes the order of the record
 * the order of the calls: whatever stands before a record was done before it, whatever stands
 * behind it was not begun. Memory mappings are not seen; SQLite keeps only its wal-index there,
 * which it never trusts after a restart.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, TRUNCATE, SYNC, UNLINK, RENAME, CONNECT, SEND, RECEIVE, FAILED };
enum { CREATED = 1, TRUNCATED = 2, FOLDER = 4 };

struct head { /* little endian, as the machine is; recorder.py reads it as "<IBBHiiqq" */
  uint32_t size;
  uint8_t kind, flags;
  uint16_t spare;
  int32_t fd;
  int32_t error;
  int64_t number, at_ns;
} __attribute__((packed));

#define FDS 4096
#define LOG_FD 900
enum { NOTHING = 0, FILE_OF_OURS, FOLDER_OF_OURS, CONNECTION };
static unsigned char known[FDS];

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char dir[PATH_MAX];
static size_t dir_length;
static int log_fd = -1;

struct fault { char what; long first, count; int error; };
static struct fault faults[16];
static int fault_count;
static long writes, syncs;

/* The record is locked as well while a call and its note belong together, so that whoever holds that
 * lock may kill the process between two calls: no call is done and not noted. */
static void hold(void) {
  pthread_mutex_lock(&order);
  while (flock(log_fd, LOCK_EX) < 0 && errno == EINTR) continue;
}

static void let_go(void) {
  int kept = errno;
  flock(log_fd, LOCK_UN);
  pthread_mutex_unlock(&order);
  errno = kept;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t plain_write(int fd, const void *data, size_t size) {
  REAL(write);
  return real(fd, data, size);
}

static void put(const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t done = plain_write(log_fd, at, size);
    if (done < 0) {
      if (errno == EINTR) continue;
      abort(); /* a record with a hole would be worse than none */
    }
    at += done;
    size -= (size_t)done;
  }
}

static void note(enum kind kind, int fd, int flags, int error, int64_t number, const void *data,
                 size_t size) {
  struct timespec now;
  int kept = errno;
  clock_gettime(CLOCK_REALTIME, &now);
  struct head head = {(uint32_t)(sizeof head + size), (uint8_t)kind, (uint8_t)flags, 0, fd, error,
                      number, now.tv_sec * 1000000000LL + now.tv_nsec};
  put(&head, sizeof head);
  if (size) put(data, size);
  errno = kept;
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("POWERCUT_DIR"), *log = getenv("POWERCUT_LOG");
  const char *plan = getenv("POWERCUT_FAULTS");
  if (!folder || !log) return;
  snprintf(dir, sizeof dir, "%s", folder);
  dir_length = strlen(dir);
  REAL(open);
  int fd = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) abort();
  log_fd = fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD); /* out of the way of the numbers it watches */
  if (log_fd < 0) log_fd = fd;
  else close(fd);
  for (; plan && *plan && fault_count < 16; plan = strchr(plan, ',') ? strchr(plan, ',') + 1 : "") {
    struct fault *f = &faults[fault_count];
    if (sscanf(plan, "%c%ld:%dx%ld", &f->what, &f->first, &f->error, &f->count) != 4) abort();
    fault_count++;
  }
  unsetenv("LD_PRELOAD"); /* children are somebody else */
}

static int failing(char what, int fd) { /* 0, or the error that this call is to end with */
  long number = what == 'w' ? ++writes : ++syncs;
  for (int i = 0; i < fault_count; i++) {
    struct fault *f = &faults[i];
    if (f->what == what && number >= f->first && number < f->first + f->count) {
      note(FAILED, fd, what, f->error, number, NULL, 0);
      return f->error;
    }
  }
  return 0;
}

static int is(int fd, int what) { return log_fd >= 0 && fd >= 0 && fd < FDS && known[fd] == what; }

/* Where a name leads, without following the last part, or 0 when it is not below the folder. */
static int below(int at, const char *path, char *found) {
  char whole[2 * PATH_MAX];
  if (log_fd < 0 || !path) return 0;
  if (path[0] == '/') {
    snprintf(whole, sizeof whole, "%s", path);
  } else {
    char base[PATH_MAX] = "", link[64];
    if (at == AT_FDCWD) {
      if (!getcwd(base, sizeof base)) return 0;
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", at);
      ssize_t size = readlink(link, base, sizeof base - 1);
      if (size < 0) return 0;
      base[size] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
  }
  if (strncmp(whole, dir, dir_length) != 0) return 0;
  if (whole[dir_length] == 0) {
    found[0] = 0;
    return 1;
  }
  if (whole[dir_length] != '/') return 0;
  snprintf(found, PATH_MAX, "%s", whole + dir_length + 1);
  return 1;
}

/* ---------------------------------------------------------------------------------- names */

static int opened(int at, const char *path, int flags, mode_t mode) {
  REAL(openat);
  char name[PATH_MAX];
  if (!below(at, path, name)) {
    int fd = real(at, path, flags, mode);
    if (fd >= 0 && fd < FDS) known[fd] = NOTHING;
    return fd;
  }
  hold();
  struct stat before;
  int existed = fstatat(at, path, &before, 0) == 0;
  int fd = real(at, path, flags, mode);
  if (fd >= 0 && fd < FDS) {
    struct stat now;
    int folder = fstat(fd, &now) == 0 && S_ISDIR(now.st_mode);
    int said = (folder ? FOLDER : 0) | (existed ? 0 : CREATED) |
               ((flags & O_TRUNC) && existed && before.st_size ? TRUNCATED : 0);
    known[fd] = folder ? FOLDER_OF_OURS : FILE_OF_OURS;
    note(OPEN, fd, said, 0, 0, name, strlen(name));
  }
  let_go();
  return fd;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { \
    va_list more; \
    va_start(more, flags); \
    mode = va_arg(more, mode_t); \
    va_end(more); \
  }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) {
  MODE(flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) {
  MODE(flags) return opened(at, path, flags | O_LARGEFILE, mode);
}
int creat(const char *path, mode_t mode) {
  return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags | O_LARGEFILE, 0); }

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd == log_fd) return 0;
  if (fd >= 0 && fd < FDS) known[fd] = NOTHING;
  return real(fd);
}

int unlinkat(int at, const char *path, int flags) {
  REAL(unlinkat);
  char name[PATH_MAX];
  if (!below(at, path, name)) return real(at, path, flags);
  hold();
  int result = real(at, path, flags);
  if (result == 0) note(UNLINK, -1, 0, 0, 0, name, strlen(name));
  let_go();
  return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int remove(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int renameat(int from_at, const char *from, int to_at, const char *to) {
  REAL(renameat);
  char names[2 * PATH_MAX], second[PATH_MAX];
  if (!below(from_at, from, names) || !below(to_at, to, second))
    return real(from_at, from, to_at, to);
  size_t length = strlen(names) + 1, rest = strlen(second);
  memcpy(names + length, second, rest);
  hold();
  int result = real(from_at, from, to_at, to);
  if (result == 0) note(RENAME, -1, 0, 0, 0, names, length + rest);
  let_go();
  return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

/* --------------------------------------------------------------------------------- contents */

static int refused(char what, int fd) { /* with the mutex held; sets errno */
  int error = failing(what, fd);
  if (error) errno = error;
  return error;
}

static ssize_t written_at(int fd, const void *data, size_t size, off64_t offset) {
  REAL(pwrite64);
  if (!is(fd, FILE_OF_OURS)) return real(fd, data, size, offset);
  hold();
  ssize_t done = refused('w', fd) ? -1 : real(fd, data, size, offset);
  if (done > 0) note(WRITE, fd, 0, 0, offset, data, (size_t)done);
  let_go();
  return done;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  return written_at(fd, data, size, offset);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  return written_at(fd, data, size, offset);
}

static ssize_t said(int fd, const void *data, size_t size, ssize_t (*how)(int, const void *, size_t, int),
                    int flags) {
  hold();
  ssize_t done = how(fd, data, size, flags);
  if (done > 0) note(SEND, fd, 0, 0, 0, data, (size_t)done);
  let_go();
  return done;
}

static ssize_t by_write(int fd, const void *data, size_t size, int flags) {
  (void)flags;
  return plain_write(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
  if (is(fd, CONNECTION)) return said(fd, data, size, by_write, 0);
  if (!is(fd, FILE_OF_OURS)) return plain_write(fd, data, size);
  hold();
  ssize_t done = refused('w', fd) ? -1 : plain_write(fd, data, size);
  if (done > 0) note(WRITE, fd, 0, 0, lseek(fd, 0, SEEK_CUR) - done, data, (size_t)done);
  let_go();
  return done;
}

static int cut(int fd, off64_t length) {
  REAL(ftruncate64);
  if (!is(fd, FILE_OF_OURS)) return real(fd, length);
  hold();
  int result = refused('w', fd) ? -1 : real(fd, length);
  if (result == 0) note(TRUNCATE, fd, 0, 0, length, NULL, 0);
  let_go();
  return result;
}
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }
int ftruncate(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, int (*how)(int)) {
  if (!is(fd, FILE_OF_OURS) && !is(fd, FOLDER_OF_OURS)) return how(fd);
  hold();
  int result = refused('s', fd) ? -1 : how(fd);
  if (result == 0) note(SYNC, fd, 0, 0, 0, NULL, 0);
  let_go();
  return result;
}
int fsync(int fd) {
  REAL(fsync);
  return synced(fd, real);
}
int fdatasync(int fd) {
  REAL(fdatasync);
  return synced(fd, real);
}

/* Ways to change a file that nothing here uses: whoever begins to must teach the recorder first. */
static void unheard_of(int fd, const char *call) {
  if (!is(fd, FILE_OF_OURS)) return;
  fprintf(stderr, "powercut recorder: %s on a watched file is not recorded\n", call);
  abort();
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  REAL(fallocate64);
  unheard_of(fd, "fallocate");
  return real(fd, mode, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  REAL(posix_fallocate64);
  unheard_of(fd, "posix_fallocate");
  return real(fd, offset, length);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  REAL(pwritev64);
  unheard_of(fd, "pwritev");
  return real(fd, parts, count, offset);
}

/* ------------------------------------------------------------------------------ connections */

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  REAL(connect);
  int result = real(fd, address, length), kept = errno;
  if (log_fd >= 0 && fd < FDS && address->sa_family == AF_INET) {
    hold();
    known[fd] = CONNECTION;
    int port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    note(CONNECT, fd, 0, 0, port, NULL, 0);
    let_go();
  }
  errno = kept;
  return result;
}

static ssize_t by_send(int fd, const void *data, size_t size, int flags) {
  REAL(send);
  return real(fd, data, size, flags);
}
ssize_t send(int fd, const void *data, size_t size, int flags) {
  if (!is(fd, CONNECTION)) return by_send(fd, data, size, flags);
  return said(fd, data, size, by_send, flags);
}

static size_t gathered(const struct iovec *parts, size_t count, size_t done, char **whole) {
  size_t size = 0;
  *whole = malloc(done ? done : 1);
  for (size_t i = 0; i < count && size < done; i++) {
    size_t part = parts[i].iov_len < done - size ? parts[i].iov_len : done - size;
    memcpy(*whole + size, parts[i].iov_base, part);
    size += part;
  }
  return size;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  unheard_of(fd, "writev");
  if (!is(fd, CONNECTION)) return real(fd, parts, count);
  hold();
  ssize_t done = real(fd, parts, count);
  if (done > 0) {
    char *whole;
    size_t size = gathered(parts, (size_t)count, (size_t)done, &whole);
    note(SEND, fd, 0, 0, 0, whole, size);
    free(whole);
  }
  let_go();
  return done;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(sendmsg);
  if (!is(fd, CONNECTION)) return real(fd, message, flags);
  hold();
  ssize_t done = real(fd, message, flags);
  if (done > 0) {
    char *whole;
    size_t size = gathered(message->msg_iov, message->msg_iovlen, (size_t)done, &whole);
    note(SEND, fd, 0, 0, 0, whole, size);
    free(whole);
  }
  let_go();
  return done;
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
  REAL(recv);
  ssize_t done = real(fd, data, size, flags); /* outside the mutex: it may wait */
  if (done > 0 && is(fd, CONNECTION) && !(flags & MSG_PEEK)) {
    hold();
    note(RECEIVE, fd, 0, 0, 0, data, (size_t)done);
    let_go();
  }
  return done;
}
ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags) {
  if (size > room) abort();
  return recv(fd, data, size, flags);
}
