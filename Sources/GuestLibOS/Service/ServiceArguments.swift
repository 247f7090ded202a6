import InternetStack
import LibOS

/// What `NAME:KEY=VALUE,...` asks of a program that serves the network: `ip`, `gateway`, `port` and `interface`, and
/// further keys of the program's own whose values are numbers.
public struct ServiceArguments {
  /// A fixed address, from `ip=A.B.C.D/N`; without it the address comes by DHCP.
  public private(set) var address: IPv4Address?
  /// Length of the address's prefix in bits.
  public private(set) var prefixLength: UInt8 = 24
  /// `gateway=A.B.C.D`.
  public private(set) var gateway: IPv4Address?
  /// `port=N`.
  public private(set) var port: UInt16 = 80
  /// `interface=N`, counted from 0 in the order of the command line.
  public private(set) var interface: UInt64 = 0

  /// Parses the argument text; nil when a part of it is not understood. `takeNumber` is asked about keys that are not
  /// known here, and tells whether it took the number.
  public init?(_ text: [UInt8], takeNumber: (ArraySlice<UInt8>, UInt64) -> Bool = { _, _ in false }) {
    for part in text.split(separator: UInt8(ascii: ",")) {
      let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1)
      guard pair.count == 2, take(key: pair[0], value: pair[1], takeNumber) else { return nil }
    }
  }

  private mutating func take(
    key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, _ takeNumber: (ArraySlice<UInt8>, UInt64) -> Bool
  ) -> Bool {
    if ArgumentText.equal(key, "ip") { return takeAddress(value) }
    if ArgumentText.equal(key, "gateway") {
      gateway = IPv4Address(parsing: Array(value))
      return gateway != nil
    }
    guard let number = ArgumentText.number(value) else { return false }
    if ArgumentText.equal(key, "port") {
      port = UInt16(truncatingIfNeeded: number)
      return number > 0 && number < 65_536
    }
    if ArgumentText.equal(key, "interface") {
      interface = number
      return true
    }
    return takeNumber(key, number)
  }

  private mutating func takeAddress(_ value: ArraySlice<UInt8>) -> Bool {
    let parts = value.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    address = IPv4Address(parsing: Array(parts[0]))
    guard address != nil else { return false }
    guard parts.count == 2 else { return true }
    guard let length = ArgumentText.number(parts[1]), length <= 32 else { return false }
    prefixLength = UInt8(truncatingIfNeeded: length)
    return true
  }
}
