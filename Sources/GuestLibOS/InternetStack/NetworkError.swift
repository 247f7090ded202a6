/// Why a call into the stack was refused.
public enum NetworkError: Error, Equatable, Sendable {
  /// The handle names no connection: it was released, or never existed.
  case unknownConnection
  /// The handle names no listener.
  case unknownListener
  /// The handle names no UDP socket.
  case unknownSocket
  /// The port is taken by another listener or socket; choose another one.
  case portInUse(UInt16)
  /// The port is 0, or all ephemeral ports are taken.
  case noUsablePort
  /// The table of connections, listeners or sockets is full; see `StackConfiguration`.
  case tableFull
  /// The stack has no address yet; wait until `isConfigured`.
  case notConfigured
  /// No route leads to the address: it is on another link and there is no gateway, or it is no host's address.
  case unreachable(IPv4Address)
  /// The connection has ended in failure.
  case connectionFailed(ConnectionFailure)
  /// `finish` has been called: nothing more can be written.
  case closedForWriting
  /// The datagram does not fit the link in one packet; the value is the largest payload.
  case datagramTooLong(maximum: Int)
  /// The link or the table of parked packets is full; try again after the next `poll`.
  case busy
}

extension NetworkError: CustomStringConvertible {
  /// What was refused, and what to do about it.
  public var description: String {
    switch self {
    case .unknownConnection: "the TCP connection is not known (any more); do not use a handle after release"
    case .unknownListener: "the TCP listener is not known (any more); do not use a handle after it is closed"
    case .unknownSocket: "the UDP socket is not known (any more); do not use a handle after it is closed"
    case .portInUse(let port): "port \(port) is in use; choose another port"
    case .noUsablePort: "the port is 0 or no ephemeral port is free; name a free port from 1 to 65535"
    case .tableFull: "a table of the network stack is full; raise the limit in StackConfiguration"
    case .notConfigured: "the interface has no address yet; wait until the stack is configured"
    case .unreachable(let address): "no route leads to \(address.description); set a gateway or use another address"
    case .connectionFailed(let failure): failure.description
    case .closedForWriting: "the connection was finished for writing; write before calling finish"
    case .datagramTooLong(let maximum): "the datagram is too long; send at most \(maximum) bytes"
    case .busy: "the link cannot take the packet now; try again after the next poll"
    }
  }
}

/// Why a TCP connection failed.
public enum ConnectionFailure: Equatable, Sendable {
  /// The peer answered the SYN with a reset, or its host with an ICMP error: nobody listens there.
  case refused
  /// The peer reset the connection.
  case reset
  /// The peer did not answer any more.
  case timedOut
  /// Nobody answered ARP, or a router reported that the host or network is unreachable, during connect.
  case hostUnreachable
  /// The stack lost the address that the connection used.
  case addressLost
  /// `abort` was called.
  case aborted
}

extension ConnectionFailure: CustomStringConvertible {
  /// The failure in words.
  public var description: String {
    switch self {
    case .refused: "connection refused: nothing listens on the peer's port"
    case .reset: "connection reset by the peer"
    case .timedOut: "connection timed out: the peer does not answer"
    case .hostUnreachable: "host unreachable: check the peer's address, the prefix length and the gateway"
    case .addressLost: "the interface lost its address (DHCP lease expired or refused)"
    case .aborted: "connection aborted by this side"
    }
  }
}
