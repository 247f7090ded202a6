import CKVM
import CodeMap
import ExokernelABI

/// The registers of one frame, as far as they are known, by the numbers of the System V ABI
/// (`UnwindRule.Frame.register`); number 16 is the instruction pointer.
struct FrameRegisters: Equatable {
  static let stackPointer = 7
  static let instructionPointer = 16
  static let names = [
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
  ]

  var values: [UInt64?]
  /// True where the instruction pointer is that of an instruction that was interrupted, not one behind a call.
  var isExact = true

  init(_ registers: kvm_regs) {
    values = [
      registers.rax, registers.rdx, registers.rcx, registers.rbx, registers.rsi, registers.rdi, registers.rbp,
      registers.rsp, registers.r8, registers.r9, registers.r10, registers.r11, registers.r12, registers.r13,
      registers.r14, registers.r15, registers.rip,
    ]
  }

  var instruction: UInt64 { values[Self.instructionPointer] ?? 0 }
  /// An address of the instruction that the frame is in: that of a call lies before the address it returns to.
  var address: UInt64 { isExact ? instruction : instruction &- 1 }
}

/// Finds the frames of a processor's stack by the call frame information of the code that runs: from the kernel through
/// its entry and the gate page into a program, and there through the library's upcall entries to the code that was
/// interrupted.
struct StackWalk {
  /// The kernel's code map.
  let kernel: CodeMap
  /// The program's.
  let program: CodeMap
  let memory: PageTableWalk
  /// Where the first gate page lies in the kernel's image; all have their code at the same places.
  private let gateImage: UInt64

  init(kernel: CodeMap, program: CodeMap, memory: PageTableWalk) {
    self.kernel = kernel
    self.program = program
    self.memory = memory
    gateImage = kernel.functions.first { kernel.names[$0.name] == "gate_interrupt" }?.range.lowerBound ?? 0
  }

  /// Most frames of a walk: a stack that has overflowed has many, and a damaged one may lead in a circle.
  static let limit = 256

  /// The map that knows `address`, and the address by which it knows it: the gate page is a part of the kernel's image.
  func code(at address: UInt64) -> (map: CodeMap, address: UInt64) {
    if address >= AddressMap.gatePage, address &- AddressMap.gatePage < 4096 {
      return (kernel, gateImage &+ (address &- AddressMap.gatePage))
    }
    return (address >= AddressMap.directMap ? kernel : program, address)
  }

  /// The frames from `first` on, the innermost first. Ends where nobody knows the caller.
  func frames(from first: FrameRegisters) -> [FrameRegisters] {
    var frames = [first]
    while frames.count < Self.limit, let next = caller(of: frames[frames.count - 1]), next.instruction != 0,
      next != frames[frames.count - 1]
    {
      frames.append(next)
    }
    return frames
  }

  private func caller(of frame: FrameRegisters) -> FrameRegisters? {
    let place = code(at: frame.address)
    guard let rule = place.map.unwindRule(at: place.address), let start = rule.frame,
      frame.values.indices.contains(start.register), let base = frame.values[start.register]
    else { return nil }
    let frameStart = base &+ UInt64(bitPattern: start.offset)
    var next = frame
    next.values[FrameRegisters.stackPointer] = frameStart
    next.values[FrameRegisters.instructionPointer] = nil
    // Functions may change these, and nobody has kept them, but where an interrupt's entry has.
    for register in [0, 1, 2, 4, 5, 8, 9, 10, 11] { next.values[register] = nil }
    for saved in rule.saved where next.values.indices.contains(saved.register) {
      next.values[saved.register] = memory.word(at: frameStart &+ UInt64(bitPattern: saved.offset))
    }
    next.isExact = rule.isInterrupt
    return next.values[FrameRegisters.instructionPointer] == nil ? nil : next
  }
}
