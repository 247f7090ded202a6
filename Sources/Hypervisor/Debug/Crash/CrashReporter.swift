import CKVM
import CodeMap
import ExokernelABI
import Synchronization

/// Tells where a machine's programs and its kernel crash: the kernel says in three ports that it has, and what follows
/// is found in the guest's stacks and the maps of its code, which are read only then.
///
/// Used on the thread of the vCPU that has crashed, while that one is out of the guest. Others may run on: what is read
/// is the stack of one processor and of the environment that runs there.
final class CrashReporter: Sendable {
  private let memory: GuestMemory
  private let maps: CodeMapSource
  private let print: @Sendable (String) -> Void
  /// Maps that there are, nil for the kernel's, and empty ones where reading has failed: who crashes again and again
  /// costs the others little, for the kernel's lock is held meanwhile. Names of which nothing is known are not kept: a
  /// guest can make up any number.
  private let known = Mutex<[String?: CodeMap]>([:])

  /// `maps` gives the map of a program's code, or of the kernel's where the name is nil; `print` writes onto the
  /// console.
  init(
    memory: GuestMemory, maps: @escaping CodeMapSource, print: @escaping @Sendable (String) -> Void
  ) {
    self.memory = memory
    self.maps = maps
    self.print = print
  }

  /// The kernel has ended an environment, or itself, because of `instruction`; `record` is the physical address of the
  /// environment's record, or 0 for the kernel.
  func report(instruction: UInt64, record: UInt64, _ processor: borrowing VirtualCPU) {
    guard let walk = walk(program: name(at: record), processor), let registers = try? processor.registers() else {
      return
    }
    let frames = walk.frames(from: FrameRegisters(registers))
    if let first = frames.firstIndex(where: { $0.isExact && $0.instruction == instruction }) {
      print(CrashReport(frames: Array(frames[first...]), walk: walk).text)
    } else if instruction != 0 {
      // Nobody has kept its registers: a library without call frames has been told of the fault, and has declined to
      // serve it.
      var alone = FrameRegisters(registers)
      alone.values = Array(repeating: nil, count: alone.values.count)
      alone.values[FrameRegisters.instructionPointer] = instruction
      print(CrashReport(frames: [alone], walk: walk).text)
    } else {
      print(CrashReport(frames: frames, walk: walk).text)
    }
  }

  /// KVM, or the processor, could not go on at the instruction where the vCPU stands. `bytes` are the instruction's,
  /// where KVM told them.
  func reportEnd(instruction bytes: [UInt8], _ processor: borrowing VirtualCPU) {
    guard let registers = try? processor.registers(), let walk = walk(program: nil, processor) else { return }
    let code = bytes.isEmpty ? walk.memory.bytes(at: registers.rip, count: 15) : bytes
    let text =
      code.isEmpty
      ? "no memory is there" : code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    print("[xokvm] instruction \(hexadecimal(registers.rip)): \(text)\n")
    print(CrashReport(frames: walk.frames(from: FrameRegisters(registers)), walk: walk).text)
  }

  private func map(of program: String?) -> CodeMap {
    known.withLock { known in
      if let map = known[program] { return map }
      do throws(CodeMap.ReadingError) {
        guard let map = try maps(program) else { return CodeMap() }
        known[program] = map
        return map
      } catch {
        print("[xokvm] no lines of \(program.map(printable) ?? "the kernel"): its file \(error)\n")
        known[program] = CodeMap()
        return CodeMap()
      }
    }
  }

  private func walk(program: String?, _ processor: borrowing VirtualCPU) -> StackWalk? {
    guard let system = try? processor.systemRegisters() else { return nil }
    return StackWalk(
      kernel: map(of: nil), program: program.map(map) ?? CodeMap(),
      memory: PageTableWalk(memory: memory, cr0: system.cr0, cr3: system.cr3))
  }

  /// The program's name in an environment's record, or in its maker's where it has none: what a program makes runs the
  /// same code. Nil where there is no record.
  private func name(at record: UInt64) -> String? {
    var place = record
    let size = UInt64(MemoryLayout<EnvironmentRecord>.stride)
    guard place != 0, let own = try? memory.load(EnvironmentRecord.self, at: GuestAddress(place)) else { return nil }
    let table = place &- UInt64(Handle.index(own.handle)) &* size
    var environment = own
    for _ in 0..<BooksLayout.environments where environment.name.0 == 0 && environment.creatorPlusOne != 0 {
      place = table &+ UInt64(environment.creatorPlusOne &- 1) &* size
      guard let maker = try? memory.load(EnvironmentRecord.self, at: GuestAddress(place)) else { return nil }
      environment = maker
    }
    let bytes = [environment.name.0, environment.name.1].flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// The ports by which the kernel tells of a crash (`MachinePort.crash`): instruction, low and high half, then the
/// record, whose store makes the report. The words are the vCPU's own: each thread has a value of this type.
struct CrashPorts {
  private var low: UInt32 = 0
  private var high: UInt32 = 0

  /// Takes a store; true, with the instruction and the record, where the report is to be made.
  mutating func store(_ port: UInt16, _ value: UInt32) -> (instruction: UInt64, record: UInt64)? {
    switch port {
    case MachinePort.crash: low = value
    case MachinePort.crash + 4: high = value
    case MachinePort.crash + 8: return (UInt64(high) << 32 | UInt64(low), UInt64(value))
    default: break
    }
    return nil
  }
}
