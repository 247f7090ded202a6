// Linux system calls and constants that Swift's Glibc module does not show, because they hide behind _GNU_SOURCE or are
// macros of the kernel's headers. Each function is one system call; it returns what the call returns and leaves errno
// set. No logic.
#pragma once
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

long syscall(long number, ...);

// Locks that belong to an open file description (fcntl(2)); the macro needs _GNU_SOURCE.
enum { LINUX_F_OFD_SETLK = 37 };

static inline int linux_ofd_lock(int fd, short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  return fcntl(fd, LINUX_F_OFD_SETLK, &lock);
}

static inline int linux_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

// A file without a name in memory, closed when the process executes another program.
static inline int linux_memfd_create(const char *name) {
  return (int)syscall(SYS_memfd_create, name, 1 /* MFD_CLOEXEC */);
}

static inline ssize_t linux_getrandom(void *buffer, size_t length) {
  return syscall(SYS_getrandom, buffer, length, 0);
}

static inline ssize_t linux_preadv(int fd, const struct iovec *vectors, int count, int64_t offset) {
  return syscall(SYS_preadv, fd, vectors, (long)count, (long)offset, 0L);
}

static inline ssize_t linux_pwritev(int fd, const struct iovec *vectors, int count, int64_t offset) {
  return syscall(SYS_pwritev, fd, vectors, (long)count, (long)offset, 0L);
}

static inline int linux_io_uring_setup(unsigned entries, struct io_uring_params *parameters) {
  return (int)syscall(SYS_io_uring_setup, entries, parameters);
}

static inline int linux_io_uring_enter(int fd, unsigned submit, unsigned complete, unsigned flags) {
  return (int)syscall(SYS_io_uring_enter, fd, submit, complete, flags, (void *)0, 0L);
}

static inline int linux_io_uring_register(int fd, unsigned operation, const void *argument, unsigned count) {
  return (int)syscall(SYS_io_uring_register, fd, operation, argument, count);
}

// Glibc's own, not the bare call: it keeps the thread's number in the child right. For a process of one thread.
static inline pid_t linux_fork(void) {
  return fork();
}

// The calling process gets `signal` when the thread that made it ends.
static inline int linux_set_parent_death_signal(int signal) {
  return (int)syscall(SYS_prctl, PR_SET_PDEATHSIG, (long)signal, 0L, 0L, 0L);
}

static inline int linux_getpid(void) {
  return (int)syscall(SYS_getpid);
}

static inline int linux_getcpu(unsigned *processor) {
  return (int)syscall(SYS_getcpu, processor, (void *)0, (void *)0);
}

// Where the calling thread, and what it makes, may run: one bit for each processor.
static inline int linux_sched_setaffinity(const uint64_t *mask, size_t bytes) {
  return (int)syscall(SYS_sched_setaffinity, 0L, bytes, mask);
}

// Sleeps while the word, which only this process uses, has this value.
static inline int linux_futex_wait(const void *word, uint32_t value) {
  return (int)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, (void *)0, (void *)0, 0L);
}

// Wakes one that sleeps at the word.
static inline int linux_futex_wake(const void *word) {
  return (int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1L, (void *)0, (void *)0, 0L);
}
