/// A port by which our kernel sends a whole text to the console at once, where each byte through the serial port costs
/// an exit.
///
/// The kernel stores the text in its memory behind a 32-bit length and writes the record's physical address to the
/// port. A kernel tells that the port is there by reading 0 or 1 from it: an empty port reads as all ones.
public final class TextPort: PortDevice {
  /// The longest text; what is longer is cut.
  public static let limit = 4096

  private let memory: GuestMemory
  private let isTerminal: Bool
  private let output: @Sendable (Span<UInt8>) -> Void

  /// A port that hands texts from `memory` to `output`, on the vCPU's thread. The guest is told whether they go to a
  /// terminal.
  public init(memory: GuestMemory, isTerminal: Bool = true, output: @escaping @Sendable (Span<UInt8>) -> Void) {
    self.memory = memory
    self.isTerminal = isTerminal
    self.output = output
  }

  /// 0 or 1: the port is there, and leads to a terminal, or does not.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 { isTerminal ? 0 : 1 }

  /// Sends the record at the address written. An address outside memory sends nothing.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    let address = GuestAddress(value)
    guard byteCount == 4, let count = try? memory.load(UInt32.self, at: address), count > 0,
      let text = address.advanced(by: 4),
      let source = try? unsafe memory.bytes(at: text, byteCount: min(Int(count), Self.limit))
    else { return }
    // Safe: the range was checked; the guest may change the bytes, so they are copied before anyone looks.
    let copy = unsafe [UInt8](source)
    output(copy.span)
  }
}
