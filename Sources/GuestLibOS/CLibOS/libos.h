// What the assembly files in LibOS offer to Swift, and the few instructions that Swift has no word for.
#pragma once
#include <stddef.h>
#include <stdint.h>

int64_t libos_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
int64_t libos_call_preserving(uint64_t number, uint64_t a);
void libos_yield(void);
int64_t libos_yield_to(uint64_t environment);
void libos_sleep(uint64_t events, uint64_t deadline);
void libos_sleep_until(void);

// `message` is six words, read and written.
int64_t libos_transfer(
    uint64_t slot, uint64_t environment, uint64_t mode, uint64_t *message, uint64_t deadline);
extern char libos_transfer_entry[];
static inline uintptr_t libos_transfer_entry_address(void) { return (uintptr_t)libos_transfer_entry; }
// Called with the caller's handle and the message; must not return.
extern void (*libos_transfer_server)(uint64_t caller, uint64_t *message);
static inline void libos_set_transfer_server(void (*server)(uint64_t, uint64_t *)) { libos_transfer_server = server; }

// Where exceptions arrive when the program serves them.
extern char libos_exception_entry[];
static inline uintptr_t libos_exception_entry_address(void) { return (uintptr_t)libos_exception_entry; }
// Where a program goes on that gets the processor back, and wants to be told.
extern char libos_prologue_entry[];
static inline uintptr_t libos_prologue_entry_address(void) { return (uintptr_t)libos_prologue_entry; }
// The vector registers that the end of a slice saves, as XSAVE counts them; 0 where they are only those of FXSAVE.
extern uint32_t libos_vector_mask;
static inline uint32_t libos_vector_registers(void) { return libos_vector_mask; }

// Where environments begin that a program makes: see start.S.
extern char libos_child_entry[], libos_companion_entry[];
static inline uintptr_t libos_child_entry_address(void) { return (uintptr_t)libos_child_entry; }
static inline uintptr_t libos_companion_entry_address(void) { return (uintptr_t)libos_companion_entry; }

// Where requests to give resources back arrive.
extern char libos_revocation_entry[];
static inline uintptr_t libos_revocation_entry_address(void) { return (uintptr_t)libos_revocation_entry; }

void libos_switch(uint64_t from, uint64_t to);
extern char libos_thread_entry[];
extern uint64_t libos_thread_stacks[64];
static inline uintptr_t libos_thread_entry_address(void) { return (uintptr_t)libos_thread_entry; }
// `thread` is below 64.
static inline void libos_set_thread_stack(uint64_t thread, uint64_t stack_pointer) {
  libos_thread_stacks[thread] = stack_pointer;
}

static inline __attribute__((always_inline)) uint64_t libos_time_stamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
// Loads and stores that the compiler must make where they stand: the kernel or another environment is on the other
// side.
static inline __attribute__((always_inline)) uint64_t libos_load64(uintptr_t address) {
  return *(volatile uint64_t *)address;
}
static inline __attribute__((always_inline)) uint32_t libos_load32(uintptr_t address) {
  return *(volatile uint32_t *)address;
}
static inline __attribute__((always_inline)) uint8_t libos_load8(uintptr_t address) {
  return *(volatile uint8_t *)address;
}
static inline __attribute__((always_inline)) void libos_store32(uintptr_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}
static inline __attribute__((always_inline)) void libos_store64(uintptr_t address, uint64_t value) {
  *(volatile uint64_t *)address = value;
}
// An exception that arrives behind the instruction.
static inline __attribute__((always_inline)) void libos_breakpoint(void) { __asm__ volatile("int3" : : : "memory"); }
// What was loaded before may have changed: the compiler loads it again.
static inline __attribute__((always_inline)) void libos_look_again(void) { __asm__ volatile("" : : : "memory"); }
// The spin of somebody who waits for another processor.
static inline __attribute__((always_inline)) void libos_pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline __attribute__((always_inline)) int libos_random(uint64_t *value) {
  uint32_t a = 1, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (!(c & 1u << 30)) return 0;
  unsigned char good;
  __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=q"(good));
  return good;
}
