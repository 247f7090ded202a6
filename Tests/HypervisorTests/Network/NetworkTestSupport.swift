import Dispatch
import Foundation
import Glibc
import Logging
import VirtioLayout

@testable import Hypervisor

/// An event loop on a thread of its own, for back ends under test.
final class RunningLoop: @unchecked Sendable {
  let loop: EventLoop
  private let ended = DispatchSemaphore(value: 0)

  init() throws {
    loop = try EventLoop()
    let (loop, ended) = (loop, ended)
    let thread = Thread {
      loop.run()
      ended.signal()
    }
    thread.start()
  }

  /// Runs `body` on the loop's thread and waits for it.
  func sync<Result>(_ body: @escaping () throws -> Result) throws -> Result {
    let box = Box<Result>()
    let done = DispatchSemaphore(value: 0)
    let call = Call { box.result = Swift.Result { try body() } }
    loop.post {
      // Let go at once: the loop keeps what was posted until it next wakes up.
      let run = call.body
      call.body = nil
      run?()
      done.signal()
    }
    done.wait()
    return try box.result!.get()
  }

  /// Asks `condition`, on the loop's thread, until it holds; false after `seconds`.
  func wait(seconds: Double = 10, until condition: @escaping () -> Bool) throws -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while Date() < deadline {
      if try sync(condition) { return true }
      usleep(500)
    }
    return false
  }

  /// Time of the processor that the thread which asks has used.
  static var threadNanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Ends the loop before `served` is dropped, which the compiler may do behind its last use otherwise: on this thread,
  /// while the loop's still calls it.
  func stop<Served>(before served: Served) { withExtendedLifetime(served) { stop() } }

  /// Ends the loop; then what it served may be dropped.
  func stop() {
    loop.stop()
    ended.wait()
  }

  private final class Box<Value>: @unchecked Sendable { var result: Result<Value, any Error>? }
  private final class Call: @unchecked Sendable {
    var body: (() -> Void)?
    init(_ body: @escaping () -> Void) { self.body = body }
  }
}

/// A log that keeps its lines.
final class RecordedLog: @unchecked Sendable {
  private struct Handler: LogHandler {
    let log: RecordedLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { log.lock.withLock { log.kept.append("\(event.message)") } }
  }

  private let lock = NSLock()
  private var kept: [String] = []
  var lines: [String] { lock.withLock { kept } }
  var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }
}

/// A card without a guest: keeps what is delivered.
final class FakeCard: NetworkReceiver, @unchecked Sendable {
  struct Packet: Equatable {
    var header: VirtioNetwork.Header
    var frame: [UInt8]
  }

  var received: [Packet] = []
  /// How many frames there is room for; nil for any number.
  var room: Int?
  var flushes = 0
  var transmitReadies = 0
  var isLinkUp = true
  /// Called instead of keeping the frame.
  var onDeliver: ((Packet) -> Void)?

  func deliver(header: VirtioNetwork.Header, frame: RawSpan) -> ReceiveOutcome {
    take(Packet(header: header, frame: frame.withUnsafeBytes { Array($0) }))
  }

  private func take(_ packet: Packet) -> ReceiveOutcome {
    if let room {
      guard room > 0 else { return .noBuffers }
      self.room = room - 1
    }
    if let onDeliver { onDeliver(packet) } else { received.append(packet) }
    return .delivered
  }

  func receive(_ read: (borrowing ReceiveBuffers) -> Int) -> ReceiveOutcome {
    if room == 0 { return .noBuffers }
    var storage = [UInt8](repeating: 0, count: 12 + VirtioNetwork.largeFrameByteCount)
    let count = storage.withUnsafeMutableBytes { bytes in
      // Odd pieces, so that scattering is tested.
      var vectors = [
        iovec(iov_base: bytes.baseAddress, iov_len: 12), iovec(iov_base: bytes.baseAddress! + 12, iov_len: 33),
        iovec(iov_base: bytes.baseAddress! + 45, iov_len: bytes.count - 45),
      ]
      return vectors.withUnsafeMutableBufferPointer { read(ReceiveBuffers(vectors: $0)) }
    }
    guard count > 12 else { return .noPacket }
    let header = storage.withUnsafeBytes { $0.loadUnaligned(as: VirtioNetwork.Header.self) }
    return take(Packet(header: header, frame: Array(storage[12..<count])))
  }

  func flush() { flushes += 1 }
  func transmitReady() { transmitReadies += 1 }
  func setLink(isUp: Bool) { isLinkUp = isUp }
}

extension NetworkBackend {
  /// Sends a frame as the card would, in two pieces.
  func transmit(_ frame: [UInt8], header: VirtioNetwork.Header = VirtioNetwork.Header()) -> TransmitOutcome {
    var frame = frame
    return frame.withUnsafeMutableBytes { bytes in
      let half = bytes.count / 2
      var vectors = [
        iovec(), iovec(iov_base: bytes.baseAddress, iov_len: half),
        iovec(iov_base: bytes.baseAddress! + half, iov_len: bytes.count - half),
      ]
      return vectors.withUnsafeMutableBufferPointer {
        transmit(OutgoingPacket(header: header, byteCount: bytes.count, vectors: $0))
      }
    }
  }
}

/// Frames made byte by byte.
enum TestFrames {
  static let guestMAC: [UInt8] = [0x52, 0x54, 0, 0, 0, 1]

  /// An ARP request of `sender` for `target`.
  static func arpRequest(sender: [UInt8], target: [UInt8]) -> [UInt8] {
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] + guestMAC + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + guestMAC + sender
      + [0, 0, 0, 0, 0, 0] + target
  }

  /// Whether `frame` answers `arpRequest(sender:target:)`.
  static func isARPReply(_ frame: [UInt8], from address: [UInt8]) -> Bool {
    frame.count >= 42 && frame[12..<14] == [8, 6] && frame[20..<22] == [0, 2] && Array(frame[28..<32]) == address
  }

  /// An ICMP echo request with a payload of `count` bytes, from 10.0.2.15 to 10.0.2.2.
  static func echoRequest(to gateway: [UInt8], count: Int) -> [UInt8] {
    var icmp: [UInt8] = [8, 0, 0, 0, 0x12, 0x34, 0, 1] + (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let icmpSum = sum(icmp)
    icmp[2] = UInt8(icmpSum >> 8)
    icmp[3] = UInt8(icmpSum & 0xff)
    let total = 20 + icmp.count
    var ip: [UInt8] =
      [0x45, 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]
    let ipSum = sum(ip)
    ip[10] = UInt8(ipSum >> 8)
    ip[11] = UInt8(ipSum & 0xff)
    return gateway + guestMAC + [8, 0] + ip + icmp
  }

  private static func sum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }
}
