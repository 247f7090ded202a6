/// Why a program may not run.
public struct VerifierError: Error, Equatable, Sendable {
  /// What is wrong with an instruction or a program.
  public enum Reason: UInt8, Error, Equatable, Sendable {
    /// No instruction at all.
    case emptyProgram
    /// More than `FilterProgram.capacity` instructions, or than the storage holds.
    case programTooLong
    /// An opcode outside the supported subset of RFC 9669.
    case unsupportedOpcode
    /// Calls are not supported.
    case callNotSupported
    /// Atomic operations are not supported.
    case atomicNotSupported
    /// A 64-bit immediate that would name a map, variable or function.
    case symbolicImmediateNotSupported
    /// A register number above 10.
    case noSuchRegister
    /// r10 used other than as the base of a load or store.
    case framePointerEscapes
    /// A register read that not every path has written.
    case registerNotInitialised
    /// A field that must be zero, or a modifier that has no meaning for this opcode.
    case reservedFieldSet
    /// A byte swap of other than 16, 32 or 64 bits.
    case byteSwapWidthInvalid
    /// A jump to itself or backwards.
    case jumpNotForward
    /// A jump past the last instruction.
    case jumpOutsideProgram
    /// A jump into the second half of a 64-bit immediate.
    case jumpIntoWideInstruction
    /// A 64-bit immediate without a proper second half.
    case wideInstructionIncomplete
    /// The program may run past its last instruction.
    case fallsOffTheEnd
    /// No path leads to the instruction.
    case unreachable
    /// A load from before the packet's first byte.
    case packetOffsetNegative
    /// A load or store outside the `FilterProgram.stackByteCount` bytes below r10.
    case stackOutOfBounds
    /// A load of stack bytes that not every path has written.
    case stackNotInitialised
    /// A store other than to the stack: packets are read-only.
    case storeOutsideStack
  }

  /// What is wrong.
  public let reason: Reason
  /// The index of the instruction, counted in 64-bit words from 0.
  public let index: Int
}

#if !hasFeature(Embedded)
  extension VerifierError: CustomStringConvertible {
    /// The reason and where, for a person.
    public var description: String { "filter instruction \(index): \(reason.explanation)" }
  }
#endif

extension VerifierError.Reason {
  /// The reason in words, for a person.
  public var explanation: StaticString {
    switch self {
    case .emptyProgram: "the program is empty; it needs at least `r0 = 1; exit`"
    case .programTooLong: "the program is longer than 64 instructions or than its storage"
    case .unsupportedOpcode: "this opcode is not in the supported subset of RFC 9669"
    case .callNotSupported: "calls are not supported; let the compiler inline (always_inline)"
    case .atomicNotSupported: "atomic operations are not supported"
    case .symbolicImmediateNotSupported: "a 64-bit immediate names a map, variable or function; use plain values"
    case .noSuchRegister: "there is no register above r10"
    case .framePointerEscapes: "r10 may only be the base of a load or store"
    case .registerNotInitialised: "a register is read that some path has not written"
    case .reservedFieldSet: "a field that must be zero is not"
    case .byteSwapWidthInvalid: "a byte swap must be of 16, 32 or 64 bits"
    case .jumpNotForward: "jumps must go forward; unroll loops and compile with -mllvm -disable-block-placement"
    case .jumpOutsideProgram: "the jump leaves the program"
    case .jumpIntoWideInstruction: "the jump goes into the middle of a 64-bit immediate"
    case .wideInstructionIncomplete: "the second half of a 64-bit immediate is missing or malformed"
    case .fallsOffTheEnd: "the program may run past its last instruction; end it with exit"
    case .unreachable: "no path leads to this instruction"
    case .packetOffsetNegative: "the load begins before the packet"
    case .stackOutOfBounds: "the access is outside the 64 bytes below r10"
    case .stackNotInitialised: "stack bytes are read that some path has not written"
    case .storeOutsideStack: "only the stack, with r10 as base, can be stored to"
    }
  }
}
