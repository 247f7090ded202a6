/// What the verifier must know of an instruction besides its decoded form.
struct DecodedEffects {
  /// Registers read, one bit each.
  var reads: UInt16 = 0
  /// Registers written, one bit each.
  var writes: UInt16 = 0
  /// Index of the instruction a jump goes to, or -1.
  var target = -1
  /// Whether the next instruction may follow.
  var fallsThrough = true
  /// The stack bytes read, one bit each.
  var stackReads: UInt64 = 0
  /// The stack bytes written, one bit each.
  var stackWrites: UInt64 = 0
  /// Whether the instruction copies its source register whole.
  var copiesSource = false
  /// Whether the instruction takes two words.
  var isWide = false
}

/// Decodes single instructions; knows the encoding, not the program. Every field the RFC reserves must be zero.
struct Decoder {
  /// Registers that hold the packet's start, one bit each: loads through them are at constant places.
  var packetBases: UInt16
  /// The instruction's index, which jumps are relative to.
  var index: Int

  typealias Reason = VerifierError.Reason

  /// Decodes `instruction`, of which `next` is the following word (only used by the 64-bit immediate), into `effects`.
  func decode(
    _ instruction: Instruction, next: Instruction?, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard instruction.destination <= 10, instruction.source <= 10 else { throw .noSuchRegister }
    switch InstructionClass(rawValue: instruction.opcode & 7) {
    case .load: return try decodeWideImmediate(instruction, next: next, effects: &effects)
    case .loadRegister: return try decodeLoad(instruction, effects: &effects)
    case .storeImmediate, .storeRegister: return try decodeStore(instruction, effects: &effects)
    case .arithmetic32: return try decodeArithmetic(instruction, is64: false, effects: &effects)
    case .arithmetic64: return try decodeArithmetic(instruction, is64: true, effects: &effects)
    case .jump32: return try decodeJump(instruction, is64: false, effects: &effects)
    case .jump64: return try decodeJump(instruction, is64: true, effects: &effects)
    case nil: throw .unsupportedOpcode
    }
  }

  private func bit(_ register: UInt8) -> UInt16 { 1 &<< UInt16(register) }

  /// The operand's immediate as the RFC extends it: by its sign to 64 bits, or zero above 32.
  private func extended(_ immediate: Int32, is64: Bool) -> UInt64 {
    is64 ? UInt64(bitPattern: Int64(immediate)) : UInt64(UInt32(bitPattern: immediate))
  }

  /// Checks and notes the operands of an arithmetic or conditional jump instruction.
  private func decodeOperand(
    _ instruction: Instruction, is64: Bool, _ decoded: inout DecodedInstruction, effects: inout DecodedEffects
  ) throws(Reason) {
    guard instruction.destination < 10 else { throw .framePointerEscapes }
    decoded.destination = instruction.destination
    if instruction.opcode & Instruction.sourceBit != 0 {
      guard instruction.immediate == 0 else { throw .reservedFieldSet }
      guard instruction.source < 10 else { throw .framePointerEscapes }
      decoded.source = instruction.source
      effects.reads |= bit(instruction.source)
    } else {
      guard instruction.source == 0 else { throw .reservedFieldSet }
      decoded.immediate = extended(instruction.immediate, is64: is64)
    }
  }

  // MARK: Arithmetic, RFC 9669 sections 4.1 and 4.2

  private func decodeArithmetic(
    _ instruction: Instruction, is64: Bool, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard let operation = ArithmeticOperation(rawValue: instruction.opcode &>> 4) else { throw .unsupportedOpcode }
    if operation == .byteSwap { return try decodeByteSwap(instruction, is64: is64, effects: &effects) }
    let isX = instruction.opcode & Instruction.sourceBit != 0
    var decoded = DecodedInstruction(.reject)
    try decodeOperand(instruction, is64: is64, &decoded, effects: &effects)
    effects.writes = bit(instruction.destination)
    if operation != .move { effects.reads |= bit(instruction.destination) }

    let modifier = instruction.offset
    switch operation {
    case .divide, .modulo: guard modifier == 0 || modifier == 1 else { throw .reservedFieldSet }
    case .move: break
    case .negate: guard !isX, modifier == 0, instruction.immediate == 0 else { throw .reservedFieldSet }
    default: guard modifier == 0 else { throw .reservedFieldSet }
    }
    let isSigned = modifier == 1
    func pick(_ k64: Operation, _ x64: Operation, _ k32: Operation, _ x32: Operation) -> Operation {
      is64 ? (isX ? x64 : k64) : (isX ? x32 : k32)
    }
    switch operation {
    case .add: decoded.operation = pick(.add64K, .add64X, .add32K, .add32X)
    case .subtract: decoded.operation = pick(.subtract64K, .subtract64X, .subtract32K, .subtract32X)
    case .multiply: decoded.operation = pick(.multiply64K, .multiply64X, .multiply32K, .multiply32X)
    case .divide:
      decoded.operation =
        isSigned
        ? pick(.signedDivide64K, .signedDivide64X, .signedDivide32K, .signedDivide32X)
        : pick(.divide64K, .divide64X, .divide32K, .divide32X)
    case .modulo:
      decoded.operation =
        isSigned
        ? pick(.signedModulo64K, .signedModulo64X, .signedModulo32K, .signedModulo32X)
        : pick(.modulo64K, .modulo64X, .modulo32K, .modulo32X)
    case .or: decoded.operation = pick(.or64K, .or64X, .or32K, .or32X)
    case .and: decoded.operation = pick(.and64K, .and64X, .and32K, .and32X)
    case .exclusiveOr: decoded.operation = pick(.exclusiveOr64K, .exclusiveOr64X, .exclusiveOr32K, .exclusiveOr32X)
    case .shiftLeft: decoded.operation = pick(.shiftLeft64K, .shiftLeft64X, .shiftLeft32K, .shiftLeft32X)
    case .shiftRight: decoded.operation = pick(.shiftRight64K, .shiftRight64X, .shiftRight32K, .shiftRight32X)
    case .arithmeticShiftRight:
      decoded.operation = pick(
        .arithmeticShiftRight64K, .arithmeticShiftRight64X, .arithmeticShiftRight32K, .arithmeticShiftRight32X)
    case .negate: decoded.operation = is64 ? .negate64 : .negate32
    case .byteSwap: throw .unsupportedOpcode
    case .move:
      // The immediate is already extended for the width, so moving it is one operation.
      switch (modifier, isX, is64) {
      case (0, false, _): decoded.operation = .move64K
      case (0, true, true):
        decoded.operation = .move64X
        effects.copiesSource = true
      case (0, true, false): decoded.operation = .move32X
      case (8, true, _): decoded.operation = is64 ? .signExtend8To64 : .signExtend8To32
      case (16, true, _): decoded.operation = is64 ? .signExtend16To64 : .signExtend16To32
      case (32, true, true): decoded.operation = .signExtend32To64
      default: throw .reservedFieldSet
      }
    }
    return decoded
  }

  private func decodeByteSwap(
    _ instruction: Instruction, is64: Bool, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard instruction.destination < 10 else { throw .framePointerEscapes }
    let isSourceBitSet = instruction.opcode & Instruction.sourceBit != 0
    guard instruction.source == 0, instruction.offset == 0, !(is64 && isSourceBitSet) else { throw .reservedFieldSet }
    effects.reads = bit(instruction.destination)
    effects.writes = effects.reads
    // The 64-bit class swaps always; the 32-bit class converts to big (source bit) or little endian, and we are little.
    let swaps = is64 || isSourceBitSet
    var decoded: DecodedInstruction
    switch instruction.immediate {
    case 16: decoded = DecodedInstruction(swaps ? .swap16 : .truncate16)
    case 32: decoded = DecodedInstruction(swaps ? .swap32 : .truncate32)
    case 64: decoded = DecodedInstruction(swaps ? .swap64 : .truncate64)
    default: throw .byteSwapWidthInvalid
    }
    decoded.destination = instruction.destination
    return decoded
  }

  // MARK: Jumps, RFC 9669 section 4.3

  private func decodeJump(
    _ instruction: Instruction, is64: Bool, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard let operation = JumpOperation(rawValue: instruction.opcode &>> 4) else { throw .unsupportedOpcode }
    let isX = instruction.opcode & Instruction.sourceBit != 0
    var decoded = DecodedInstruction(.reject)
    switch operation {
    case .call: throw .callNotSupported
    case .exit:
      guard is64, !isX else { throw .unsupportedOpcode }
      guard instruction.word &>> 8 == 0 else { throw .reservedFieldSet }
      effects.reads = bit(0)
      effects.fallsThrough = false
      decoded.operation = .exit
      return decoded
    case .always:
      guard !isX else { throw .unsupportedOpcode }
      let unused = is64 ? instruction.immediate : Int32(instruction.offset)
      guard instruction.destination == 0, instruction.source == 0, unused == 0 else { throw .reservedFieldSet }
      effects.fallsThrough = false
      decoded.operation = .jump
      try setTarget(is64 ? Int(instruction.offset) : Int(instruction.immediate), effects: &effects)
      return decoded
    default: break
    }
    try decodeOperand(instruction, is64: is64, &decoded, effects: &effects)
    effects.reads |= bit(instruction.destination)
    try setTarget(Int(instruction.offset), effects: &effects)
    func pick(_ k64: Operation, _ x64: Operation, _ k32: Operation, _ x32: Operation) -> Operation {
      is64 ? (isX ? x64 : k64) : (isX ? x32 : k32)
    }
    switch operation {
    case .equal: decoded.operation = pick(.equal64K, .equal64X, .equal32K, .equal32X)
    case .notEqual: decoded.operation = pick(.notEqual64K, .notEqual64X, .notEqual32K, .notEqual32X)
    case .anyBitSet: decoded.operation = pick(.anyBitSet64K, .anyBitSet64X, .anyBitSet32K, .anyBitSet32X)
    case .greater: decoded.operation = pick(.greater64K, .greater64X, .greater32K, .greater32X)
    case .greaterOrEqual:
      decoded.operation = pick(.greaterOrEqual64K, .greaterOrEqual64X, .greaterOrEqual32K, .greaterOrEqual32X)
    case .less: decoded.operation = pick(.less64K, .less64X, .less32K, .less32X)
    case .lessOrEqual: decoded.operation = pick(.lessOrEqual64K, .lessOrEqual64X, .lessOrEqual32K, .lessOrEqual32X)
    case .signedGreater:
      decoded.operation = pick(.signedGreater64K, .signedGreater64X, .signedGreater32K, .signedGreater32X)
    case .signedGreaterOrEqual:
      decoded.operation = pick(
        .signedGreaterOrEqual64K, .signedGreaterOrEqual64X, .signedGreaterOrEqual32K, .signedGreaterOrEqual32X)
    case .signedLess: decoded.operation = pick(.signedLess64K, .signedLess64X, .signedLess32K, .signedLess32X)
    case .signedLessOrEqual:
      decoded.operation = pick(
        .signedLessOrEqual64K, .signedLessOrEqual64X, .signedLessOrEqual32K, .signedLessOrEqual32X)
    case .always, .call, .exit: throw .unsupportedOpcode
    }
    return decoded
  }

  private func setTarget(_ distance: Int, effects: inout DecodedEffects) throws(Reason) {
    guard distance >= 0 else { throw .jumpNotForward }
    let target = index &+ 1 &+ distance
    guard target < FilterProgram.capacity else { throw .jumpOutsideProgram }
    effects.target = target
  }

  // MARK: Memory, RFC 9669 sections 5.1 to 5.4

  private func decodeWideImmediate(
    _ instruction: Instruction, next: Instruction?, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard instruction.opcode == 0x18 else { throw .unsupportedOpcode }
    guard instruction.source == 0 else { throw .symbolicImmediateNotSupported }
    guard instruction.destination < 10 else { throw .framePointerEscapes }
    guard instruction.offset == 0 else { throw .reservedFieldSet }
    guard let next, next.word &<< 32 == 0 else { throw .wideInstructionIncomplete }
    effects.writes = bit(instruction.destination)
    effects.isWide = true
    var decoded = DecodedInstruction(.move64K)
    decoded.destination = instruction.destination
    decoded.immediate = instruction.word &>> 32 | next.word
    return decoded
  }

  private func decodeLoad(
    _ instruction: Instruction, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    guard let size = MemorySize(rawValue: instruction.opcode &>> 3 & 3) else { throw .unsupportedOpcode }
    let mode = instruction.opcode & 0xe0
    let isSigned = mode == 0x80
    guard mode == 0x60 || (isSigned && size != .doubleWord) else { throw .unsupportedOpcode }
    guard instruction.immediate == 0 else { throw .reservedFieldSet }
    guard instruction.destination < 10 else { throw .framePointerEscapes }
    effects.writes = bit(instruction.destination)
    func pick(_ one: Operation, _ two: Operation, _ four: Operation, _ eight: Operation) -> Operation {
      switch size {
      case .byte: one
      case .halfWord: two
      case .word: four
      case .doubleWord: eight
      }
    }
    var decoded = DecodedInstruction(.reject)
    decoded.destination = instruction.destination
    if instruction.source == 10 {
      let (place, bytes) = try stackPlace(instruction.offset, size)
      effects.stackReads = bytes
      decoded.offset = place
      decoded.operation =
        isSigned
        ? pick(.stackSigned8, .stackSigned16, .stackSigned32, .reject) : pick(.stack8, .stack16, .stack32, .stack64)
      return decoded
    }
    effects.reads = bit(instruction.source)
    if packetBases & bit(instruction.source) != 0 {
      guard instruction.offset >= 0 else { throw .packetOffsetNegative }
      decoded.offset = UInt16(truncatingIfNeeded: Int(instruction.offset) &+ size.byteCount)
      decoded.operation =
        isSigned
        ? pick(.packetSigned8, .packetSigned16, .packetSigned32, .reject)
        : pick(.packet8, .packet16, .packet32, .packet64)
    } else {
      decoded.source = instruction.source
      decoded.immediate = UInt64(bitPattern: Int64(instruction.offset))
      decoded.operation =
        isSigned
        ? pick(.computedSigned8, .computedSigned16, .computedSigned32, .reject)
        : pick(.computed8, .computed16, .computed32, .computed64)
    }
    return decoded
  }

  private func decodeStore(
    _ instruction: Instruction, effects: inout DecodedEffects
  ) throws(Reason) -> DecodedInstruction {
    let isX = instruction.opcode & 7 == InstructionClass.storeRegister.rawValue
    let mode = instruction.opcode & 0xe0
    if isX && mode == 0xc0 { throw .atomicNotSupported }
    guard mode == 0x60, let size = MemorySize(rawValue: instruction.opcode &>> 3 & 3) else { throw .unsupportedOpcode }
    guard instruction.destination == 10 else { throw .storeOutsideStack }
    var decoded = DecodedInstruction(.reject)
    if isX {
      guard instruction.immediate == 0 else { throw .reservedFieldSet }
      guard instruction.source < 10 else { throw .framePointerEscapes }
      decoded.source = instruction.source
      effects.reads = bit(instruction.source)
    } else {
      guard instruction.source == 0 else { throw .reservedFieldSet }
      decoded.immediate = extended(instruction.immediate, is64: true)
    }
    let (place, bytes) = try stackPlace(instruction.offset, size)
    effects.stackWrites = bytes
    decoded.offset = place
    switch size {
    case .byte: decoded.operation = isX ? .storeStack8X : .storeStack8K
    case .halfWord: decoded.operation = isX ? .storeStack16X : .storeStack16K
    case .word: decoded.operation = isX ? .storeStack32X : .storeStack32K
    case .doubleWord: decoded.operation = isX ? .storeStack64X : .storeStack64K
    }
    return decoded
  }

  /// Where in the memory of a run, and which bits of the stack's bytes, `size` bytes at `offset` from r10 are.
  private func stackPlace(_ offset: Int16, _ size: MemorySize) throws(Reason) -> (place: UInt16, bytes: UInt64) {
    let first = FilterProgram.stackByteCount &+ Int(offset)
    guard first >= 0, first &+ size.byteCount <= FilterProgram.stackByteCount else { throw .stackOutOfBounds }
    let bytes = (1 &<< UInt64(size.byteCount) &- 1) &<< UInt64(first)
    return (UInt16(truncatingIfNeeded: FilterProgram.registersByteCount &+ first), bytes)
  }
}
