import InternetStack

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An address of this host at which it listens.
public enum HostAddress: Equatable, Sendable, CustomStringConvertible {
  /// One of IPv4.
  case ipv4(IPv4Address)
  /// One of IPv6: its sixteen bytes (RFC 4291), first byte most significant.
  case ipv6(high: UInt64, low: UInt64)

  /// 127.0.0.1.
  public static let loopback = HostAddress.ipv4(IPv4Address(127, 0, 0, 1))

  /// Reads an IPv6 address as inet_pton(3) does, without brackets and zone; nil where it is none.
  init?(ipv6 text: String) {
    var bytes = in6_addr()
    // Safe: the string and the structure live for the duration of the call.
    guard unsafe inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
    let words = unsafe withUnsafeBytes(of: &bytes) {
      // Safe: the structure has sixteen bytes.
      unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    self = .ipv6(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
  }

  /// The address as it is written in front of a port.
  public var description: String {
    switch self {
    case .ipv4(let address): return "\(address)"
    case .ipv6(let high, let low):
      var bytes = (high.bigEndian, low.bigEndian)
      let text = unsafe [CChar](unsafeUninitializedCapacity: Int(INET6_ADDRSTRLEN)) { buffer, count in
        // Safe: sixteen bytes are read, and the buffer has room for the longest text.
        let isWritten = unsafe inet_ntop(AF_INET6, &bytes, buffer.baseAddress, socklen_t(buffer.count)) != nil
        count = isWritten ? unsafe strlen(buffer.baseAddress!) : 0
      }
      return "[" + String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "]"
    }
  }
}
