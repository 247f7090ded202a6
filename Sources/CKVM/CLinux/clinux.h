// Linux system calls and constants that Swift's Glibc module does not show, because they hide behind _GNU_SOURCE or are macros
// of the kernel's headers. Each function is one system call; it returns what the call returns and leaves errno set. No logic.
#pragma once
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
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
