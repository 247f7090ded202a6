/// What an exception brings to `EnvironmentPage.exceptionEntry`: at the stack pointer, in this order. From
/// `instruction` on it is what IRETQ takes, so that a handler goes on without the kernel.
@frozen public struct ExceptionFrame: BitwiseCopyable, Sendable {
  /// Its number (AMD64 Architecture Programmer's Manual, volume 2, section 8.2). Page faults have an upcall of their
  /// own.
  public var vector: UInt64
  /// Error code, 0 for vectors that have none.
  public var code: UInt64
  /// Instruction that faulted, or the one behind it for breakpoints and single steps.
  public var instruction: UInt64
  /// Code segment: 0x33, or 0x23 in 32-bit code.
  public var codeSegment: UInt64
  /// RFLAGS.
  public var flags: UInt64
  /// Stack pointer.
  public var stack: UInt64
  /// Stack segment.
  public var stackSegment: UInt64

  /// A frame with these values.
  @inlinable public init(
    vector: UInt64, code: UInt64, instruction: UInt64, codeSegment: UInt64, flags: UInt64, stack: UInt64,
    stackSegment: UInt64
  ) {
    self.vector = vector
    self.code = code
    self.instruction = instruction
    self.codeSegment = codeSegment
    self.flags = flags
    self.stack = stack
    self.stackSegment = stackSegment
  }
}
