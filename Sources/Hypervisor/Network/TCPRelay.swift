import InternetStack
import SystemPackage

/// Carries one accepted host connection to the guest and back: data, ends of streams and resets, in both directions.
///
/// Back-pressure: from the host only as much is read as the stack's send buffer has room for, from the guest only as much as the
/// host's socket took before, so no buffer grows.
final class TCPRelay {
  /// What has become of the relay.
  enum Progress: Equatable {
    /// It goes on.
    case carrying
    /// It is over and has released its connection: drop it.
    case over
  }

  let connection: Connection
  private let stack: ProtocolEngine
  private let socket: OwnedDescriptor
  private let loop: EventLoop
  private var interest: EventLoop.Interest = []
  /// Bytes of the guest that the host's socket did not take yet, from `unsentStart` on.
  private var unsent: [UInt8] = []
  private var unsentStart = 0
  /// The host has sent its last byte, and the guest will be told after it.
  private var hostHasFinished = false
  /// The guest has sent its last byte, and the host has been told.
  private var guestHasFinished = false
  private var isOver = false
  /// The loop has said that something can be read, and it has not been tried yet.
  private var hostIsReadable = false

  var fd: Int32 { socket.rawValue }

  /// Carries between `socket` and `connection`. `wake` is called when the socket is ready; it should call `pump`.
  init(
    socket: consuming OwnedDescriptor, connection: Connection, stack: ProtocolEngine, loop: EventLoop,
    wake: @escaping (TCPRelay) -> Void
  ) throws(EventLoopError) {
    self.socket = socket
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
    loop.unregister(socket.rawValue)
  }

  /// Moves what can be moved. `buffer` is scratch space.
  func pump(_ buffer: UnsafeMutableRawBufferPointer) -> Progress {
    guard !isOver, let status = stack.status(of: connection), status.failure == nil else { return reset() }
    guard unsafe carryToGuest(room: status.writableBytes, buffer), unsafe carryToHost(buffer) else { return reset() }
    if hostHasFinished, guestHasFinished {
      isOver = true
      loop.unregister(fd)
      stack.release(connection)
      return .over
    }
    var wanted: EventLoop.Interest = []
    if !hostHasFinished, let room = stack.status(of: connection)?.writableBytes, room > 0 { wanted.insert(.readable) }
    if !unsent.isEmpty { wanted.insert(.writable) }
    guard wanted != interest else { return .carrying }
    do throws(EventLoopError) {
      try loop.update(fd, interest: wanted)
      interest = wanted
      return .carrying
    } catch {
      return reset()
    }
  }

  /// Ends both connections at once, with resets.
  @discardableResult
  func reset() -> Progress {
    guard !isOver else { return .over }
    isOver = true
    loop.unregister(fd)
    HostSocket.resetOnClose(fd)
    stack.abort(connection)
    stack.release(connection)
    return .over
  }

  /// Host to guest: one buffer at most, so that a fast sender leaves the others their turn. False after a reset by the host.
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
    guard !guestHasFinished else { return true }
    while true {
      if !unsent.isEmpty {
        // Safe: the range is inside the array.
        let result = unsafe unsent.withUnsafeBytes { bytes in
          unsafe HostSocket.send(fd, UnsafeRawBufferPointer(rebasing: bytes[unsentStart...]))
        }
        switch result {
        case .failure(let errno): return errno == .wouldBlock || errno == .resourceTemporarilyUnavailable
        case .success(let count): unsentStart += count
        }
        guard unsentStart == unsent.count else { continue }
        unsent.removeAll()
        unsentStart = 0
      }
      let count: Int
      do throws(NetworkError) {
        count = try unsafe stack.read(connection, into: buffer)
      } catch {
        return false
      }
      guard count > 0 else { break }
      // Safe: the stack wrote `count` bytes.
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
      switch unsafe HostSocket.send(fd, bytes) {
      case .success(count): continue
      case .success(let sent): unsafe unsent.append(contentsOf: bytes[sent...])
      case .failure(let errno):
        guard errno == .wouldBlock || errno == .resourceTemporarilyUnavailable else { return false }
        unsafe unsent.append(contentsOf: bytes)
        return true
      }
    }
    if stack.status(of: connection)?.isAtEnd == true {
      guestHasFinished = true
      HostSocket.finish(fd)
    }
    return true
  }
}
