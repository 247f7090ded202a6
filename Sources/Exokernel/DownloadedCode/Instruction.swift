/// A register of the eBPF machine (RFC 9669, section 2).
public enum Register: UInt8, Sendable {
  /// The verdict.
  case r0
  /// On entry: the address of the packet's first byte, which is 0.
  case r1
  /// On entry: the packet's length in bytes.
  case r2
  // Free for the program, undefined on entry.
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case r3, r4, r5, r6, r7, r8, r9
  /// The end of the stack. May only be the base of a load or store.
  case r10
}

/// The three low bits of an opcode (RFC 9669, section 3.2).
public enum InstructionClass: UInt8, Sendable {
  /// Non-standard loads; here only the 64-bit immediate.
  case load
  /// Load from memory into a register.
  case loadRegister
  /// Store an immediate to memory.
  case storeImmediate
  /// Store a register to memory.
  case storeRegister
  /// 32-bit arithmetic.
  case arithmetic32
  /// Jumps comparing 64 bits.
  case jump64
  /// Jumps comparing 32 bits.
  case jump32
  /// 64-bit arithmetic.
  case arithmetic64
}

/// The four high bits of an arithmetic opcode (RFC 9669, section 4.1).
public enum ArithmeticOperation: UInt8, Sendable {
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case add, subtract, multiply, divide, or, and, shiftLeft, shiftRight, negate, modulo, exclusiveOr, move
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case arithmeticShiftRight, byteSwap
}

/// The four high bits of a jump opcode (RFC 9669, section 4.3).
public enum JumpOperation: UInt8, Sendable {
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case always, equal, greater, greaterOrEqual, anyBitSet, notEqual, signedGreater, signedGreaterOrEqual, call, exit
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case less, lessOrEqual, signedLess, signedLessOrEqual
}

/// How many bytes a load or store moves (RFC 9669, section 5).
public enum MemorySize: UInt8, Sendable {
  // swift-format-ignore: AllPublicDeclarationsHaveDocumentation
  case word, halfWord, byte, doubleWord

  /// The size in bytes.
  public var byteCount: Int {
    switch self {
    case .byte: 1
    case .halfWord: 2
    case .word: 4
    case .doubleWord: 8
    }
  }
}

/// One 64-bit eBPF instruction in the basic encoding, little-endian (RFC 9669, section 3.1).
///
/// Any bit pattern is a value of this type; `FilterProgram.verify` decides which ones are instructions.
public struct Instruction: Equatable, Sendable, BitwiseCopyable {
  /// The encoded instruction: opcode, registers, offset and immediate, from the lowest byte up.
  public var word: UInt64

  /// The instruction encoded as `word`.
  public init(word: UInt64) { self.word = word }

  /// An instruction from its fields; `destination` and `source` are register numbers of which four bits are kept.
  public init(opcode: UInt8, destination: UInt8 = 0, source: UInt8 = 0, offset: Int16 = 0, immediate: Int32 = 0) {
    let registers = UInt64(destination & 15) | UInt64(source & 15) &<< 4
    let low = UInt64(opcode) | registers &<< 8 | UInt64(UInt16(bitPattern: offset)) &<< 16
    word = low | UInt64(UInt32(bitPattern: immediate)) &<< 32
  }

  /// What to do: class in the three low bits.
  public var opcode: UInt8 { UInt8(truncatingIfNeeded: word) }
  /// The number of the destination register, 0 to 15 as encoded.
  public var destination: UInt8 { UInt8(truncatingIfNeeded: word &>> 8) & 15 }
  /// The number of the source register, 0 to 15 as encoded.
  public var source: UInt8 { UInt8(truncatingIfNeeded: word &>> 12) & 15 }
  /// The displacement of a memory access in bytes or of a jump in instructions.
  public var offset: Int16 { Int16(truncatingIfNeeded: word &>> 16) }
  /// The immediate operand.
  public var immediate: Int32 { Int32(truncatingIfNeeded: word &>> 32) }
}

// MARK: Assembler

extension Instruction {
  /// The bit of arithmetic and jump opcodes that says: the operand is the source register, not the immediate.
  static let sourceBit: UInt8 = 0x08

  /// `destination = destination OPERATION immediate`; `is64` chooses the width.
  public static func arithmetic(
    _ operation: ArithmeticOperation, _ destination: Register, _ immediate: Int32, is64: Bool = true
  ) -> Instruction {
    let group: InstructionClass = is64 ? .arithmetic64 : .arithmetic32
    return Instruction(
      opcode: operation.rawValue &<< 4 | group.rawValue, destination: destination.rawValue, immediate: immediate)
  }

  /// `destination = destination OPERATION source`; `is64` chooses the width.
  public static func arithmetic(
    _ operation: ArithmeticOperation, _ destination: Register, _ source: Register, is64: Bool = true
  ) -> Instruction {
    let group: InstructionClass = is64 ? .arithmetic64 : .arithmetic32
    return Instruction(
      opcode: operation.rawValue &<< 4 | sourceBit | group.rawValue, destination: destination.rawValue,
      source: source.rawValue)
  }

  /// Converts the low `bitCount` (16, 32 or 64) bits of `register` between host and big-endian order, clearing the
  /// rest.
  public static func toBigEndian(_ register: Register, bitCount: Int32) -> Instruction {
    Instruction(
      opcode: ArithmeticOperation.byteSwap.rawValue &<< 4 | sourceBit | InstructionClass.arithmetic32.rawValue,
      destination: register.rawValue, immediate: bitCount)
  }

  /// `destination = *(SIZE *)(base + offset)`, zero-extended.
  public static func load(_ destination: Register, _ size: MemorySize, _ base: Register, _ offset: Int16) -> Instruction
  {
    Instruction(
      opcode: 0x60 | size.rawValue &<< 3 | InstructionClass.loadRegister.rawValue, destination: destination.rawValue,
      source: base.rawValue, offset: offset)
  }

  /// `*(SIZE *)(base + offset) = source`.
  public static func store(_ size: MemorySize, _ base: Register, _ offset: Int16, _ source: Register) -> Instruction {
    Instruction(
      opcode: 0x60 | size.rawValue &<< 3 | InstructionClass.storeRegister.rawValue, destination: base.rawValue,
      source: source.rawValue, offset: offset)
  }

  /// Continues `offset` instructions after the next one if `register OPERATION immediate` holds; `is64` chooses the
  /// width.
  public static func jump(
    _ operation: JumpOperation, _ register: Register, _ immediate: Int32, to offset: Int16, is64: Bool = true
  ) -> Instruction {
    let group: InstructionClass = is64 ? .jump64 : .jump32
    return Instruction(
      opcode: operation.rawValue &<< 4 | group.rawValue, destination: register.rawValue, offset: offset,
      immediate: immediate)
  }

  /// Ends the program with r0 as the verdict.
  public static var exit: Instruction {
    Instruction(opcode: JumpOperation.exit.rawValue &<< 4 | InstructionClass.jump64.rawValue)
  }
}
