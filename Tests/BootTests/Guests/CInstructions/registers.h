// Registers that nobody but the processor's owner may change: filled, kept for a while, looked at.
#pragma once
#include <stdint.h>

// Fills x87, MXCSR and all vector registers with numbers that follow from `seed`, waits until the time-stamp counter
// reaches `deadline`, and returns how many registers hold something else by then. `has_avx` says whether the upper
// halves are looked at, too.
static inline uint64_t keep_registers(uint64_t seed, uint64_t deadline, int has_avx) {
  uint64_t pattern[16][4] __attribute__((aligned(32))), found[16][4] __attribute__((aligned(32)));
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 4; j++) pattern[i][j] = (seed + i * 4 + j) * 0x9e3779b97f4a7c15;
  uint32_t control = 0x7f80, control_found = 0;
  double number = (double)seed, number_found = 0;
  uint16_t word = 0x77f, word_found = 0;
  uint64_t bad = 0;
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD(n) "movdqu " #n "*32(%[p]), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*32(%[f])\n\t"
#define LOAD_AVX(n) "vmovdqu " #n "*32(%[p]), %%ymm" #n "\n\t"
#define STORE_AVX(n) "vmovdqu %%ymm" #n ", " #n "*32(%[f])\n\t"
#define WAIT "1: rdtsc\n\tshl $32, %%rdx\n\tor %%rdx, %%rax\n\tcmp %[d], %%rax\n\tjb 1b\n\t"
#define KEEP(LOADS, STORES)                                                                                            \
  __asm__ volatile("ldmxcsr %[c]\n\tfninit\n\tfldcw %[w]\n\tfldl %[n]\n\t" LOADS WAIT STORES                           \
                   "stmxcsr %[cf]\n\tfnstcw %[wf]\n\tfstpl %[nf]\n\tfninit\n\tldmxcsr %[cd]"                           \
                   : [cf] "=m"(control_found), [wf] "=m"(word_found), [nf] "=m"(number_found)                          \
                   : [p] "r"(pattern), [f] "r"(found), [d] "r"(deadline), [c] "m"(control), [w] "m"(word),             \
                     [n] "m"(number), [cd] "m"((uint32_t){0x1f80})                                                     \
                   : "rax", "rdx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",     \
                     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")
  if (has_avx) {
    KEEP(EACH(LOAD_AVX), EACH(STORE_AVX));
    __asm__ volatile("vzeroupper");
  } else {
    KEEP(EACH(LOAD), EACH(STORE));
  }
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < (has_avx ? 4 : 2); j++) bad += found[i][j] != pattern[i][j];
  return bad + (control != control_found) + (word != word_found) + (number != number_found);
}
// What the upper halves of the vector registers hold, 0 where that is nothing.
static inline uint64_t upper_traces(void) {
  uint64_t all[4] __attribute__((aligned(32)));
  __asm__ volatile("vmovdqu %%ymm7, %0" : "=m"(all));
  return all[2] | all[3];
}
