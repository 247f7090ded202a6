import Foundation
import Glibc
import Logging
import Testing
import VirtioLayout

@testable import Hypervisor

/// A back end on one end of a socket pair; the test is the server on the other.
private final class StreamFixture {
  let running: RunningLoop
  let card = FakeCard()
  let backend: UnixStreamBackend
  let server: Int32

  init(bufferSize: Int32? = nil) throws {
    running = try RunningLoop()
    var pair: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
    server = pair[0]
    _ = fcntl(pair[1], F_SETFL, O_NONBLOCK)
    if var bufferSize {
      setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bufferSize, socklen_t(MemoryLayout<Int32>.size))
    }
    let (loop, end) = (running.loop, pair[1])
    backend = try running.sync {
      try UnixStreamBackend(connected: end, path: "test", loop: loop, log: Logger(label: "test"))
    }
  }

  func start() throws { try running.sync { [self] in backend.start(receiver: card, features: .none) } }

  func serverSends(_ bytes: [UInt8]) { #expect(write(server, bytes, bytes.count) == bytes.count) }

  func serverReads(_ count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = result.withUnsafeMutableBytes { read(server, $0.baseAddress! + filled, count - filled) }
      guard got > 0 else { return Array(result[..<filled]) }
      filled += got
    }
    return result
  }

  deinit {
    running.stop()
    close(server)
  }
}

private func framed(_ frame: [UInt8]) -> [UInt8] {
  withUnsafeBytes(of: UInt32(frame.count).bigEndian) { Array($0) } + frame
}

private func frame(_ count: Int, _ seed: Int = 0) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + seed) }
}

@Suite("UNIX stream back end")
struct UnixStreamBackendTests {
  @Test("frames go out with their length in front, big-endian")
  func transmit() throws {
    let fixture = try StreamFixture()
    try fixture.start()
    for count in [14, 60, 1514, 65_550] {
      let sent = try fixture.running.sync { fixture.backend.transmit(frame(count)) }
      #expect(sent == .done)
      #expect(fixture.serverReads(4 + count) == framed(frame(count)))
    }
  }

  @Test("frames come in whole however the stream is cut")
  func receive() throws {
    let fixture = try StreamFixture()
    try fixture.start()
    let frames = [14, 60, 1514, 15, 65_550, 100].map { frame($0, $0) }
    let stream = frames.flatMap(framed)
    for piece in [1, 3, 4, 5, 1000, 70_000] {
      try fixture.running.sync { fixture.card.received = [] }
      var start = 0
      while start < stream.count {
        // Byte by byte only where it matters, around the lengths.
        let step = piece < 1000 && start > 200 && start < stream.count - 200 ? 997 : piece
        fixture.serverSends(Array(stream[start..<min(start + step, stream.count)]))
        start += step
      }
      #expect(try fixture.running.wait { fixture.card.received.count == frames.count })
      #expect(try fixture.running.sync { fixture.card.received.map(\.frame) } == frames)
    }
    #expect(try fixture.running.sync { fixture.card.flushes > 0 })
    #expect(try fixture.running.sync { fixture.card.received.allSatisfy { $0.header == VirtioNetwork.Header() } })
  }

  @Test("frames wait while the guest has no buffers, and none is lost")
  func noBuffers() throws {
    let fixture = try StreamFixture()
    try fixture.start()
    try fixture.running.sync { fixture.card.room = 2 }
    for index in 0..<5 { fixture.serverSends(framed(frame(100, index))) }
    #expect(try fixture.running.wait { fixture.card.received.count == 2 })
    usleep(20_000)
    #expect(try fixture.running.sync { fixture.card.received.count } == 2)
    try fixture.running.sync {
      fixture.card.room = nil
      fixture.backend.receiveBuffersAvailable()
    }
    #expect(try fixture.running.wait { fixture.card.received.count == 5 })
    #expect(try fixture.running.sync { fixture.card.received.map(\.frame) } == (0..<5).map { frame(100, $0) })
  }

  @Test("a full socket holds the card back and completes the frame it has begun")
  func fullSocket() throws {
    let fixture = try StreamFixture(bufferSize: 4096)
    try fixture.start()
    var sent: [[UInt8]] = []
    var isBusy = false
    while !isBusy, sent.count < 1000 {
      let next = frame(30_000, sent.count)
      isBusy = try fixture.running.sync { fixture.backend.transmit(next) } == .busy
      if !isBusy { sent.append(next) }
    }
    #expect(isBusy)
    #expect(!sent.isEmpty)
    for expected in sent { #expect(fixture.serverReads(4 + expected.count) == framed(expected)) }
    #expect(try fixture.running.wait { fixture.card.transmitReadies > 0 })
    #expect(try fixture.running.sync { fixture.backend.transmit(frame(20)) } == .done)
    #expect(fixture.serverReads(24) == framed(frame(20)))
  }

  @Test("a length that no frame has takes the link down", arguments: [UInt32(65_551), .max])
  func tooLong(length: UInt32) throws {
    let fixture = try StreamFixture()
    try fixture.start()
    fixture.serverSends(framed(frame(20)) + withUnsafeBytes(of: length.bigEndian) { Array($0) })
    #expect(try fixture.running.wait { !fixture.card.isLinkUp })
    #expect(try fixture.running.sync { fixture.backend.failure } == .frameTooLong("test", byteCount: length))
    #expect(try fixture.running.sync { fixture.card.received.count } == 1)
    #expect(try fixture.running.sync { fixture.backend.transmit(frame(20)) } == .done)
  }

  @Test("frames shorter than an Ethernet header are skipped")
  func short() throws {
    let fixture = try StreamFixture()
    try fixture.start()
    fixture.serverSends(framed([]) + framed(frame(13)) + framed(frame(14)))
    #expect(try fixture.running.wait { !fixture.card.received.isEmpty })
    #expect(try fixture.running.sync { fixture.card.received.map(\.frame) } == [frame(14)])
  }

  @Test("a server that goes away takes the link down, in the middle of a frame as well", arguments: [true, false])
  func closed(midFrame: Bool) throws {
    let fixture = try StreamFixture()
    try fixture.start()
    if midFrame { fixture.serverSends([0, 0, 0, 60, 1, 2, 3]) }
    shutdown(fixture.server, Int32(SHUT_RDWR))
    #expect(try fixture.running.wait { !fixture.card.isLinkUp })
    #expect(try fixture.running.sync { fixture.backend.failure } == .closed("test"))
    #expect(try fixture.running.sync { fixture.backend.transmit(frame(20)) } == .done)
    // A driver that starts afterwards sees the cable out.
    try fixture.running.sync {
      fixture.backend.stop()
      fixture.card.isLinkUp = true
      fixture.backend.start(receiver: fixture.card, features: .none)
    }
    #expect(try fixture.running.sync { !fixture.card.isLinkUp })
  }

  @Test("after a reset of the driver the stream is still in step")
  func restart() throws {
    let fixture = try StreamFixture()
    try fixture.start()
    let half = framed(frame(100, 1))
    fixture.serverSends(framed(frame(50)) + Array(half[..<40]))
    #expect(try fixture.running.wait { fixture.card.received.count == 1 })
    usleep(5_000)
    try fixture.running.sync { fixture.backend.stop() }
    fixture.serverSends(Array(half[40...]) + framed(frame(60, 2)))
    usleep(5_000)
    #expect(try fixture.running.sync { fixture.card.received.count } == 1)
    try fixture.start()
    #expect(try fixture.running.wait { fixture.card.received.last?.frame == frame(60, 2) })
  }

  @Test("sockets that cannot be connected to are named with a remedy")
  func errors() throws {
    let running = try RunningLoop()
    defer { running.stop() }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("xokvm-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func connect(_ path: String) -> UnixStreamError? {
      do {
        _ = try running.sync { try UnixStreamBackend(path: path, loop: running.loop) }
        return nil
      } catch {
        return error as? UnixStreamError
      }
    }
    #expect(connect(folder + "/none") == .missing(folder + "/none"))
    try Data().write(to: URL(fileURLWithPath: folder + "/file"))
    #expect(connect(folder + "/file") == .notListening(folder + "/file"))
    #expect(connect("") == .invalidPath(""))
    let long = "/" + String(repeating: "x", count: 200)
    #expect(connect(long) == .invalidPath(long))
    #expect(UnixStreamError.missing("/a").description.contains("passt --socket /a"))
  }

  @Test("connects to a listening socket")
  func connects() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("xokvm-\(UUID().uuidString)").path
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer {
      close(listener)
      unlink(path)
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    #expect(listen(listener, 1) == 0)
    let running = try RunningLoop()
    let card = FakeCard()
    let backend = try running.sync { try UnixStreamBackend(path: path, loop: running.loop) }
    let server = accept(listener, nil, nil)
    try running.sync { backend.start(receiver: card, features: .none) }
    let bytes = framed(frame(77))
    #expect(write(server, bytes, bytes.count) == bytes.count)
    #expect(try running.wait { card.received.count == 1 })
    running.stop()
    close(server)
  }
}
