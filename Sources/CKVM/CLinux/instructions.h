// x86-64 instructions that Swift has no word for, of known length or number, by which `xokvm bench` measures the host.
// No logic.
#pragma once
#include <stdint.h>

enum {
  // Bytes of the instruction of `host_store`, "movb $0, (%rdi)".
  HOST_STORE_BYTES = 3,
  // Bytes of the instruction of `host_divide`, "divl %ecx".
  HOST_DIVIDE_BYTES = 2,
  // Additions of one round of `host_add`.
  HOST_ADDITIONS = 64,
};

// Stores a zero byte at an address, which may be one that faults.
static inline void host_store(void *address) {
  __asm__ volatile(".byte 0xc6, 0x07, 0x00" : : "D"(address) : "memory");
}

// Divides 1 by `divisor`, which may be zero.
static inline void host_divide(uint32_t divisor) {
  uint32_t low = 1, high = 0;
  __asm__ volatile(".byte 0xf7, 0xf1" : "+a"(low), "+d"(high) : "c"(divisor) : "cc");
}

// Adds `rounds` times HOST_ADDITIONS times, each addition waiting for the one before; `rounds` is at least 1.
static inline void host_add(uint64_t rounds) {
  uint64_t sum = 0;
  __asm__ volatile(
      "1:\n\t.rept 64\n\taddq %[one], %[sum]\n\t.endr\n\tdecq %[rounds]\n\tjnz 1b"
      : [sum] "+r"(sum), [rounds] "+r"(rounds)
      : [one] "r"((uint64_t)1)
      : "cc");
}
