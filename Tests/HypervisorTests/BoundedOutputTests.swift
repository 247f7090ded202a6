import Foundation
import SystemPackage
import Testing

@testable import Hypervisor

@Suite("Output that nobody waits for")
struct BoundedOutputTests {
  /// A pipe of one page.
  private final class Pipe {
    let reader: Int32
    let writer: Int32

    init() throws {
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      (reader, writer) = (ends[0], ends[1])
      // F_SETPIPE_SZ
      _ = fcntl(writer, 1031, 4096)
    }

    /// Reads until `isEnough`, or to the end of the stream.
    func read(until isEnough: (String) -> Bool = { _ in false }) -> String {
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65536)
      while !isEnough(String(decoding: bytes, as: UTF8.self)) {
        let count = Glibc.read(reader, &chunk, chunk.count)
        guard count > 0 else { break }
        bytes += chunk[..<count]
      }
      return String(decoding: bytes, as: UTF8.self)
    }

    deinit { close(reader) }
  }

  private func append(_ text: String, to output: BoundedOutput) {
    output.append(Array(text.utf8).span)
  }

  @Test("a ring holds what fits, whole pieces only, and tells of the rest once half of it is free")
  func ring() {
    var ring = OutputRing(capacity: 128)
    let piece = Array("0123456789012345678901234567890123456789\n".utf8)
    for _ in 0..<5 { ring.append(piece.span) }
    #expect(ring.count == 3 * 41 && ring.dropped == 2 * 41)
    // A small piece would fit, but would stand where more is missing than anybody was told.
    ring.append([0x0a].span)
    #expect(ring.count == 3 * 41 && ring.dropped == 2 * 41 + 1)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 128)
    defer { buffer.deallocate() }
    #expect(ring.take(into: UnsafeMutableBufferPointer(rebasing: buffer[..<41])) == 41)
    ring.append([0x0a].span)
    #expect(ring.dropped == 2 * 41 + 2)
    #expect(ring.take(into: UnsafeMutableBufferPointer(rebasing: buffer[..<41])) == 41)
    ring.append(Array(piece[..<8]).span)
    let count = ring.take(into: buffer)
    #expect(
      String(decoding: buffer[..<count], as: UTF8.self)
        == "0123456789012345678901234567890123456789\n[xokvm] 84 bytes dropped\n01234567")
    #expect(ring.count == 0 && !ring.hasLineEnd)
  }

  @Test("a line that was begun is ended before the line about what is missing")
  func unfinishedLine() {
    var ring = OutputRing(capacity: 128)
    ring.append(Array(repeating: UInt8(0x78), count: 100).span)
    ring.append(Array(repeating: UInt8(0x79), count: 100).span)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 256)
    defer { buffer.deallocate() }
    _ = ring.take(into: buffer)
    ring.tellOfDrops()
    let count = ring.take(into: buffer)
    #expect(String(decoding: buffer[..<count], as: UTF8.self) == "\n[xokvm] 100 bytes dropped\n")
  }

  @Test("a reader that stalls holds nobody up, and is told what is missing; every byte is accounted for")
  func stalledReader() throws {
    let pipe = try Pipe()
    let output = try BoundedOutput(fd: pipe.writer, ownsDescriptor: true)
    try output.start()
    let line = String(repeating: "x", count: 99) + "\n"
    let start = EventLoop.now
    for _ in 0..<10_000 { append(line, to: output) }
    #expect(EventLoop.now - start < 2_000_000_000)
    let dropped = output.counts.dropped
    #expect(dropped >= 1_000_000 - UInt64(BoundedOutput.capacity) - (64 << 10))
    let text = pipe.read { $0.contains("dropped\n") }
    #expect(text.contains("\n[xokvm] \(dropped) bytes dropped\n"))
    append("after\n", to: output)
    #expect(pipe.read { $0.contains("after\n") }.hasSuffix("after\n"))
    output.finish(grace: 1000)
    let notice = "[xokvm] \(dropped) bytes dropped\n".utf8.count
    #expect(output.counts == (UInt64(1_000_000 + notice + 6) - dropped, dropped))
  }

  @Test("the end waits for a reader that reads on, and not for one that does not")
  func finish() throws {
    let pipe = try Pipe()
    let output = try BoundedOutput(fd: pipe.writer, ownsDescriptor: false)
    try output.start()
    for _ in 0..<1000 { append(String(repeating: "x", count: 99) + "\n", to: output) }
    let start = EventLoop.now
    output.finish(grace: 100)
    #expect(EventLoop.now - start < 1_000_000_000)
    #expect(output.counts.written + output.counts.dropped == 100_000)
    #expect(output.counts.dropped > 0 && output.error == nil)
    close(pipe.writer)

    let other = try Pipe()
    let slow = try BoundedOutput(fd: other.writer, ownsDescriptor: true)
    try slow.start()
    for _ in 0..<300 { append(String(repeating: "x", count: 99) + "\n", to: slow) }
    let end = other.reader
    let reader = Thread {
      for _ in 0..<20 {
        usleep(20_000)
        var chunk = [UInt8](repeating: 0, count: 4096)
        _ = Glibc.read(end, &chunk, chunk.count)
      }
    }
    reader.start()
    slow.finish(grace: 500)
    #expect(slow.counts == (30_000, 0))
  }

  @Test("a line without an end is written a moment later, byte by byte output in pieces")
  func prompt() throws {
    let pipe = try Pipe()
    let output = try BoundedOutput(fd: pipe.writer, ownsDescriptor: true)
    try output.start()
    for byte in "login: ".utf8 { output.append([byte].span) }
    #expect(pipe.read { $0.hasSuffix(": ") } == "login: ")
    output.finish(grace: 100)
  }

  @Test("a host that refuses is told of once, a reader that is gone too, and neither holds anybody up")
  func errors() throws {
    final class Log: @unchecked Sendable {
      var errors: [Errno] = []
      var closed = 0
    }
    let log = Log()
    var events = BoundedOutput.Events()
    events.onError = { log.errors.append($0) }
    events.onClosed = { log.closed += 1 }
    let full = open("/dev/full", O_WRONLY)
    let output = try BoundedOutput(fd: full, ownsDescriptor: true, events: events)
    try output.start()
    for _ in 0..<5 {
      append("text\n", to: output)
      usleep(10_000)
    }
    output.finish(grace: 1000)
    #expect(log.errors == [.noSpace] && output.error == .noSpace && output.counts == (0, 25))

    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    close(ends[0])
    let closed = try BoundedOutput(fd: ends[1], ownsDescriptor: true, events: events)
    try closed.start()
    for _ in 0..<5 {
      append("text\n", to: closed)
      usleep(10_000)
    }
    closed.finish(grace: 1000)
    #expect(log.closed == 1 && log.errors.count == 1 && closed.error == nil)
  }
}
