/// The states of a TCP connection (RFC 9293 section 3.3.2). LISTEN is not among them: listeners are things of their
/// own.
public enum ConnectionState: Equatable, Sendable {
  /// A connection request was sent.
  case synSent
  /// A connection request was received and answered.
  case synReceived
  /// Data flows both ways.
  case established
  /// This side has finished sending; its FIN is not acknowledged yet.
  case finWait1
  /// This side's FIN is acknowledged; the peer may still send.
  case finWait2
  /// The peer has finished sending; this side may still send.
  case closeWait
  /// Both sides finished at the same time; this side's FIN is not acknowledged yet.
  case closing
  /// The peer finished first, then this side, whose FIN is not acknowledged yet.
  case lastAck
  /// All is done; the tuple is kept until old duplicates have died out.
  case timeWait
  /// The connection is over; `ConnectionStatus.failure` says whether it failed.
  case closed
}

/// Names a TCP connection. A handle outlives its connection: then calls answer `unknownConnection`.
public struct Connection: Equatable, Sendable {
  /// Its place in the stack's table, below `StackConfiguration.maximumConnections`; no other handle that is not stale
  /// has it. For tables of the owner's.
  public let index: Int
  let generation: UInt32
}

/// Names a TCP listener. A handle outlives its listener: then calls answer `unknownListener`.
public struct Listener: Equatable, Sendable {
  let index: Int
  let generation: UInt32
}

/// What an owner can know of a TCP connection.
public struct ConnectionStatus: Equatable, Sendable {
  /// The state of the protocol.
  public var state: ConnectionState
  /// This side's address and port.
  public var local: Endpoint
  /// The peer's address and port.
  public var remote: Endpoint
  /// Bytes that `read` would give now.
  public var readableBytes: Int
  /// Bytes that `write` would take now; 0 once nothing more can be written.
  public var writableBytes: Int
  /// Bytes written and not yet acknowledged by the peer.
  public var unacknowledgedBytes: Int
  /// The peer's FIN has been received: after the readable bytes nothing more comes.
  public var peerFinished: Bool
  /// Why the connection failed, if it did.
  public var failure: ConnectionFailure?

  /// Whether everything the peer sent has been read: end of file.
  public var isAtEnd: Bool { peerFinished && readableBytes == 0 }
}
