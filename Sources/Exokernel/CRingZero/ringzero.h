// The instructions and symbols that Swift has no word for. Every function is one or a few instructions, inlined; only
// guest ring 0 may execute them, and on the host they are compiled but never called.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Registers that an interrupted environment gets back, and the CPU's own frame, as entries.S pushes them.
typedef struct {
  uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
  uint64_t vector, code;
  uint64_t instruction, codeSegment, flags, stack, stackSegment;
} TrapFrame;
// The CPU's frame of a kernel call: always at the top of the kernel's stack.
typedef struct { uint64_t instruction, codeSegment, flags, stack, stackSegment; } UserFrame;

// How a transfer leaves ring 0, in rax and rdx: what the callee finds in rax, and where it goes on; or an error, and 0.
typedef struct { int64_t result; uint64_t entry; } TransferReturn;

#define RING0 static inline __attribute__((always_inline))

RING0 void ring0_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
RING0 uint8_t ring0_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
RING0 void ring0_out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
RING0 uint32_t ring0_in32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
RING0 void ring0_out8_string(uint16_t port, const void *bytes, size_t count) {
  __asm__ volatile("cld\n\trep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}
RING0 uint64_t ring0_read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}
RING0 void ring0_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
RING0 uint64_t ring0_time_stamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
// The state of the processor that executes this: the last 128 bytes of its stack's 16 KiB, which lie on a boundary of
// their size.
RING0 uintptr_t ring0_processor_base(void) {
  uintptr_t last;
  __asm__("mov %%rsp, %0\n\tor $0x3fff, %0" : "=r"(last));
  return last - 127;
}
// Loads a page-table entry through the recursive entry of the table in force: all ones where a table on the way is
// missing, for then the load faults and the page-fault entry goes on behind it, as the table of fixups says.
RING0 uint64_t ring0_load_entry(const uint64_t *place) {
  uint64_t entry;
  __asm__ volatile(
      "1: mov (%1), %0\n2:\n\t.pushsection .fixups, \"a\"\n\t.quad 1b, 2b\n\t.popsection"
      : "=a"(entry)
      : "r"(place)
      : "memory");
  return entry;
}
RING0 void ring0_pause(void) { __asm__ volatile("pause" : : : "memory"); }
RING0 uint32_t ring0_load_flag(const uint32_t *flag) { return *(const volatile uint32_t *)flag; }
RING0 void ring0_store_flag(uint32_t *flag, uint32_t value) { *(volatile uint32_t *)flag = value; }
RING0 void ring0_invalidate_page(uint64_t address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }
RING0 void ring0_write_root(uint64_t physical) { __asm__ volatile("mov %0, %%cr3" : : "r"(physical) : "memory"); }
RING0 uint64_t ring0_read_root(void) { uint64_t value; __asm__ volatile("mov %%cr3, %0" : "=r"(value)); return value; }
RING0 uint64_t ring0_fault_address(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}
// Sleeps until an interrupt was served. Interrupts are on here and in the next function, and nowhere else in ring 0.
void ring0_wait_for_interrupt(void);
// Serves an interrupt, if there is one.
void ring0_serve_interrupts(void);
// The kernel's lock: one ticket for each entry, served in order.
void ring0_acquire(void);
void ring0_release(void);
// There is one processor, and there will be no other: calls leave the lock alone from now on.
void ring0_stop_locking(void);
RING0 void ring0_halt(void) { __asm__ volatile("cli; hlt" : : : "memory"); }
RING0 void ring0_clear_page(void *page) {
  size_t count = 512;
  __asm__ volatile("cld\n\trep stosq" : "+D"(page), "+c"(count) : "a"(0ull) : "memory");
}
RING0 void ring0_copy(void *to, const void *from, size_t count) {
  size_t words = count >> 3, bytes = count & 7;
  __asm__ volatile("cld\n\trep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
// What is written before is seen by a device before what is written after; x86 keeps the order of stores, the compiler
// must too.
RING0 void ring0_order_stores(void) { __asm__ volatile("" : : : "memory"); }
// Stores before are seen before loads after: needed where a driver publishes, then looks at a device's flag.
RING0 void ring0_order_all(void) { __asm__ volatile("lock; orl $0, (%%rsp)" : : : "memory"); }
RING0 uint32_t ring0_load32(uintptr_t address) { return *(volatile uint32_t *)address; }
RING0 void ring0_store32(uintptr_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
RING0 void ring0_cpuid(uint32_t leaf, uint32_t *registers) {
  __asm__ volatile("cpuid"
                   : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
                   : "a"(leaf), "c"(0));
}
RING0 uint16_t ring0_load16(uintptr_t address) { return *(volatile uint16_t *)address; }

extern char books[], private_state[], kernel_image_end[], fixups_start[], fixups_end[], trampoline_start[],
    trampoline_end[], identity_directory[], boot_root[], exposed_table[], frame_table_directory[],
    kernel_frame_table_directory[], gate_interrupt[], disk_rings[], network_rings[], receive_buffers[],
    entry_syscall[], entry_syscall_alone[], entry_syscall_32[], probe_syscall_arrived[];
#define RING0_SYMBOL(name) RING0 uintptr_t ring0_##name##_address(void) { return (uintptr_t)name; }
RING0_SYMBOL(books)
RING0_SYMBOL(private_state)
RING0_SYMBOL(fixups_start)
RING0_SYMBOL(fixups_end)
RING0_SYMBOL(identity_directory)
RING0_SYMBOL(trampoline_start)
RING0_SYMBOL(trampoline_end)
RING0_SYMBOL(kernel_image_end)
RING0_SYMBOL(boot_root)
RING0_SYMBOL(exposed_table)
RING0_SYMBOL(frame_table_directory)
RING0_SYMBOL(kernel_frame_table_directory)
RING0_SYMBOL(gate_interrupt)
RING0_SYMBOL(disk_rings)
RING0_SYMBOL(network_rings)
RING0_SYMBOL(receive_buffers)
RING0_SYMBOL(entry_syscall)
RING0_SYMBOL(entry_syscall_alone)
RING0_SYMBOL(entry_syscall_32)
RING0_SYMBOL(probe_syscall_arrived)

extern uint64_t starting_processor;
RING0 void ring0_set_starting_processor(uint64_t number) { *(volatile uint64_t *)&starting_processor = number; }
// Does not return; declared as if it did, so that it is jumped to as the last thing that somebody does.
int64_t ring0_resume(uint64_t instruction_pointer, uint64_t stack_pointer, uint64_t saved);
// Lets ring 3 use XSAVE and the registers of `mask`, on a processor that has them.
static inline void ring0_enable_vectors(uint32_t mask) {
  uint64_t control;
  __asm__ volatile("mov %%cr4, %0\n\tor $0x40000, %0\n\tmov %0, %%cr4" : "=r"(control));
  __asm__ volatile("xsetbv" : : "c"(0), "a"(mask), "d"(0));
}
_Noreturn void ring0_probe_done(uint32_t kind);
_Noreturn void resume_as_syscall(const void *trap_frame);
uint32_t ring0_probe(uint64_t offset);
