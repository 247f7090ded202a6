import HTTP
import InternetStack

/// The TCP connections of one listener as the HTTP server wants them.
struct StackTransport: StreamTransport {
  let stack: ProtocolEngine
  let listener: Listener

  func accept() -> Connection? { stack.accept(listener) }

  func read(_ connection: Connection, into buffer: UnsafeMutableRawBufferPointer) throws(NetworkError) -> Int {
    // The caller's buffer, used during the call.
    unsafe try stack.read(connection, into: buffer)
  }

  func write(_ connection: Connection, from bytes: Span<UInt8>) throws(NetworkError) -> Int {
    // The span's memory, used during the call.
    unsafe try bytes.withUnsafeBufferPointer { buffer throws(NetworkError) -> Int in
      unsafe try stack.write(connection, from: UnsafeRawBufferPointer(buffer))
    }
  }

  func peerFinished(_ connection: Connection) -> Bool { stack.status(of: connection)?.isAtEnd ?? true }

  func finish(_ connection: Connection) { stack.finish(connection) }

  func abort(_ connection: Connection) { stack.abort(connection) }

  func release(_ connection: Connection) { stack.release(connection) }
}
