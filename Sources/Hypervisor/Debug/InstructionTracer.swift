import CKVM

/// Follows vCPU 0 instruction by instruction, by KVM's single step.
///
/// KVM reports every instruction where the guest runs on the processor, and those of ring 0 only where it emulates ring 0. Counts
/// of ring 0 agree between the two, so `isKernel` tells what to count. Single steps make a guest some twenty times slower.
@safe public final class InstructionTracer: @unchecked Sendable {
  /// What to do after a step.
  public enum Decision: Sendable {
    /// Report the next one, too.
    case goOn
    /// Let the guest run freely until it writes to the start port again.
    case pause
  }

  /// Called after each instruction that KVM reports, on the vCPU's thread, with the address of the instruction that comes next;
  /// the vCPU's registers can be read at the cost of a system call. An instruction that leaves for the hypervisor (a port, device
  /// memory) is reported with the one after it.
  public typealias Observer = (_ rip: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) -> Decision

  private let startPort: UInt16?
  private let blocksInterrupts: Bool
  private let observer: Observer
  private var isStepping = false

  /// A tracer that starts with the guest's first instruction or, with `startPort`, after the guest's next store to that port.
  /// With `blockingInterrupts` none is delivered while it steps, so that a path can be counted alone.
  public init(startPort: UInt16? = nil, blockingInterrupts: Bool = false, observer: @escaping Observer) {
    self.startPort = startPort
    blocksInterrupts = blockingInterrupts
    self.observer = observer
  }

  /// Whether the instruction at `rip` runs in ring 0 of a kernel in the upper half of the address space: the code segment's
  /// privilege level is read (a system call) for addresses of that half only.
  public static func isKernel(_ rip: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) -> Bool {
    guard rip >= 0xffff_8000_0000_0000 else { return false }
    return try processor.systemRegisters().cs.selector & 3 == 0
  }

  // MARK: The vCPU's side, on its thread

  func begin(_ processor: borrowing VirtualCPU) throws(KVMError) {
    if startPort == nil { try setStepping(true, processor) }
  }

  func portWritten(_ port: UInt16, _ processor: borrowing VirtualCPU) throws(KVMError) {
    if port == startPort { try setStepping(true, processor) }
  }

  func step(_ rip: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) {
    switch try observer(rip, processor) {
    case .goOn: break
    case .pause: try setStepping(false, processor)
    }
  }

  private func setStepping(_ isOn: Bool, _ processor: borrowing VirtualCPU) throws(KVMError) {
    guard isStepping != isOn else { return }
    isStepping = isOn
    try processor.setSingleStep(isOn, blockingInterrupts: blocksInterrupts)
  }
}
