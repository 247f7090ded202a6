import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One vCPU and the page through which KVM tells why it left the guest. One thread at a time runs it and reads its
/// registers; only `kick` may come from another.
@safe public struct VirtualCPU: ~Copyable {
  private let descriptor: OwnedDescriptor
  private let hasStatistics: Bool
  private let run: UnsafeMutablePointer<kvm_run>
  private let runByteCount: Int

  init(descriptor: consuming OwnedDescriptor, runByteCount: Int, hasStatistics: Bool) throws(KVMError) {
    let fd = descriptor.rawValue
    guard runByteCount >= MemoryLayout<kvm_run>.size,
      let mapping = unsafe mmap(nil, runByteCount, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
      unsafe mapping != MAP_FAILED
    else { throw .refused(request: "mmap of kvm_run", Errno(rawValue: errno)) }
    self.descriptor = descriptor
    self.hasStatistics = hasStatistics
    self.runByteCount = runByteCount
    // Safe: KVM maps at least a kvm_run, which was checked.
    unsafe run = mapping.bindMemory(to: kvm_run.self, capacity: 1)
  }

  deinit {
    // Safe: nobody runs the vCPU any more, its owner is going away.
    unsafe munmap(run, runByteCount)
  }

  /// Enters the guest until something has to be done.
  ///
  /// After `.port` and `.mmio` the data is in `portData` and `mmioData`; loads are answered by storing there before the
  /// next call.
  public mutating func enter() throws(KVMError) -> Exit {
    do {
      guard try KVMCall.run(descriptor) != nil else { return .interrupted }
    } catch {
      throw .refused(request: "KVM_RUN", error)
    }
    return exit
  }

  /// Lets KVM end the instruction for which `enter` has returned `.port` or `.mmio`, and runs none after it. A kick
  /// that comes meanwhile is lost: who sends one has told the machine before that it ends.
  mutating func completeExit() throws(KVMError) {
    // Safe: as in `Kicker`.
    unsafe run.pointee.immediate_exit = 1
    _ = try enter()
    unsafe run.pointee.immediate_exit = 0
  }

  private var exit: Exit {
    // Safe throughout: KVM has filled in the member of the union that belongs to the reason.
    let reason = unsafe run.pointee.exit_reason
    switch Int32(truncatingIfNeeded: reason) {
    case KVM_EXIT_IO:
      let io = unsafe run.pointee.io
      return .port(
        number: io.port, isWrite: io.direction == KVM_EXIT_IO_OUT, byteCount: Int(io.size), count: Int(io.count))
    case KVM_EXIT_MMIO:
      let mmio = unsafe run.pointee.mmio
      return .mmio(
        address: GuestAddress(mmio.phys_addr), isWrite: mmio.is_write != 0, byteCount: Int(min(mmio.len, 8)))
    case KVM_EXIT_HLT: return .halt
    case KVM_EXIT_SHUTDOWN: return .shutdown
    case KVM_EXIT_INTR: return .interrupted
    case KVM_EXIT_DEBUG:
      let arch = unsafe run.pointee.debug.arch
      return .debug(rip: arch.pc, dr6: arch.dr6)
    case KVM_EXIT_INTERNAL_ERROR: return internalError
    case KVM_EXIT_FAIL_ENTRY: return .failedEntry(reason: unsafe run.pointee.fail_entry.hardware_entry_failure_reason)
    case KVM_EXIT_SYSTEM_EVENT: return .systemEvent(unsafe run.pointee.system_event.type)
    default: return .unknown(reason)
    }
  }

  private var internalError: Exit {
    let failure = unsafe run.pointee.emulation_failure
    var instruction: [UInt8] = []
    // KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES, valid where KVM gave at least the words that hold them.
    if failure.suberror == KVM_INTERNAL_ERROR_EMULATION, failure.ndata >= 3, failure.flags & 1 != 0 {
      // Safe: the bytes of a tuple of 15.
      unsafe withUnsafeBytes(of: failure.insn_bytes) { bytes in
        instruction = unsafe Array(bytes.prefix(Int(failure.insn_size)))
      }
    }
    return .internalError(suberror: failure.suberror, instruction: instruction)
  }

  /// The bytes of the last `.port` exit: `count` items of `byteCount`; empty if KVM's description of them makes no
  /// sense.
  @unsafe var portData: UnsafeMutableRawBufferPointer {
    let io = unsafe run.pointee.io
    let length = Int(io.size) * Int(io.count)
    guard let offset = Int(exactly: io.data_offset), offset <= runByteCount, length <= runByteCount - offset else {
      return unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
    // Safe: the range lies within the mapping, as was just checked.
    return unsafe UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(run) + offset, count: length)
  }

  /// The first item of the last `.port` exit, little-endian.
  var portValue: UInt32 {
    // Safe: bytes of the exit's data, which stays in place until the next entry.
    let data = unsafe portData
    return unsafe data.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The data of the last `.mmio` exit, little-endian.
  var mmioData: UInt64 {
    get {
      // Safe: eight bytes read as an integer.
      unsafe withUnsafeBytes(of: run.pointee.mmio.data) { unsafe $0.loadUnaligned(as: UInt64.self) }
    }
    set {
      // Safe: eight bytes written as an integer.
      unsafe withUnsafeMutableBytes(of: &run.pointee.mmio.data) { unsafe $0.storeBytes(of: newValue, as: UInt64.self) }
    }
  }

  /// A handle by which another thread makes `enter` return. It must not be used after the vCPU is gone.
  var kicker: Kicker {
    unsafe Kicker(run: run)
  }

  /// Makes a vCPU's next `enter` return at once; with a signal to its thread, the present one as well.
  @safe struct Kicker: @unchecked Sendable {
    fileprivate let run: UnsafeMutablePointer<kvm_run>

    func requestExit() {
      // Safe: KVM means this byte to be written at any time; it reads it after it has unblocked signals.
      unsafe run.pointee.immediate_exit = 1
    }
  }

  // MARK: State

  /// The general registers, RIP and RFLAGS.
  public func registers() throws(KVMError) -> kvm_regs {
    var registers = kvm_regs()
    try request("KVM_GET_REGS") { (fd) throws(Errno) in
      // Safe: the structure of the request; so in all of this group.
      try unsafe KVMCall.structure(fd, CKVM_GET_REGS, &registers)
    }
    return registers
  }

  /// Sets the general registers, RIP and RFLAGS.
  public func setRegisters(_ registers: kvm_regs) throws(KVMError) {
    var registers = registers
    try request("KVM_SET_REGS") { (fd) throws(Errno) in
      try unsafe KVMCall.structure(fd, CKVM_SET_REGS, &registers)
    }
  }

  /// Segments, descriptor tables, control registers and EFER.
  public func systemRegisters() throws(KVMError) -> kvm_sregs {
    var registers = kvm_sregs()
    try request("KVM_GET_SREGS") { (fd) throws(Errno) in
      try unsafe KVMCall.structure(fd, CKVM_GET_SREGS, &registers)
    }
    return registers
  }

  /// Sets segments, descriptor tables, control registers and EFER.
  public func setSystemRegisters(_ registers: kvm_sregs) throws(KVMError) {
    var registers = registers
    try request("KVM_SET_SREGS") { (fd) throws(Errno) in
      try unsafe KVMCall.structure(fd, CKVM_SET_SREGS, &registers)
    }
  }

  /// Sets what CPUID answers. Before the first `enter` only.
  public func setCPUID(_ table: CPUID) throws(KVMError) {
    try request("KVM_SET_CPUID2") { (fd) throws(Errno) in
      // Safe: the table has the entries that its count says.
      try unsafe table.store { (pointer) throws(Errno) in try unsafe KVMCall.raw(fd, CKVM_SET_CPUID2, pointer) }
    }
  }

  /// Whether `enter` stops after each instruction that KVM can report: all of them where the guest runs on the
  /// processor, those of ring 0 where KVM emulates it.
  public func setSingleStep(_ isOn: Bool) throws(KVMError) {
    var debug = kvm_guest_debug()
    if isOn { debug.control = UInt32(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP) }
    try request("KVM_SET_GUEST_DEBUG") { (fd) throws(Errno) in
      try unsafe KVMCall.structure(fd, CKVM_SET_GUEST_DEBUG, &debug)
    }
  }

  /// Frequency of the guest's timestamp counter in kHz, or 0 where KVM does not tell.
  var timestampKilohertz: UInt32 {
    UInt32((try? KVMCall.value(descriptor, CKVM_GET_TSC_KHZ)) ?? 0)
  }

  /// KVM's own counters for this vCPU, or nil where this KVM has none to offer.
  func statistics() -> KVMStatistics? {
    guard hasStatistics, let fd = try? KVMCall.value(descriptor, CKVM_GET_STATS_FD) else { return nil }
    return KVMStatistics(OwnedDescriptor(fd))
  }

  private func request(
    _ name: String, _ call: (borrowing OwnedDescriptor) throws(Errno) -> Void
  ) throws(KVMError) {
    do {
      try call(descriptor)
    } catch {
      throw .refused(request: name, error)
    }
  }
}
