import InternetStack

/// What `NAME:KEY=VALUE,...` asks of a program that serves the network: `ip`, `gateway`, `port` and `interface`, and further keys of the
/// program's own whose values are numbers.
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

  /// Parses the argument text; nil when a part of it is not understood. `takeNumber` is asked about keys that are not known here, and
  /// tells whether it took the number.
  public init?(_ text: [UInt8], takeNumber: ([UInt8], UInt64) -> Bool = { _, _ in false }) {
    for part in text.split(separator: UInt8(ascii: ",")) {
      let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1)
      guard pair.count == 2, take(key: Array(pair[0]), value: Array(pair[1]), takeNumber) else { return nil }
    }
  }

  private mutating func take(key: [UInt8], value: [UInt8], _ takeNumber: ([UInt8], UInt64) -> Bool) -> Bool {
    if Self.equal(key, "ip") { return takeAddress(value) }
    if Self.equal(key, "gateway") {
      gateway = IPv4Address(parsing: value)
      return gateway != nil
    }
    guard let number = Self.number(value) else { return false }
    if Self.equal(key, "port") {
      port = UInt16(truncatingIfNeeded: number)
      return number > 0 && number < 65_536
    }
    if Self.equal(key, "interface") {
      interface = number
      return true
    }
    return takeNumber(key, number)
  }

  private mutating func takeAddress(_ value: [UInt8]) -> Bool {
    let parts = value.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    address = IPv4Address(parsing: Array(parts[0]))
    guard address != nil else { return false }
    guard parts.count == 2 else { return true }
    guard let length = Self.number(Array(parts[1])), length <= 32 else { return false }
    prefixLength = UInt8(truncatingIfNeeded: length)
    return true
  }

  /// True where `bytes` are those of `text`.
  public static func equal(_ bytes: [UInt8], _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    // A literal's code units live as long as the program; `index` is below their count.
    for index in bytes.indices where unsafe bytes[index] != text.utf8Start[index] { return false }
    return true
  }

  private static func number(_ digits: [UInt8]) -> UInt64? {
    guard (1...9).contains(digits.count) else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
    }
    return value
  }
}
