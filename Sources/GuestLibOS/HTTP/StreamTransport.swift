/// Connections that carry bytes in order, such as those of a TCP stack. Nothing waits: zero bytes mean "nothing now".
///
/// A server reads what `accept` gives it, and ends each connection by exactly one `release`.
public protocol StreamTransport: ~Copyable {
  /// Names a connection; a copy names the same one.
  associatedtype Connection
  /// Why a connection broke.
  associatedtype Failure: Error

  /// The next connection that a client opened; nil when there is none now.
  mutating func accept() -> Connection?

  /// Moves received bytes to the start of `buffer`; tells how many. Zero when there are none now, or none to come.
  /// The buffer's memory is used during the call only.
  mutating func read(_ connection: Connection, into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int

  /// Takes bytes to send from the start of `bytes`; tells how many found room. Zero when the send buffer is full.
  mutating func write(_ connection: Connection, from bytes: Span<UInt8>) throws(Failure) -> Int

  /// True when the peer will send nothing more and all that it sent was read.
  mutating func peerFinished(_ connection: Connection) -> Bool

  /// Nothing more will be written; what was written is delivered first.
  mutating func finish(_ connection: Connection)

  /// Breaks the connection at once and drops what was not delivered.
  mutating func abort(_ connection: Connection)

  /// The handle will not be used again. After `finish` the transport still delivers what was written, on its own.
  mutating func release(_ connection: Connection)
}
