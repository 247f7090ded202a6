import HTTP
import InternetStack

/// The TCP connections of one listener as the HTTP server wants them.
public struct StackTransport: StreamTransport {
  let stack: ProtocolEngine
  let listener: Listener

  /// The connections that come to `listener`.
  public init(stack: ProtocolEngine, listener: Listener) {
    self.stack = stack
    self.listener = listener
  }

  /// The next connection of the listener.
  public func accept() -> Connection? { stack.accept(listener) }

  /// Moves received bytes into `buffer`.
  public func read(_ connection: Connection, into buffer: UnsafeMutableRawBufferPointer) throws(NetworkError) -> Int {
    // The caller's buffer, used during the call.
    unsafe try stack.read(connection, into: buffer)
  }

  /// Takes bytes to send.
  public func write(_ connection: Connection, from bytes: Span<UInt8>) throws(NetworkError) -> Int {
    // The span's memory, used during the call.
    unsafe try bytes.withUnsafeBufferPointer { buffer throws(NetworkError) -> Int in
      unsafe try stack.write(connection, from: UnsafeRawBufferPointer(buffer))
    }
  }

  /// True where the peer sends nothing more and all was read.
  public func peerFinished(_ connection: Connection) -> Bool { stack.status(of: connection)?.isAtEnd ?? true }

  /// Ends the connection when all is delivered.
  public func finish(_ connection: Connection) { stack.finish(connection) }

  /// Resets the connection.
  public func abort(_ connection: Connection) { stack.abort(connection) }

  /// Forgets the handle.
  public func release(_ connection: Connection) { stack.release(connection) }
}
