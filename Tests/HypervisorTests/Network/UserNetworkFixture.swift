import Foundation
import Glibc
import InternetStack
import Testing
import VirtioLayout

@testable import Hypervisor

/// A client of the host: a blocking TCP socket connected to a published port. With a time limit such a socket's calls
/// end with EINTR where the process was stopped or frozen for a while.
final class HostClient: Sendable {
  let fd: Int32

  init(port: UInt16, timeout: Int = 20, receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil) {
    fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if var receiveBuffer { setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
    if var sendBuffer { setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sendBuffer, 4) }
    var limit = timeval(tv_sec: timeout, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result != 0 { Issue.record("cannot connect: \(errno)") }
  }

  func send(_ bytes: [UInt8]) -> Bool {
    var start = 0
    while start < bytes.count {
      let count = bytes.withUnsafeBytes { bytes in
        retryingWhenInterrupted {
          Glibc.send(fd, bytes.baseAddress! + start, bytes.count - start, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
        }
      }
      guard count > 0 else { return false }
      start += count
    }
    return true
  }

  /// Up to `count` bytes, fewer only at the end of the stream; nil after an error, which `errno` tells.
  func read(_ count: Int) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = result.withUnsafeMutableBytes { bytes in
        retryingWhenInterrupted { recv(fd, bytes.baseAddress! + filled, count - filled, 0) }
      }
      if got < 0 { return nil }
      if got == 0 { break }
      filled += got
    }
    return Array(result[..<filled])
  }

  /// Sends until the socket takes no more for a while; returns how much it took.
  func sendUntilFull(_ chunk: [UInt8], limit: Int) -> Int {
    var total = 0
    var idle = 0
    while idle < 100, total < limit {
      let count = chunk.withUnsafeBytes {
        Glibc.send(
          fd, $0.baseAddress, $0.count,
          Int32(truncatingIfNeeded: MSG_NOSIGNAL) | Int32(truncatingIfNeeded: MSG_DONTWAIT))
      }
      if count > 0 {
        total += count
        idle = 0
      } else {
        idle += 1
        usleep(2_000)
      }
    }
    return total
  }

  func finish() { shutdown(fd, Int32(SHUT_WR)) }

  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  deinit { close(fd) }
}

/// A user network with a guest on it that listens on port 80.
final class UserFixture: @unchecked Sendable {
  let running: RunningLoop
  let guest: GuestSide
  let port: UInt16

  init(
    features: VirtioFeatures = allOffloads, starting: Bool = true, addressing: Addressing? = nil,
    connections: Int = 64, limit: Int = UserNetworkBackend.mostConnections,
    program: @escaping (GuestSide, Connection) -> Void = GuestPrograms.echo()
  ) throws {
    let running = try RunningLoop()
    self.running = running
    (guest, port) = try running.sync {
      let backend = try UserNetworkBackend(
        publishing: [PublishedPort(hostPort: 0, guestPort: 80)], loop: running.loop, connectionLimit: limit)
      let guest = GuestSide(
        backend, loop: running.loop, features: features, addressing: addressing, connections: connections)
      guest.program = program
      try guest.listen(80, backlog: connections / 2)
      if starting { guest.start() }
      return (guest, backend.hostPorts[0])
    }
  }

  deinit { running.stop() }
}

/// Counts from several threads.
final class SharedCounter: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func increment() { lock.withLock { count += 1 } }
}

extension GuestSide {
  /// Gives the card buffers for `count` frames every millisecond.
  func refill(to count: Int) {
    loop.schedule(after: 1_000_000) { [weak self] in
      guard let self else { return }
      self.card.room = count
      self.backend.receiveBuffersAvailable()
      self.refill(to: count)
    }
  }

  /// Runs on a back end that was started with another card's receiver.
  func attachWithoutRestart() {
    isRunning = true
    wake()
  }
}
