import InternetStack
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// System calls on the host's TCP sockets. All descriptors are non-blocking.
enum HostSocket {
  /// A socket that listens where `port` says.
  static func listen(_ port: PublishedPort) throws(PublishError) -> OwnedDescriptor {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let isIPv6 = if case .ipv6 = port.hostAddress { true } else { false }
    let fd = socket(isIPv6 ? AF_INET6 : AF_INET, type, 0)
    guard fd >= 0 else { throw .failed(port, Errno(rawValue: errno)) }
    let descriptor = OwnedDescriptor(fd)
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    guard bind(fd, to: port) == 0, Glibc.listen(fd, backlog) == 0 else {
      switch Errno(rawValue: errno) {
      case .addressInUse: throw .portInUse(port)
      case .permissionDenied, .notPermitted: throw .noPermission(port)
      case .addressNotAvailable: throw .addressNotAvailable(port)
      case let errno: throw .failed(port, errno)
      }
    }
    return descriptor
  }

  /// Gives the socket its address; what bind(2) returns.
  private static func bind(_ fd: Int32, to port: PublishedPort) -> Int32 {
    switch port.hostAddress {
    case .ipv4(let host):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.hostPort.bigEndian
      address.sin_addr.s_addr = host.value.bigEndian
      // Safe: the address lives for the duration of the call.
      return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe Glibc.bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    case .ipv6(let high, let low):
      // IPv4's addresses stay free for others.
      setOption(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.hostPort.bigEndian
      // Safe: the field has sixteen bytes; the address lives for the duration of the calls.
      unsafe withUnsafeMutableBytes(of: &address.sin6_addr) {
        unsafe $0.storeBytes(of: high.bigEndian, as: UInt64.self)
        unsafe $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe Glibc.bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
    }
  }

  /// Connections that may wait to be accepted: all that come while the guest is starting.
  private static var backlog: Int32 { 1024 }

  /// The port that a listening socket has. It is in one place in the addresses of both families.
  static func port(of fd: Int32) -> UInt16? {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // Safe: the address and its length live for the duration of the call.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(fd, $0, &length) }
    }
    return result == 0 ? UInt16(bigEndian: address.sin_port) : nil
  }

  /// The next waiting connection, or why there is none.
  static func accept(_ fd: Int32) -> Result<Int32, Errno> {
    // No address is asked for.
    let accepted = Int32(truncatingIfNeeded: retryingWhenInterrupted { Int(Glibc.accept(fd, nil, nil)) })
    guard accepted >= 0 else { return .failure(Errno(rawValue: errno)) }
    guard fcntl(accepted, F_SETFL, O_NONBLOCK) == 0, fcntl(accepted, F_SETFD, FD_CLOEXEC) == 0 else {
      let reason = Errno(rawValue: errno)
      close(accepted)
      return .failure(reason)
    }
    // What the guest sends in one piece goes out in one piece.
    setOption(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    return .success(accepted)
  }

  /// Sends without a signal when the peer is gone; the count, or why nothing was sent.
  static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    // Safe: the bytes live for the duration of the call.
    let count = retryingWhenInterrupted {
      unsafe Glibc.send(fd, bytes.baseAddress, bytes.count, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
    }
    return count < 0 ? .failure(Errno(rawValue: errno)) : .success(count)
  }

  /// Receives; 0 at the end of the stream.
  static func receive(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Result<Int, Errno> {
    // Safe: the buffer lives for the duration of the call.
    let count = retryingWhenInterrupted { unsafe recv(fd, buffer.baseAddress, buffer.count, 0) }
    return count < 0 ? .failure(Errno(rawValue: errno)) : .success(count)
  }

  /// Says to the peer that nothing more will be sent.
  static func finish(_ fd: Int32) {
    shutdown(fd, Int32(SHUT_WR))
  }

  /// Makes closing `fd` reset the connection instead of ending it in order.
  static func resetOnClose(_ fd: Int32) {
    var option = linger(l_onoff: 1, l_linger: 0)
    // Safe: the option lives for the duration of the call.
    unsafe setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  /// Lets this process have at least `count` open files, as far as its hard limit allows; beyond it, connections wait
  /// for one another.
  static func raiseDescriptorLimit(to count: Int) {
    var limit = rlimit()
    // Safe: the structure lives for the duration of the calls.
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < count else { return }
    limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
    unsafe setrlimit(resource, &limit)
  }

  private static func setOption(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    // Safe: the option lives for the duration of the call. These options cannot fail on a TCP socket.
    unsafe setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
