#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A port by which our kernel says that a vCPU only waits for another one: the host's scheduler may run somebody else,
/// the vCPU that is waited for above all, which it may have stopped in the middle of the kernel. Where nobody listens,
/// as under other monitors, the vCPU goes on waiting.
public final class YieldPort: PortDevice {
  /// Makes a port; it has no state.
  public init() {}

  /// Nothing can be read here: zero.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 { 0 }

  /// Gives up the rest of the host's time for this thread.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) { sched_yield() }
}
