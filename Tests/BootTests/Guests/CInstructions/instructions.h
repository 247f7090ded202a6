// Instructions that a well-behaved program does not execute.
#pragma once
#include <stdint.h>

static inline void disable_interrupts(void) { __asm__ volatile("cli"); }
static inline void write_port(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void jump_to(uint64_t address) { __asm__ volatile("jmp *%0" : : "r"(address)); }
static inline void loop_forever(void) { for (;;) __asm__ volatile("pause"); }
static inline void foreign_syscall(uint64_t number, uint64_t a) {
  uint64_t rax = number;
  __asm__ volatile("syscall" : "+a"(rax) : "D"(a) : "rcx", "r11", "rdx", "rsi", "r8", "r9", "r10", "memory");
}
static inline void break_point(void) { __asm__ volatile("int3"); }
