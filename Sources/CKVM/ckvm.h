// The kernel's KVM interface for Swift: linux/kvm.h, and as constants what Swift cannot import from it (ioctl numbers).
// No logic.
#pragma once
#include <linux/kvm.h>
