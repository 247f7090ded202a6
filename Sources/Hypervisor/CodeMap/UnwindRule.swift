/// How to find the registers of a caller, from an address of code on (DWARF 4, section 6.4, "Call Frame Information").
public struct UnwindRule: Equatable, Sendable {
  /// Where a frame starts: an offset from a register.
  public struct Frame: Equatable, Sendable {
    /// The register's number, as the System V ABI for x86-64 counts them (figure 3.36): 0 rax, 1 rdx, 2 rcx, 3 rbx, 4
    /// rsi, 5 rdi, 6 rbp, 7 rsp, 8 to 15 r8 to r15, 16 the return address.
    public var register: Int
    /// Bytes behind the register's value.
    public var offset: Int64

    /// A frame's start.
    public init(register: Int, offset: Int64) {
      self.register = register
      self.offset = offset
    }
  }

  /// A register that is kept in memory, so many bytes behind the start of the frame.
  public struct Saved: Equatable, Sendable {
    /// The register's number.
    public var register: Int
    /// Bytes behind the frame's start.
    public var offset: Int64

    /// A saved register.
    public init(register: Int, offset: Int64) {
      self.register = register
      self.offset = offset
    }
  }

  /// The number of the return address, the last one that is followed.
  static let lastRegister = 16

  /// The first address for which it holds.
  public var address: UInt64
  /// The frame; nil where the caller cannot be found, or no code follows.
  public var frame: Frame?
  /// Registers in memory, by their number. The others are as they are in the callee, but for the stack pointer, which
  /// is the frame's start.
  public var saved: [Saved]
  /// True where the frame is an interrupt's or an exception's: its return address is that of an instruction, not of one
  /// behind a call.
  public var isInterrupt: Bool

  /// A rule.
  public init(address: UInt64, frame: Frame?, saved: [Saved], isInterrupt: Bool) {
    self.address = address
    self.frame = frame
    self.saved = saved
    self.isInterrupt = isInterrupt
  }
}
