import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// KVM's object for one virtual machine: its memory slots, interrupt controller, event descriptors and vCPUs.
public struct VirtualMachineDescriptor: ~Copyable {
  private let descriptor: OwnedDescriptor
  private let processorLimit: Int
  private let runByteCount: Int
  /// Whether KVM's local APIC offers TSC-deadline mode, which its CPUID table does not tell.
  let hasDeadlineTimer: Bool
  private let hasStatistics: Bool

  init(
    descriptor: consuming OwnedDescriptor, processorLimit: Int, runByteCount: Int, hasDeadlineTimer: Bool,
    hasStatistics: Bool
  ) {
    self.descriptor = descriptor
    self.processorLimit = processorLimit
    self.runByteCount = runByteCount
    self.hasDeadlineTimer = hasDeadlineTimer
    self.hasStatistics = hasStatistics
  }

  /// Shows `memory` to the guest, one slot per region. The memory must outlive this object and its vCPUs.
  ///
  /// To be called before `makeInterruptController`: KVM waits for a grace period of its readers with each change of the
  /// slots, and that is several times longer once the controller's buses exist.
  public func register(_ memory: GuestMemory) throws(KVMError) {
    for (number, region) in memory.regions.enumerated() {
      var slot = kvm_userspace_memory_region(
        slot: UInt32(number), flags: 0, guest_phys_addr: region.address.rawValue,
        memory_size: UInt64(region.byteCount), userspace_addr: region.hostAddress)
      try refusing("KVM_SET_USER_MEMORY_REGION") { (fd) throws(Errno) in
        // Safe: the structure of the request; it names memory that the caller keeps.
        try unsafe KVMCall.structure(fd, CKVM_SET_USER_MEMORY_REGION, &slot)
      }
    }
  }

  /// Makes KVM's interrupt controllers (two 8259, an I/O APIC, a local APIC in each vCPU made later) and the 8254
  /// timer.
  public func makeInterruptController() throws(KVMError) {
    try refusing("KVM_SET_TSS_ADDR") { (fd) throws(Errno) in
      // Three pages that VMX without unrestricted guests needs for real mode; below the firmware's place, outside RAM.
      _ = try KVMCall.value(fd, CKVM_SET_TSS_ADDR, 0xfffb_d000)
    }
    try refusing("KVM_CREATE_IRQCHIP") { (fd) throws(Errno) in _ = try KVMCall.value(fd, CKVM_CREATE_IRQCHIP) }
    var timer = kvm_pit_config()
    // A PC speaker port that reads as one, without sound.
    timer.flags = UInt32(KVM_PIT_SPEAKER_DUMMY)
    try refusing("KVM_CREATE_PIT2") { (fd) throws(Errno) in
      // Safe: the structure of the request.
      try unsafe KVMCall.structure(fd, CKVM_CREATE_PIT2, &timer)
    }
  }

  /// Makes vCPU `number`; 0 is the one that starts, the others wait for INIT and SIPI.
  public func makeProcessor(_ number: Int) throws(KVMError) -> VirtualCPU {
    guard number < processorLimit else { throw .tooManyProcessors(asked: number + 1, most: processorLimit) }
    let fd: Int32
    do {
      fd = try KVMCall.value(descriptor, CKVM_CREATE_VCPU, number)
    } catch {
      throw .refused(request: "KVM_CREATE_VCPU", error)
    }
    return try VirtualCPU(descriptor: OwnedDescriptor(fd), runByteCount: runByteCount, hasStatistics: hasStatistics)
  }

  /// From now on each signal of the eventfd `event` raises one (edge) interrupt on input `line` of the interrupt
  /// controllers.
  public func connect(interrupt event: Int32, toLine line: UInt32) throws(KVMError) {
    var wire = kvm_irqfd()
    wire.fd = UInt32(bitPattern: event)
    wire.gsi = line
    try refusing("KVM_IRQFD") { (fd) throws(Errno) in
      // Safe: the structure of the request; KVM takes its own reference to the eventfd.
      try unsafe KVMCall.structure(fd, CKVM_IRQFD, &wire)
    }
  }

  /// From now on a guest store of `byteCount` (1, 2, 4, 8, or 0 for any) bytes at `address` signals the eventfd `event`
  /// instead of leaving to the VMM; with `value`, only a store of that value does.
  public func connect(
    doorbell event: Int32, at address: GuestAddress, byteCount: Int = 4, value: UInt64? = nil
  ) throws(KVMError) {
    var bell = kvm_ioeventfd()
    bell.fd = event
    bell.addr = address.rawValue
    bell.len = UInt32(truncatingIfNeeded: byteCount)
    if let value {
      bell.datamatch = value
      // KVM_IOEVENTFD_FLAG_DATAMATCH
      bell.flags = 1
    }
    try refusing("KVM_IOEVENTFD") { (fd) throws(Errno) in
      // Safe: the structure of the request; KVM takes its own reference to the eventfd.
      try unsafe KVMCall.structure(fd, CKVM_IOEVENTFD, &bell)
    }
  }

  private func refusing(
    _ request: String, _ call: (borrowing OwnedDescriptor) throws(Errno) -> Void
  ) throws(KVMError) {
    do {
      try call(descriptor)
    } catch {
      throw .refused(request: request, error)
    }
  }
}
