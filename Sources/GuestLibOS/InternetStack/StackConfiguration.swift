/// How a stack comes to its address.
public enum Addressing: Sendable {
  /// A fixed address.
  case manual(address: IPv4Address, prefixLength: UInt8, gateway: IPv4Address?)
  /// An address leased from a DHCP server (RFC 2131).
  case dhcp
}

/// Sizes, limits and times of a stack. The defaults suit a small server; all are fixed once the stack is made.
public struct StackConfiguration: Sendable {
  /// Most bytes of received data kept per TCP connection; rounded up to a power of two, at least 1,024, at most 1 GiB.
  public var receiveBufferSize = 128 * 1024
  /// Most bytes of unacknowledged and unsent data kept per TCP connection; rounded up as `receiveBufferSize` is.
  public var sendBufferSize = 128 * 1024
  /// Bytes that the buffers of all TCP connections may hold together. The first piece (4 KiB) of each of them is not
  /// counted and always granted, so that every connection gets on; beyond it, none holds more than a quarter of what is
  /// left.
  public var bufferMemory = Int.max
  /// Most TCP connections at a time, those in TIME-WAIT and half-open ones included; 1 to 32,768.
  public var maximumConnections = 256
  /// Most listeners at a time.
  public var maximumListeners = 8
  /// Most UDP sockets at a time.
  public var maximumUDPSockets = 8
  /// Bytes of received datagrams (each with a header of 16 bytes) kept per UDP socket.
  public var datagramBufferSize = 32 * 1024
  /// Most neighbours remembered by ARP.
  public var neighborCacheSize = 32
  /// Most packets (UDP and ICMP) kept while ARP resolves their next hops.
  public var parkedPacketLimit = 8
  /// How long an answer of ARP stays good.
  public var neighborLifetime = TimeSpan.seconds(300)
  /// Time between two ARP requests for a neighbour. RFC 1122 section 2.3.2.1 says a second; a link of two machines can
  /// bear more.
  public var neighborRequestInterval = TimeSpan.seconds(1)
  /// ARP requests sent, one per `neighborRequestInterval`, before a neighbour counts as unreachable.
  public var neighborRequestLimit = 4

  /// Whether small segments wait while an earlier small one is unacknowledged (Nagle, RFC 896, in Minshall's form).
  public var coalescesSmallSegments = true
  /// How long an acknowledgement of less than two full segments may wait (RFC 9293 section 3.8.6.3: below 500 ms).
  public var delayedAcknowledgment = TimeSpan.milliseconds(40)
  /// Congestion window of a new connection in segments (RFC 6928).
  public var initialWindowSegments = 10
  /// Retransmission timeout before anything is measured (RFC 6298 section 2.1).
  public var initialRetransmissionTimeout = TimeSpan.seconds(1)
  /// Smallest retransmission timeout. RFC 6298 says 1 s; delayed acknowledgements of today allow 200 ms.
  public var minimumRetransmissionTimeout = TimeSpan.milliseconds(200)
  /// Largest retransmission timeout and largest interval of window probes.
  public var maximumRetransmissionTimeout = TimeSpan.seconds(60)
  /// Retransmissions of data without any answer before the connection fails with `timedOut`.
  public var retransmissionLimit = 12
  /// Retransmissions of SYN or SYN-ACK before the attempt fails.
  public var handshakeRetransmissionLimit = 6
  /// How long a closed connection's tuple stays blocked: twice the maximum segment lifetime.
  public var timeWait = TimeSpan.seconds(60)
  /// How long a released connection waits for the peer's FIN.
  public var finWait2 = TimeSpan.seconds(60)

  /// First wait of the DHCP client for an answer; doubled to 64 s, each varied by up to 1 s (RFC 2131 section 4.1).
  public var dhcpRetransmission = TimeSpan.seconds(4)

  /// The default configuration.
  public init() {}
}
