import CKVM

/// Follows vCPU 0 instruction by instruction, by KVM's single step.
///
/// KVM reports every instruction where the guest runs on the processor, and those of ring 0 only where it emulates ring
/// 0. A processor stops stepping where it enters ring 0: there, breakpoints at the kernel's entries take the guest up
/// again. Single steps make a guest some twenty times slower.
@safe public final class InstructionTracer: @unchecked Sendable {
  /// What to do after a step.
  public enum Decision: Sendable {
    /// Report the next one, too.
    case goOn
    /// Let the guest run freely to one of these addresses of its kernel. From then on it stops there also while it is
    /// followed.
    case goOnFrom([UInt64])
    /// Let the guest run freely until it writes to the start port again.
    case pause
  }

  /// Called after each instruction that KVM reports, on the vCPU's thread, with the address of the instruction that
  /// comes next; the vCPU's registers can be read at the cost of a system call. An instruction that leaves for the
  /// hypervisor (a port, device memory) is reported with the one after it.
  public typealias Observer = (_ rip: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) -> Decision

  private let startPort: UInt16
  private let observer: Observer
  /// Where the guest is to stop.
  private var addresses: [UInt64] = []
  private var breakpoints: CodeBreakpoints?
  private var isStepping = false

  /// A tracer that starts after the guest's next store to `startPort`.
  public init(startPort: UInt16, observer: @escaping Observer) {
    self.startPort = startPort
    self.observer = observer
  }

  // MARK: The vCPU's side

  /// Called before the vCPU's thread starts.
  func attach(_ memory: GuestMemory) { breakpoints = CodeBreakpoints(memory: memory) }

  func portWritten(_ port: UInt16, _ processor: inout VirtualCPU) throws(KVMError) {
    if port == CodeBreakpoints.port {
      try processor.completeExit()
      var registers = try processor.registers()
      registers.rip &-= CodeBreakpoints.byteCount
      // The guest's own stores to the port mean nothing.
      guard breakpoints?.contains(registers.rip) == true else { return }
      try processor.setRegisters(registers)
      // KVM steps on from where it was told to.
      isStepping = false
      try step(registers.rip, processor)
    } else if port == startPort {
      try stop(steps: true, before: addresses, processor)
    }
  }

  /// Called after a store to a device was served: KVM forgets to step on behind some of them.
  func deviceServed(_ processor: inout VirtualCPU) throws(KVMError) {
    guard isStepping else { return }
    try processor.completeExit()
    try processor.setSingleStep(true)
  }

  func step(_ rip: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) {
    switch try observer(rip, processor) {
    case .goOn:
      // Past a breakpoint with the instructions that lie under it.
      try stop(steps: true, before: addresses.filter { rip &- $0 >= CodeBreakpoints.byteCount }, processor)
    case .goOnFrom(let addresses):
      self.addresses = addresses
      try stop(steps: false, before: addresses, processor)
    case .pause: try stop(steps: false, before: [], processor)
    }
  }

  private func stop(steps: Bool, before addresses: [UInt64], _ processor: borrowing VirtualCPU) throws(KVMError) {
    breakpoints?.set(at: addresses)
    guard isStepping != steps else { return }
    isStepping = steps
    try processor.setSingleStep(steps)
  }
}
