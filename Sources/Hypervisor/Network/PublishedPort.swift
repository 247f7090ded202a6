import InternetStack
import SystemPackage

/// A TCP port of the host that leads to a port of the guest: `--publish [ADDRESS:]HOSTPORT:GUESTPORT`.
public struct PublishedPort: Equatable, Sendable {
  /// Where the host listens. 127.0.0.1 unless asked for otherwise: what a guest serves is not shown to the world by default.
  public var hostAddress: IPv4Address
  /// The host's port; 0 lets the host choose one.
  public var hostPort: UInt16
  /// The guest's port.
  public var guestPort: UInt16

  /// A port to publish.
  public init(hostAddress: IPv4Address = IPv4Address(127, 0, 0, 1), hostPort: UInt16, guestPort: UInt16) {
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.guestPort = guestPort
  }

  /// Reads `[ADDRESS:]HOSTPORT:GUESTPORT`, ports from 1 to 65535 in decimal.
  public init(parsing text: String) throws(PublishError) {
    let fields = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (2...3).contains(fields.count) else { throw .malformed(text) }
    func port(_ field: Substring) throws(PublishError) -> UInt16 {
      guard field.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let port = UInt16(field),
        port > 0
      else { throw .malformed(text) }
      return port
    }
    let hostPort = try port(fields[fields.count - 2])
    let guestPort = try port(fields[fields.count - 1])
    self.init(hostPort: hostPort, guestPort: guestPort)
    if fields.count == 3 {
      guard let address = IPv4Address(parsing: Array(fields[0].utf8)) else { throw .malformed(text) }
      hostAddress = address
    }
  }
}

/// Why a port cannot be published.
public enum PublishError: Error, Equatable, CustomStringConvertible {
  /// Not of the form `[ADDRESS:]HOSTPORT:GUESTPORT`.
  case malformed(String)
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
    case .malformed(let text):
      "'\(text)' is not a port to publish; use [ADDRESS:]HOSTPORT:GUESTPORT with ports from 1 to 65535, such as 8080:80"
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
