/// A published port: its listening socket, and what is known of the guest's side of it. Device thread only.
final class PublishedListener {
  let port: PublishedPort
  let socket: OwnedDescriptor
  /// When the guest last answered from the port, or its driver started, on `EventLoop.now`'s clock; 0 before.
  var lastHeard: UInt64 = 0

  /// Listens where `port` says.
  init(_ port: PublishedPort) throws(PublishError) {
    self.port = port
    socket = try HostSocket.listen(port)
  }
}

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
