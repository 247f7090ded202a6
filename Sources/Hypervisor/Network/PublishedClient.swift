/// A client of a published port. Its socket is closed with the last reference.
final class PublishedClient {
  let socket: OwnedDescriptor
  /// The port that it came to.
  let listener: PublishedListener
  /// When it came, on `EventLoop.now`'s clock.
  let since: UInt64

  /// Takes over `fd`, an accepted non-blocking socket.
  init(_ fd: Int32, listener: PublishedListener) {
    socket = OwnedDescriptor(fd)
    self.listener = listener
    since = EventLoop.now
  }

  /// Makes the end of the socket a reset.
  func resetOnClose() { HostSocket.resetOnClose(socket.rawValue) }
}
