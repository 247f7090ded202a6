import ExokernelABI

/// A port by which the guest ends its machine with a status.
public final class ExitPort: PortDevice {
  /// How a value written becomes an exit status.
  public enum Encoding: Sendable {
    /// The low byte is the status.
    case plain
    /// QEMU's isa-debug-exit: twice the value plus one, so that success is never 0.
    case debugExit
  }

  private let encoding: Encoding
  private let onExit: @Sendable (UInt8) -> Void

  /// A port that reports each write to `onExit`, on the vCPU's thread.
  public init(_ encoding: Encoding, onExit: @escaping @Sendable (UInt8) -> Void) {
    self.encoding = encoding
    self.onExit = onExit
  }

  /// Nothing can be read here: zero.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 { 0 }

  /// Ends the machine.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    switch encoding {
    case .plain: onExit(UInt8(truncatingIfNeeded: value))
    case .debugExit: onExit(UInt8(truncatingIfNeeded: value << 1 | 1))
    }
  }
}

/// The PC's keyboard controller as far as kernels use it without a keyboard: to reset the machine.
public final class ResetPort: PortDevice {
  /// The controller's command port; reads give its status.
  public static let port: UInt64 = 0x64
  private let onReset: @Sendable () -> Void

  /// A port that calls `onReset`, on the vCPU's thread, when the guest pulses the reset line.
  public init(onReset: @escaping @Sendable () -> Void) {
    self.onReset = onReset
  }

  /// Buffers empty: the controller takes a command at any time.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 { 0 }

  /// Command 0xfe resets; others are lost.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    if value & 0xff == 0xfe { onReset() }
  }
}

/// A port by which our kernel tells how far it is, for the measures; other kernels leave it alone.
public final class MilestonePort: PortDevice {
  private let onMilestone: @Sendable (Milestone) -> Void

  /// A port that calls `onMilestone` on the vCPU's thread.
  public init(onMilestone: @escaping @Sendable (Milestone) -> Void) {
    self.onMilestone = onMilestone
  }

  /// Zero, which tells a kernel that someone listens: an empty port reads as all ones.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 { 0 }

  /// Reports a milestone; unknown ones are ignored.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    if let milestone = Milestone(rawValue: UInt8(truncatingIfNeeded: value)) { onMilestone(milestone) }
  }
}
