/// Counters of a stack since it was made. All count events, unless named otherwise.
public struct StackStatistics: Equatable, Sendable {
  /// Frames given to `receive`.
  public var framesReceived: UInt64 = 0
  /// Frames the link accepted.
  public var framesSent: UInt64 = 0
  /// Frames the link refused because it was full; TCP frames are made again later.
  public var linkFull: UInt64 = 0
  /// Frames for other stations or of protocols that are not spoken here.
  public var framesIgnored: UInt64 = 0
  /// Packets too short or otherwise malformed, at any layer.
  public var malformed: UInt64 = 0
  /// Packets with a wrong checksum, at any layer.
  public var badChecksums: UInt64 = 0
  /// Fragments of IPv4 packets, which are dropped.
  public var fragmentsDropped: UInt64 = 0
  /// Packets dropped because their next hop could not be resolved or there was no room to keep them meanwhile.
  public var unresolvedDropped: UInt64 = 0
  /// ARP requests sent, probes and announcements included.
  public var arpRequestsSent: UInt64 = 0
  /// ARP packets in which another station claimed our address.
  public var addressConflicts: UInt64 = 0
  /// ICMP echo requests answered.
  public var echoesAnswered: UInt64 = 0
  /// ICMP errors sent.
  public var icmpErrorsSent: UInt64 = 0
  /// Datagrams put into UDP sockets.
  public var datagramsReceived: UInt64 = 0
  /// Datagrams dropped because their socket's buffer was full.
  public var datagramsDropped: UInt64 = 0
  /// TCP segments received with a good checksum. A merged frame counts once.
  public var segmentsReceived: UInt64 = 0
  /// TCP segments sent. A frame to be cut by the link counts once.
  public var segmentsSent: UInt64 = 0
  /// TCP segments sent that carried neither data nor SYN, FIN or RST.
  public var pureAcknowledgmentsSent: UInt64 = 0
  /// TCP segments sent again, by timer or fast retransmit.
  public var segmentsRetransmitted: UInt64 = 0
  /// Losses recovered without waiting for the timer.
  public var fastRetransmits: UInt64 = 0
  /// Expiries of the retransmission timer.
  public var retransmissionTimeouts: UInt64 = 0
  /// Probes of a closed window.
  public var windowProbes: UInt64 = 0
  /// Segments that arrived ahead of missing ones.
  public var outOfOrderSegments: UInt64 = 0
  /// Segments whose text was dropped because there was no memory for it; their senders send it again.
  public var textDropped: UInt64 = 0
  /// Challenge acknowledgements sent (RFC 5961).
  public var challengeAcknowledgments: UInt64 = 0
  /// Resets sent.
  public var resetsSent: UInt64 = 0
  /// SYNs dropped because the listener's backlog or the connection table was full.
  public var synDropped: UInt64 = 0
  /// Connections that reached ESTABLISHED.
  public var connectionsEstablished: UInt64 = 0

  /// All counters zero.
  public init() {}
}
