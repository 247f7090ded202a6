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
