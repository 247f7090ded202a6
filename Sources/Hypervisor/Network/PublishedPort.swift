import InternetStack
import SystemPackage

/// A TCP port of the host that leads to a port of the guest: `--publish [ADDRESS:]HOSTPORT:GUESTPORT`.
public struct PublishedPort: Equatable, Sendable {
  /// Where the host listens. 127.0.0.1 unless asked for otherwise: what a guest serves is not shown to the world by
  /// default.
  public var hostAddress: HostAddress
  /// The host's port; 0 lets the host choose one.
  public var hostPort: UInt16
  /// The guest's port.
  public var guestPort: UInt16

  /// A port to publish.
  public init(hostAddress: HostAddress = .loopback, hostPort: UInt16, guestPort: UInt16) {
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.guestPort = guestPort
  }

  /// Reads `[ADDRESS:]HOSTPORT:GUESTPORT`, ports from 1 to 65535 in decimal. The address is one of IPv4, one of IPv6 in
  /// brackets, or `localhost`, which stands for 127.0.0.1.
  public init(parsing text: String) throws(PublishError) {
    func malformed(_ reason: String) -> PublishError { .malformed(text, reason: reason) }
    var ports = text[...]
    var address: HostAddress?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:") else {
        throw malformed("the bracket of an IPv6 address is not closed before a colon")
      }
      let inside = text[text.index(after: text.startIndex)..<end]
      address = HostAddress(ipv6: String(inside))
      guard address != nil else { throw malformed("'\(inside)' is not an IPv6 address") }
      ports = text[end...].dropFirst(2)
    }
    var fields = ports.split(separator: ":", omittingEmptySubsequences: false)
    if address == nil, fields.count == 3 {
      let first = fields.removeFirst()
      address = first == "localhost" ? .loopback : IPv4Address(parsing: Array(first.utf8)).map { .ipv4($0) }
      guard address != nil else { throw malformed("'\(first)' is neither localhost nor an IPv4 address") }
    }
    guard fields.count >= 2 else { throw malformed("there is no colon between two ports") }
    guard fields.count == 2 else {
      throw malformed(address == nil ? "an IPv6 address is written in brackets" : "there are too many colons")
    }
    func port(_ field: Substring, of whom: String) throws(PublishError) -> UInt16 {
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      guard !field.isEmpty, field.utf8.allSatisfy({ digits.contains($0) }) else {
        throw malformed("the \(whom) port '\(field)' is not a number")
      }
      guard let port = UInt16(field), port > 0 else {
        throw malformed("the \(whom) port \(field) is not one from 1 to 65535")
      }
      return port
    }
    self.init(
      hostAddress: address ?? .loopback, hostPort: try port(fields[0], of: "host's"),
      guestPort: try port(fields[1], of: "guest's"))
  }
}

extension PublishedPort {
  /// Whether the host cannot listen for both: it is one port, of one address or of all.
  public func excludes(_ other: PublishedPort) -> Bool {
    guard hostPort == other.hostPort, hostPort != 0 else { return false }
    if hostAddress == other.hostAddress { return true }
    guard case .ipv4(let first) = hostAddress, case .ipv4(let second) = other.hostAddress else { return false }
    let all = IPv4Address(0, 0, 0, 0)
    return first == all || second == all
  }
}

/// Why a port cannot be published.
public enum PublishError: Error, Equatable, CustomStringConvertible {
  /// Not of the form `[ADDRESS:]HOSTPORT:GUESTPORT`, and what is wrong with it.
  case malformed(String, reason: String)
  /// Another program listens there.
  case portInUse(PublishedPort)
  /// The user may not listen there.
  case noPermission(PublishedPort)
  /// The host has no such address.
  case addressNotAvailable(PublishedPort)
  /// The host refused something else.
  case failed(PublishedPort, Errno)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .malformed(let text, let reason):
      "'\(text)' is not a port to publish: \(reason); use [ADDRESS:]HOSTPORT:GUESTPORT "
        + "with ports from 1 to 65535, such as 8080:80"
    case .portInUse(let port):
      "port \(port.hostPort) of \(port.hostAddress) is in use by another program; stop it or publish another host port"
    case .noPermission(let port):
      "no permission to listen on port \(port.hostPort) of \(port.hostAddress); publish a host port above 1023"
    case .addressNotAvailable(let port):
      "this host has no address \(port.hostAddress); publish on 127.0.0.1, on 0.0.0.0 or on an address of the host"
    case .failed(let port, let errno): "cannot listen on port \(port.hostPort) of \(port.hostAddress) (\(errno))"
    }
  }
}
