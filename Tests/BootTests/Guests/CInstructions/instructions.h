// Instructions that a well-behaved program does not execute.
#pragma once
#include <stdint.h>

static inline void disable_interrupts(void) { __asm__ volatile("cli"); }
static inline void write_port(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void jump_to(uint64_t address) { __asm__ volatile("jmp *%0" : : "r"(address)); }
static inline void loop_forever(void) { for (;;) __asm__ volatile("pause"); }
static inline void foreign_syscall(uint64_t number, uint64_t a) {
  uint64_t rax = number;
  __asm__ volatile("syscall" : "+a"(rax) : "D"(a) : "rcx", "r11", "rdx", "rsi", "r8", "r9", "r10", "memory");
}
static inline void break_point(void) { __asm__ volatile("int3"); }

// Enters the kernel at `entry` as SYSCALL would have done, for the null call, but with return address and flags of the
// caller's choice; 0 for the true return address.
static inline void forged_call(uint64_t entry, uint64_t return_address, uint64_t flags) {
  uint64_t rax = 0;
  __asm__ volatile(
      "lea 1f(%%rip), %%rcx\n\t"
      "test %%rdx, %%rdx\n\t"
      "cmovne %%rdx, %%rcx\n\t"
      "mov %%rsi, %%r11\n\t"
      "jmp *%%rdi\n"
      "1:"
      : "+a"(rax), "+D"(entry), "+d"(return_address), "+S"(flags)
      :
      : "rcx", "r8", "r9", "r10", "r11", "cc", "memory");
}
// Continues in a 32-bit code segment and reads `address` there.
static inline void read_in_32_bit_mode(uint32_t address) {
  __asm__ volatile(
      "push $0x23\n\t"
      "lea 1f(%%rip), %%rcx\n\t"
      "push %%rcx\n\t"
      "lretq\n\t"
      ".code32\n"
      "1:\tmov (%%eax), %%eax\n\t"
      "jmp 1b\n\t"
      ".code64"
      :
      : "a"(address)
      : "rcx", "memory");
}
// Fills a vector register with a secret, and unmasks every floating-point exception.
static inline void leave_traces(void) {
  uint32_t control = 0x0000;
  uint64_t secret = 0x7365637265743132;
  __asm__ volatile("movq %0, %%xmm5\n\tmovq %0, %%xmm15\n\tldmxcsr %1" : : "r"(secret), "m"(control) : "xmm5", "xmm15");
}
// What the vector registers hold, 0 where that is nothing.
static inline uint64_t vector_traces(void) {
  uint64_t first, second;
  __asm__ volatile("movq %%xmm5, %0\n\tmovq %%xmm15, %1" : "=r"(first), "=r"(second));
  return first | second;
}
static inline uint32_t vector_control(void) {
  uint32_t control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  return control;
}
// Executes SYSCALL in a 32-bit code segment, then comes back.
static inline void syscall_in_32_bit_mode(void) {
  __asm__ volatile(
      "push $0x23\n\t"
      "lea 1f(%%rip), %%rcx\n\t"
      "push %%rcx\n\t"
      "xor %%eax, %%eax\n\t"
      "lretq\n\t"
      ".code32\n"
      "1:\tsyscall\n\t"
      ".code64"
      :
      :
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}
// Divides 1 by 0; the instruction is two bytes long. What it leaves in eax.
static inline uint32_t divide_by_zero(void) {
  uint32_t rax = 1;
  __asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdivl %%ecx" : "+a"(rax) : : "rcx", "rdx", "cc");
  return rax;
}
static inline void invalid_instruction(void) { __asm__ volatile("ud2"); }
// Adds 1 to a number, as a leaf function that keeps everything in its red zone while it divides by zero; 0 where the
// red zone was written by somebody else.
static __attribute__((noinline)) uint64_t divide_above_red_zone(uint64_t seed) {
  uint64_t sum = seed;
  __asm__ volatile(
      "mov $-128, %%rcx\n"
      "1:\tmov %%rax, (%%rsp,%%rcx)\n\t"
      "add $8, %%rcx\n\t"
      "jnz 1b\n\t"
      "xor %%edx, %%edx\n\t"
      "divl %%ecx\n\t"
      "mov $-128, %%rcx\n"
      "2:\tcmp %%rax, (%%rsp,%%rcx)\n\t"
      "jne 3f\n\t"
      "add $8, %%rcx\n\t"
      "jnz 2b\n\t"
      "inc %%rax\n\t"
      "jmp 4f\n"
      "3:\txor %%eax, %%eax\n"
      "4:"
      : "+a"(sum)
      :
      : "rcx", "rdx", "cc", "memory");
  return sum;
}
// Loads from an odd address with alignment checks on.
static inline void load_unaligned(void) {
  __asm__ volatile(
      "pushfq\n\t"
      "orl $0x40000, (%%rsp)\n\t"
      "popfq\n\t"
      "mov 1(%%rsp), %%rax\n\t"
      "pushfq\n\t"
      "andl $~0x40000, (%%rsp)\n\t"
      "popfq"
      :
      :
      : "rax", "cc", "memory");
}
// Divides 1.0 by 0.0 with the exception unmasked; DIVSS is four bytes long. Masks it again.
static inline void divide_floating(void) {
  uint32_t unmasked = 0x1d80, masked = 0x1f80;
  float one = 1, zero = 0;
  __asm__ volatile("ldmxcsr %1\n\tdivss %3, %0\n\tldmxcsr %2" : "+x"(one) : "m"(unmasked), "m"(masked), "x"(zero));
}
// The same with the x87, which raises the exception at its next instruction.
static inline void divide_x87(void) {
  uint16_t unmasked = 0x37b;
  __asm__ volatile("fldcw %0\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait\n\tfninit" : : "m"(unmasked));
}
// Executes two instructions and some more with the trap flag on.
static inline void single_step(void) {
  __asm__ volatile(
      "pushfq\n\t"
      "orl $0x100, (%%rsp)\n\t"
      "popfq\n\t"
      "nop\n\t"
      "nop\n\t"
      "pushfq\n\t"
      "andl $~0x100, (%%rsp)\n\t"
      "popfq"
      :
      :
      : "cc", "memory");
}
// Divides by zero on another stack, and comes back.
static __attribute__((noinline)) void divide_on_other_stack(uint64_t stack) {
  __asm__ volatile(
      "mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdivl %%ecx\n\tmov %%rbx, %%rsp"
      :
      : "r"(stack)
      : "rax", "rbx", "rcx", "rdx", "cc", "memory");
}
// Divides by zero with a stack pointer of the caller's choice.
static inline void divide_on_stack(uint64_t stack) {
  __asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdivl %%ecx" : : "r"(stack) : "memory");
}
