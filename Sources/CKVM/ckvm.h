// The kernel's KVM interface for Swift: linux/kvm.h, and as constants what Swift cannot import from it (ioctl numbers,
// flags made of casts), and the Linux interfaces a virtual machine monitor needs that Swift's C library module leaves
// out. No logic.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include <linux/if_tun.h>

#define CKVM_REQUEST(name) static const unsigned long CKVM_##name = KVM_##name

// System.
CKVM_REQUEST(GET_API_VERSION);
CKVM_REQUEST(CREATE_VM);
CKVM_REQUEST(CHECK_EXTENSION);
CKVM_REQUEST(GET_VCPU_MMAP_SIZE);
CKVM_REQUEST(GET_SUPPORTED_CPUID);

// Virtual machine.
CKVM_REQUEST(SET_USER_MEMORY_REGION);
CKVM_REQUEST(SET_TSS_ADDR);
CKVM_REQUEST(CREATE_IRQCHIP);
CKVM_REQUEST(CREATE_PIT2);
CKVM_REQUEST(CREATE_VCPU);
CKVM_REQUEST(IRQFD);
CKVM_REQUEST(IOEVENTFD);
CKVM_REQUEST(IRQ_LINE);

// vCPU.
CKVM_REQUEST(RUN);
CKVM_REQUEST(GET_REGS);
CKVM_REQUEST(SET_REGS);
CKVM_REQUEST(GET_SREGS);
CKVM_REQUEST(SET_SREGS);
CKVM_REQUEST(GET_MSRS);
CKVM_REQUEST(SET_MSRS);
CKVM_REQUEST(SET_CPUID2);
CKVM_REQUEST(SET_GUEST_DEBUG);
CKVM_REQUEST(GET_VCPU_EVENTS);
CKVM_REQUEST(GET_MP_STATE);
CKVM_REQUEST(GET_STATS_FD);
CKVM_REQUEST(GET_TSC_KHZ);

#undef CKVM_REQUEST

// TAP devices.
#define CKVM_TAP_REQUEST(name) static const unsigned long CKVM_TUN##name = TUN##name
CKVM_TAP_REQUEST(SETIFF);
CKVM_TAP_REQUEST(GETIFF);
CKVM_TAP_REQUEST(SETOFFLOAD);
CKVM_TAP_REQUEST(SETVNETHDRSZ);
CKVM_TAP_REQUEST(SETVNETLE);
#undef CKVM_TAP_REQUEST
