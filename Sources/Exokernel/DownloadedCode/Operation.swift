/// What the interpreter does in one step. The verifier chooses it; a program never names it.
///
/// K operations take the immediate, X operations the source register (the RFC's letters).
enum Operation: UInt8 {
  /// Ends with verdict 0. Raw value 0, so that zeroed storage is a program that rejects every packet.
  case reject
  case exit
  case move64K, move64X, move32X
  case signExtend8To64, signExtend16To64, signExtend32To64, signExtend8To32, signExtend16To32
  case add64K, add64X, add32K, add32X
  case subtract64K, subtract64X, subtract32K, subtract32X
  case multiply64K, multiply64X, multiply32K, multiply32X
  case divide64K, divide64X, divide32K, divide32X
  case signedDivide64K, signedDivide64X, signedDivide32K, signedDivide32X
  case modulo64K, modulo64X, modulo32K, modulo32X
  case signedModulo64K, signedModulo64X, signedModulo32K, signedModulo32X
  case or64K, or64X, or32K, or32X
  case and64K, and64X, and32K, and32X
  case exclusiveOr64K, exclusiveOr64X, exclusiveOr32K, exclusiveOr32X
  case shiftLeft64K, shiftLeft64X, shiftLeft32K, shiftLeft32X
  case shiftRight64K, shiftRight64X, shiftRight32K, shiftRight32X
  case arithmeticShiftRight64K, arithmeticShiftRight64X, arithmeticShiftRight32K, arithmeticShiftRight32X
  case negate64, negate32
  case truncate16, truncate32, truncate64, swap16, swap32, swap64
  case jump
  case equal64K, equal64X, equal32K, equal32X
  case notEqual64K, notEqual64X, notEqual32K, notEqual32X
  case anyBitSet64K, anyBitSet64X, anyBitSet32K, anyBitSet32X
  case greater64K, greater64X, greater32K, greater32X
  case greaterOrEqual64K, greaterOrEqual64X, greaterOrEqual32K, greaterOrEqual32X
  case less64K, less64X, less32K, less32X
  case lessOrEqual64K, lessOrEqual64X, lessOrEqual32K, lessOrEqual32X
  case signedGreater64K, signedGreater64X, signedGreater32K, signedGreater32X
  case signedGreaterOrEqual64K, signedGreaterOrEqual64X, signedGreaterOrEqual32K, signedGreaterOrEqual32X
  case signedLess64K, signedLess64X, signedLess32K, signedLess32X
  case signedLessOrEqual64K, signedLessOrEqual64X, signedLessOrEqual32K, signedLessOrEqual32X
  /// Loads from the packet at a constant place; `offset` is where the load ends.
  case packet8, packet16, packet32, packet64, packetSigned8, packetSigned16, packetSigned32
  /// Loads from the packet at `source + offset`.
  case computed8, computed16, computed32, computed64, computedSigned8, computedSigned16, computedSigned32
  /// Accesses to the stack; `offset` counts from the start of the memory of a run and is verified.
  case stack8, stack16, stack32, stack64, stackSigned8, stackSigned16, stackSigned32
  case storeStack8K, storeStack16K, storeStack32K, storeStack64K
  case storeStack8X, storeStack16X, storeStack32X, storeStack64X

  // Fused: one step for the sequences that filters are made of.

  /// `r0 = immediate; exit`.
  case exitImmediate
  /// Load from the packet as `packetN` and jump if the bytes, in memory order, are (not) the immediate.
  case packet8Equal, packet16Equal, packet32Equal
  case packet8NotEqual, packet16NotEqual, packet32NotEqual
  /// The same under a mask: value in the low half of the immediate, mask in the high half.
  case packet8MaskedEqual, packet16MaskedEqual, packet32MaskedEqual
  case packet8MaskedNotEqual, packet16MaskedNotEqual, packet32MaskedNotEqual
}

/// Storage for one step of a verified program, 16 bytes. Only `FilterProgram.verify` fills it with meaning.
public struct DecodedInstruction: BitwiseCopyable, Sendable {
  /// What to do.
  var operation: Operation
  /// Register to write, compare or store's base; below 10.
  var destination: UInt8 = 0
  /// Second register; below 10.
  var source: UInt8 = 0
  /// Of a memory access: see `Operation`.
  var offset: UInt16 = 0
  /// Of a jump: how many bytes of decoded instructions to skip. While verifying: the target's index.
  var jump: UInt16 = 0
  /// The operand, extended to 64 bits as the operation needs it.
  var immediate: UInt64 = 0

  init(_ operation: Operation) { self.operation = operation }

  /// A step that rejects the packet: the value for storage nothing was verified into, all bytes zero.
  public init() { operation = .reject }
}
