/// A guest-physical address. An opaque value: it becomes a host pointer only inside `GuestMemory`, which checks it.
public struct GuestAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The address in bytes.
  public let rawValue: UInt64

  /// The address `rawValue`, which may be anything the guest wrote.
  public init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Orders addresses by value.
  public static func < (left: GuestAddress, right: GuestAddress) -> Bool {
    left.rawValue < right.rawValue
  }

  /// The address `count` bytes further, or nil where that passes the end of the address space.
  public func advanced(by count: UInt64) -> GuestAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(count)
    return overflow ? nil : GuestAddress(sum)
  }

  /// The address in hexadecimal.
  public var description: String { "0x" + String(rawValue, radix: 16) }
}
