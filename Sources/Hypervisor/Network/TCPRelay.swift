import InternetStack
import SystemPackage

/// Carries one accepted host connection to the guest and back: data, ends of streams and resets, in both directions.
///
/// Back-pressure: from the host only as much is read as the stack's send buffer has room for, and what comes from the
/// guest stays in the stack's receive buffer until the host's socket takes it. A relay keeps no bytes of its own.
final class TCPRelay {
  /// What has become of the relay.
  enum Progress: Equatable {
    /// It goes on.
    case carrying
    /// It is over and has released its connection: drop it.
    case over
  }

  let connection: Connection
  let client: PublishedClient
  /// Whether the guest has accepted the connection.
  private(set) var isAnswered = false
  /// When the guest's last byte went to the host; nil before.
  private(set) var guestEndedAt: UInt64?
  /// Since when something of the host's is on its way to the guest, as far as it is counted; see `FlightControl`.
  var flightSince: UInt64?
  /// Waits for `FlightControl` before it sends the guest more.
  var isHeld = false
  private let stack: ProtocolEngine
  private let loop: EventLoop
  private var interest: EventLoop.Interest = []
  /// The host's socket takes no more at present.
  private var hostIsFull = false
  /// The host has sent its last byte, and the guest will be told after it.
  private var hostHasFinished = false
  private var isOver = false
  /// The loop has said that something can be read, and it has not been tried yet.
  private var hostIsReadable = false

  private var fd: Int32 { client.socket.rawValue }

  /// Carries between the client's socket and `connection`. `wake` is called when the socket is ready; it should call
  /// `pump`.
  init(
    _ client: PublishedClient, connection: Connection, stack: ProtocolEngine, loop: EventLoop,
    wake: @escaping (TCPRelay) -> Void
  ) throws(EventLoopError) {
    self.client = client
    self.connection = connection
    self.stack = stack
    self.loop = loop
    try loop.register(
      fd,
      readable: { [weak self] in
        guard let self else { return }
        self.hostIsReadable = true
        wake(self)
      },
      writable: { [weak self] in if let self { wake(self) } })
    try loop.update(fd, interest: [.readable])
    interest = [.readable]
  }

  deinit {
    loop.unregister(fd)
  }

  /// Moves what can be moved, to the guest if `maySend`. `buffer` is scratch space.
  func pump(_ buffer: UnsafeMutableRawBufferPointer, maySend: Bool) -> Progress {
    guard !isOver, let status = stack.status(of: connection), status.failure == nil else { return reset() }
    if status.state != .synSent { isAnswered = true }
    isHeld = hostIsReadable && !hostHasFinished && status.writableBytes > 0 && !maySend
    if !isHeld, unsafe !carryToGuest(room: status.writableBytes, buffer) { return reset() }
    guard unsafe carryToHost(buffer) else { return reset() }
    if hostHasFinished, guestEndedAt != nil {
      isOver = true
      loop.unregister(fd)
      stack.release(connection)
      return .over
    }
    var wanted: EventLoop.Interest = []
    if !hostHasFinished, !isHeld, let room = stack.status(of: connection)?.writableBytes, room > 0 {
      wanted.insert(.readable)
    }
    if hostIsFull { wanted.insert(.writable) }
    guard wanted != interest else { return .carrying }
    do throws(EventLoopError) {
      try loop.update(fd, interest: wanted)
      interest = wanted
      return .carrying
    } catch {
      return reset()
    }
  }

  /// Something of the host's is on its way to the guest, and not acknowledged: a request to connect, data, or the end
  /// of them.
  var isInFlight: Bool {
    guard !isOver, let status = stack.status(of: connection) else { return false }
    switch status.state {
    case .synSent, .finWait1, .closing, .lastAck: return true
    default: return status.unacknowledgedBytes > 0
    }
  }

  /// Ends both connections at once, with resets.
  @discardableResult
  func reset() -> Progress {
    guard !isOver else { return .over }
    isOver = true
    loop.unregister(fd)
    client.resetOnClose()
    stack.abort(connection)
    stack.release(connection)
    return .over
  }

  /// Ends both connections in order: the host's kernel, and the stack, deliver what they have.
  func leave() {
    guard !isOver else { return }
    isOver = true
    loop.unregister(fd)
    stack.release(connection)
  }

  /// Host to guest: one buffer at most, so that a fast sender leaves the others their turn. False after a reset by the
  /// host.
  private func carryToGuest(room: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
    guard hostIsReadable, !hostHasFinished, room > 0 else { return true }
    hostIsReadable = false
    // Safe: the slice is within the buffer.
    let slice = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(room, buffer.count)])
    switch unsafe HostSocket.receive(fd, into: slice) {
    case .failure(let errno): return errno == .wouldBlock || errno == .resourceTemporarilyUnavailable
    case .success(0):
      hostHasFinished = true
      stack.finish(connection)
      return true
    case .success(let count):
      do throws(NetworkError) {
        // All of it fits: the room was asked for above, and only this call fills it.
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: slice[..<count])
        return try unsafe stack.write(connection, from: bytes) == count
      } catch {
        return false
      }
    }
  }

  /// Guest to host: all that the stack has and the socket takes. False after a reset by either.
  private func carryToHost(_ buffer: UnsafeMutableRawBufferPointer) -> Bool {
    guard guestEndedAt == nil else { return true }
    hostIsFull = false
    while true {
      do throws(NetworkError) {
        let count = unsafe try stack.peek(connection, into: buffer)
        guard count > 0 else { break }
        // Safe: the stack wrote `count` bytes.
        switch unsafe HostSocket.send(fd, UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
        case .success(let sent):
          try stack.skip(connection, count: sent)
          hostIsFull = sent < count
        case .failure(.wouldBlock), .failure(.resourceTemporarilyUnavailable): hostIsFull = true
        case .failure: return false
        }
      } catch {
        return false
      }
      if hostIsFull { return true }
    }
    if stack.status(of: connection)?.isAtEnd == true {
      guestEndedAt = EventLoop.now
      HostSocket.finish(fd)
    }
    return true
  }
}
