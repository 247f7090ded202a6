import Foundation

/// A TCP socket that listens at a port of 127.0.0.1 of the host's choice.
final class HostListener {
  private let descriptor: Int32
  let port: UInt16

  init() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.descriptor = descriptor
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
        bind(descriptor, place, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, place, &length) == 0
      }
    }
    port = UInt16(bigEndian: place.sin_port)
    guard result else { throw WebFailure(description: "cannot listen: \(String(cString: strerror(errno)))") }
  }

  deinit { close(descriptor) }
}
