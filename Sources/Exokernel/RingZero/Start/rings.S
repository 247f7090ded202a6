# Virtqueues of the kernel's drivers, filled in at link time. Layouts: virtio 1.2, section 2.7.
#include "layout.inc"

.set NEXT, 1
.set DEVICE_WRITES, 2

# ---------------------------------------------------------------- disks: 8 KiB each
# 0: 128 descriptors; 2048: available ring; 2560: used ring; 4096: 32 request headers; 4608: 32 status bytes.
# Request n owns descriptors 3n (header), 3n+1 (data), 3n+2 (status); only the data descriptor changes. Those from
# 96 on, one for each request, are for headers of flushes, which have no data; the driver fills them in.
.section .rings, "aw", @progbits
.balign 4096
.globl disk_rings
disk_rings:
.rept 4
10:
  .set request, 0
  .rept 32
    .quad 10b - KERNEL_BASE + 4096 + request * 16
    .long 16
    .word NEXT, request * 3 + 1
    .quad 0
    .long 0
    .word NEXT, request * 3 + 2
    .quad 10b - KERNEL_BASE + 4608 + request
    .long 1
    .word DEVICE_WRITES, 0
    .set request, request + 1
  .endr
  .fill 8192 - 32 * 48, 1, 0
.endr

# ---------------------------------------------------------------- network interfaces: 16 KiB each
# Receive, 64 descriptors. 0: descriptors; 1024: available ring, all buffers in it; 1280: used ring. Send, 256
# descriptors. 2048: used ring; 4608: available ring; 8192: descriptors, chained as a free list. 12288: 256 headers of
# 16 bytes.
.globl network_rings
network_rings:
.set interface, 0
.rept 2
11:
  .set buffer, 0
  .rept 64
    .quad receive_buffers - KERNEL_BASE + (interface * 64 + buffer) * 2048
    .long 2048
    .word DEVICE_WRITES, 0
    .set buffer, buffer + 1
  .endr
  .word 0, 64
  .set buffer, 0
  .rept 64
    .word buffer
    .set buffer, buffer + 1
  .endr
  .fill 8192 - 1024 - 4 - 128, 1, 0
  .set buffer, 0
  .rept 256
    .quad 0
    .long 0
    .word 0, (buffer + 1) & 0xff
    .set buffer, buffer + 1
  .endr
  .fill 4096, 1, 0
  .set interface, interface + 1
.endr
