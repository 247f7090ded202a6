import ExokernelABI
import Hypervisor

/// Counts the ring-0 instructions of each entry into the exokernel, from the steps of an `InstructionTracer`.
///
/// A step tells the address of the instruction that comes next. The kernel is entered at the vectors page, or at
/// `entry_syscall`; it is left by an instruction after which the steps go on in ring 3, or, where KVM does not report
/// ring 3, at the next entry. Where it does, ring 0 runs on the processor, which is met again at a breakpoint: at the
/// entry, or behind the stub of its vector.
final class StepCounter: @unchecked Sendable {
  /// How the kernel was entered.
  enum Entry: Equatable {
    case call(number: UInt64)
    case vector(UInt64)
    case unknown
  }

  /// One stay in ring 0.
  struct Stay {
    /// The mark in force when the kernel was entered.
    let phase: UInt64
    let entry: Entry
    let instructions: Int
  }

  /// Marks of this value and above name phases; the last one ends the trace.
  static let firstMark: UInt64 = 0x1000
  static let endMark: UInt64 = 0x10ff
  /// The phase in which exceptions that come through the kernel would count.
  static let exceptionMark: UInt64 = 0x100e

  private(set) var stays: [Stay] = []
  /// How the calls came that were counted.
  private(set) var kernelEntry = KernelEntry.interrupt
  private var phase: UInt64 = 0
  private var open: (entry: Entry, isMark: Bool, instructions: Int)?
  private let vectors: UInt64
  private let syscalls: [UInt64]
  /// By address: the vector, and how many instructions were executed before that address.
  private let entries: [UInt64: (vector: UInt64, executed: Int)]
  /// The same for what follows the stubs, which only breakpoints lead to: of the devices all count as the first line.
  private let joints: [UInt64: (vector: UInt64, executed: Int)]
  private let breakpoints: [UInt64]
  private let exceptionBreakpoints: [UInt64]
  /// Where the last step led to.
  private var last: UInt64 = 0

  /// A counter for the kernel whose symbols are `symbols`; nil where it is not our kernel.
  init?(_ symbols: SymbolTable) {
    guard let vectors = symbols["vectors"], let syscall = symbols["entry_syscall"], let call = symbols["entry_call"],
      let fault = symbols["entry_page_fault"], let timer = symbols["entry_timer"],
      let device = symbols["entry_device"], let exception = symbols["entry_exception"],
      let callAlone = symbols["entry_call_alone"], let syscallAlone = symbols["entry_syscall_alone"]
    else { return nil }
    self.vectors = vectors
    syscalls = [syscall, syscallAlone]
    // The processor comes to these entries without a stub. KVM may have executed the first instruction before its first
    // report.
    entries = [
      call: (4, 0), call + 4: (4, 1), callAlone: (4, 0), callAlone + 4: (4, 1), fault: (14, 0), fault + 2: (14, 1),
      timer: (0xe0, 0), timer + 1: (0xe0, 1),
    ]
    joints = [device: (0x30, 3), exception: (3, 3)]
    breakpoints = syscalls + [fault, timer, device]
    exceptionBreakpoints = syscalls + [exception, timer, device]
  }

  /// Takes one step.
  func step(_ next: UInt64, _ processor: borrowing VirtualCPU) throws(KVMError) -> InstructionTracer.Decision {
    defer { last = next }
    guard next >= AddressMap.directMap else {
      close()
      guard phase != Self.endMark else { return .pause }
      return .goOnFrom(phase == Self.exceptionMark ? exceptionBreakpoints : breakpoints)
    }
    if let start = entry(at: next, isInside: open != nil) {
      close()
      try begin(start.entry, executed: start.executed, processor)
    } else if open != nil {
      // A string instruction is one instruction, however often it repeats; some KVMs report each of its rounds.
      if next != last { open?.instructions += 1 }
    } else {
      open = (.unknown, true, 1)
    }
    return phase == Self.endMark && open?.isMark == false ? .pause : .goOn
  }

  private func entry(at next: UInt64, isInside: Bool) -> (entry: Entry, executed: Int)? {
    if next >= vectors, next < vectors + 4096 {
      let offset = (next - vectors) % 16
      // Inside a stub and already counting: the second instruction of the same entry.
      if isInside, offset != 0, case .vector((next - vectors) / 16) = open?.entry { return nil }
      return (.vector((next - vectors) / 16), offset == 0 ? 0 : 1)
    }
    // SYSCALL comes by there on its way.
    if let entry = entries[next], !(entry.vector == 4 && open?.entry == .vector(256)) {
      if isInside, entry.executed == 1, open?.instructions == 0 { return nil }
      return (.vector(entry.vector), entry.executed)
    }
    if let joint = joints[next], !(vectors..<vectors + 4096).contains(last) {
      return (.vector(joint.vector), joint.executed)
    }
    // The second instruction of an entry is eight bytes behind it.
    for syscall in syscalls where next == syscall || next == syscall + 8 {
      if isInside, case .vector(256) = open?.entry { return nil }
      return (.vector(256), next == syscall ? 0 : 1)
    }
    return nil
  }

  private func begin(_ entry: Entry, executed: Int, _ processor: borrowing VirtualCPU) throws(KVMError) {
    guard entry == .vector(4) || entry == .vector(256) else {
      open = (entry, false, executed)
      return
    }
    kernelEntry = entry == .vector(256) ? .syscall : .interrupt
    let registers = try processor.registers()
    let isMark = registers.rax == 0 && registers.rdi >= Self.firstMark && registers.rdi <= Self.endMark
    if isMark { phase = registers.rdi }
    // The entry's address is kept with the vector until the stay ends, so that a second report of the stub is known.
    open = (entry, isMark, executed)
    calls = registers.rax
  }

  private var calls: UInt64 = 0

  private func close() {
    guard let stay = open else { return }
    open = nil
    guard !stay.isMark else { return }
    // The last report announced the instruction that left the kernel.
    let entry: Entry = stay.entry == .vector(4) || stay.entry == .vector(256) ? .call(number: calls) : stay.entry
    stays.append(Stay(phase: phase, entry: entry, instructions: stay.instructions + 1))
  }
}
