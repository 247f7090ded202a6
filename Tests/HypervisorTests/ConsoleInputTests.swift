import Foundation
import Testing

@testable import Hypervisor

@Suite("Console input")
struct ConsoleInputTests {
  @Test("a descriptor that somebody else has read empty is not at its end")
  func readBySomebodyElse() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let (reader, writer) = (ends[0], ends[1])
    let other = dup(reader)
    defer { [reader, writer, other].forEach { close($0) } }
    #expect(fcntl(reader, F_SETFL, O_NONBLOCK) == 0)
    let loop = try EventLoop()
    var received: [UInt8] = []
    let input = try #require(
      try ConsoleInput(
        fd: reader, loop: loop,
        deliver: { bytes in
          for index in bytes.indices { received.append(bytes[index]) }
          loop.stop()
          return bytes.count
        }, onQuit: {}))
    // Registered last, so it is woken first: for the input nothing is left.
    var thefts = 0
    try loop.register(
      other,
      readable: {
        var byte: UInt8 = 0
        if read(other, &byte, 1) == 1 { thefts += 1 }
        loop.unregister(other)
      })
    #expect(write(writer, [1], 1) == 1)
    loop.schedule(after: 50_000_000) { _ = write(writer, [2] as [UInt8], 1) }
    loop.schedule(after: 2_000_000_000) { loop.stop() }
    loop.run()
    #expect(thefts == 1 && received == [2])
    withExtendedLifetime(input) {}
  }

  @Test("a flood waits in the host until the guest takes it, and nothing is lost")
  func flood() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let (reader, writer) = (ends[0], ends[1])
    let loop = try EventLoop()
    var received = 0
    var calls = 0
    let input = try #require(
      try ConsoleInput(
        fd: reader, loop: loop,
        deliver: { bytes in
          calls += 1
          // A guest that takes 16 bytes at a time, as from the FIFO of its port.
          let taken = min(16, bytes.count)
          received += taken
          return taken
        }, onQuit: {}))
    let flood = [UInt8](repeating: 0x78, count: 60_000)
    #expect(write(writer, flood, flood.count) == flood.count)
    func makeRoom() {
      input.roomAvailable()
      if received == flood.count { return loop.stop() }
      loop.schedule(after: 1000) { makeRoom() }
    }
    loop.schedule(after: 100_000_000) {
      // Until there is room nobody has asked for more.
      #expect(calls == 1)
      makeRoom()
    }
    loop.schedule(after: 20_000_000_000) { loop.stop() }
    loop.run()
    #expect(received == flood.count)
    close(writer)
    withExtendedLifetime(input) {}
    close(reader)
  }
}
