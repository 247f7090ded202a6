import CKVM
import Foundation
import Glibc
import Logging
import Testing
import VirtioLayout

@testable import Hypervisor

/// Runs `ip`; true if it succeeded.
private func ip(_ arguments: String...) -> Bool {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["ip"] + arguments
  process.standardError = FileHandle.nullDevice
  process.standardOutput = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationStatus == 0
}

/// A name that no other test run uses.
private func uniqueName() -> String { "xt" + String(UInt32.random(in: 0...UInt32.max), radix: 36) }

/// Whether this user may make TAP devices here.
private let canMakeTaps: Bool = {
  let name = uniqueName()
  guard access("/dev/net/tun", R_OK | W_OK) == 0, ip("tuntap", "add", "dev", name, "mode", "tap") else { return false }
  return ip("link", "delete", name)
}()

private func failure(_ name: String) throws -> TapError? {
  let running = try RunningLoop()
  defer { running.stop() }
  do {
    _ = try running.sync { try TapBackend(name: name, loop: running.loop) }
    return nil
  } catch {
    return error as? TapError
  }
}

@Suite("TAP back end")
struct TapBackendTests {
  @Test(
    "names that no interface can have",
    arguments: ["", ".", "..", "a/b", "tap%d", "0123456789abcdef", "a b", "a:b", "a\n"])
  func invalidNames(name: String) throws {
    #expect(try failure(name) == .invalidName(name))
  }

  @Test("a missing TAP device is named with the commands that make it, and is not made")
  func missing() throws {
    let name = uniqueName()
    #expect(try failure(name) == .missing(name))
    #expect(if_nametoindex(name) == 0)
    #expect(
      TapError.missing("tap0").description.contains("ip tuntap add dev tap0 mode tap user $USER; ip link set tap0 up"))
  }

  @Test("an interface that is no TAP device")
  func notTap() throws {
    #expect(try failure("lo") == .notTap("lo"))
  }
}

/// A TAP device for one test, with address 198.51.100.1/24 (TEST-NET-2).
private final class TapFixture {
  let name = uniqueName()
  let running: RunningLoop
  let card = FakeCard()
  let log = RecordedLog()
  private(set) var backend: TapBackend!

  init() throws {
    running = try RunningLoop()
    try #require(ip("tuntap", "add", "dev", name, "mode", "tap"))
    try #require(ip("address", "add", "198.51.100.1/24", "dev", name))
    try #require(ip("link", "set", name, "mtu", "1600", "up"))
    let (loop, name, logger) = (running.loop, name, log.logger)
    backend = try running.sync { try TapBackend(name: name, loop: loop, log: logger) }
    // The kernel needs up to a second to see the cable; until then it drops what it would send.
    for _ in 0..<300 {
      if (try? String(contentsOfFile: "/sys/class/net/\(name)/operstate", encoding: .utf8)) == "up\n" { return }
      usleep(10_000)
    }
    Issue.record("TAP device \(name) does not come up")
  }

  /// Removes the device. Called by each test at its end, whatever still refers to the fixture.
  func remove() {
    running.stop()
    backend = nil
    _ = ip("link", "delete", name)
  }
}

@Suite("TAP device", .enabled(if: canMakeTaps, "needs /dev/net/tun and CAP_NET_ADMIN"), .serialized)
struct TapDeviceTests {
  @Test("frames go to the host's stack, which answers, with and without offloads", arguments: [true, false])
  func arp(withOffloads: Bool) throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    #expect(try fixture.running.sync { fixture.backend.maximumTransmissionUnit } == 1600)
    let features = withOffloads ? fixture.backend.offloads : .none
    try fixture.running.sync { fixture.backend.start(receiver: fixture.card, features: features) }
    let request = TestFrames.arpRequest(sender: [198, 51, 100, 2], target: [198, 51, 100, 1])
    #expect(try fixture.running.sync { fixture.backend.transmit(request) } == .done)
    let isAnswered = try fixture.running.wait {
      fixture.card.received.contains { TestFrames.isARPReply($0.frame, from: [198, 51, 100, 1]) }
    }
    #expect(isAnswered)
    #expect(try fixture.running.sync { fixture.card.flushes > 0 })
  }

  @Test("frames wait in the host while the guest has no buffers")
  func noBuffers() throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    try fixture.running.sync {
      fixture.card.room = 0
      fixture.backend.start(receiver: fixture.card, features: .none)
      let request = TestFrames.arpRequest(sender: [198, 51, 100, 2], target: [198, 51, 100, 1])
      #expect(fixture.backend.transmit(request) == .done)
    }
    usleep(20_000)
    #expect(try fixture.running.sync { fixture.card.received.isEmpty })
    try fixture.running.sync {
      fixture.card.room = nil
      fixture.backend.receiveBuffersAvailable()
    }
    let isAnswered = try fixture.running.wait {
      fixture.card.received.contains { TestFrames.isARPReply($0.frame, from: [198, 51, 100, 1]) }
    }
    #expect(isAnswered)
  }

  @Test("nothing comes after the driver has stopped, and the device can be started again")
  func stops() throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    let request = TestFrames.arpRequest(sender: [198, 51, 100, 2], target: [198, 51, 100, 1])
    try fixture.running.sync {
      fixture.backend.start(receiver: fixture.card, features: .none)
      fixture.backend.stop()
      #expect(fixture.backend.transmit(request) == .done)
    }
    usleep(20_000)
    #expect(try fixture.running.sync { fixture.card.received.isEmpty })
    try fixture.running.sync { fixture.backend.start(receiver: fixture.card, features: fixture.backend.offloads) }
    #expect(
      try fixture.running.wait {
        fixture.card.received.contains { TestFrames.isARPReply($0.frame, from: [198, 51, 100, 1]) }
      })
  }

  @Test("a device that another program has is busy")
  func busy() throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    #expect(try failure(fixture.name) == .busy(fixture.name))
  }

  @Test("a frame for a device that is down, or with a senseless header, is dropped")
  func dropped() throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    try fixture.running.sync { fixture.backend.start(receiver: fixture.card, features: fixture.backend.offloads) }
    var header = VirtioNetwork.Header()
    header.segmentation = 0x7f
    #expect(
      try fixture.running.sync { fixture.backend.transmit([UInt8](repeating: 0, count: 60), header: header) } == .done)
    #expect(ip("link", "set", fixture.name, "down"))
    #expect(try fixture.running.sync { fixture.backend.transmit([UInt8](repeating: 0, count: 60)) } == .done)
  }

  @Test("a device that is deleted is said once, takes the link down, and costs no processor")
  func deleted() throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    try fixture.running.sync { fixture.backend.start(receiver: fixture.card, features: fixture.backend.offloads) }
    #expect(ip("link", "delete", fixture.name))
    #expect(try fixture.running.wait { !fixture.card.isLinkUp })
    let (before, cycles) = try fixture.running.sync { (RunningLoop.threadNanoseconds, fixture.card.flushes) }
    usleep(200_000)
    let (after, later) = try fixture.running.sync { (RunningLoop.threadNanoseconds, fixture.card.flushes) }
    #expect(after - before < 50_000_000, "\((after - before) / 1000) µs")
    #expect(later == cycles)
    // A guest that goes on sending, or starts its driver again, is not told more.
    #expect(try fixture.running.sync { fixture.backend.transmit([UInt8](repeating: 0, count: 60)) } == .done)
    try fixture.running.sync {
      fixture.backend.receiveBuffersAvailable()
      fixture.backend.stop()
      fixture.card.isLinkUp = true
      fixture.backend.start(receiver: fixture.card, features: fixture.backend.offloads)
    }
    #expect(try fixture.running.sync { !fixture.card.isLinkUp })
    usleep(20_000)
    #expect(fixture.log.lines == ["\(TapError.deleted(fixture.name))"])
  }

  @Test(
    "a device that is deleted before the driver starts, or found so by a sender, is said too", arguments: [true, false])
  func deletedUnwatched(beforeStart: Bool) throws {
    let fixture = try TapFixture()
    defer { fixture.remove() }
    if !beforeStart {
      // Without buffers for the guest nobody reads, so it is sending that tells.
      try fixture.running.sync {
        fixture.backend.start(receiver: fixture.card, features: .none)
        fixture.card.room = 0
      }
    }
    #expect(ip("link", "delete", fixture.name))
    usleep(50_000)
    try fixture.running.sync {
      if beforeStart { fixture.backend.start(receiver: fixture.card, features: .none) }
      #expect(fixture.backend.transmit([UInt8](repeating: 0, count: 60)) == .done)
    }
    #expect(try fixture.running.sync { !fixture.card.isLinkUp })
    #expect(fixture.log.lines.count == 1)
    #expect(fixture.log.lines.first?.contains(fixture.name) == true)
  }

  @Test("a large TCP segment is cut by the host, and its checksum completed")
  func segmentation() throws {
    // The host's answer to a segment for a closed port is a reset whose acknowledgement counts the payload: all of it
    // arrived.
    let fixture = try TapFixture()
    defer { fixture.remove() }
    try fixture.running.sync { fixture.backend.start(receiver: fixture.card, features: fixture.backend.offloads) }
    let request = TestFrames.arpRequest(sender: [198, 51, 100, 2], target: [198, 51, 100, 1])
    _ = try fixture.running.sync { fixture.backend.transmit(request) }
    let isAnswered = try fixture.running.wait {
      fixture.card.received.contains { TestFrames.isARPReply($0.frame, from: [198, 51, 100, 1]) }
    }
    try #require(isAnswered)
    let reply = try fixture.running.sync {
      fixture.card.received.first { TestFrames.isARPReply($0.frame, from: [198, 51, 100, 1]) }?.frame ?? []
    }
    let payload = [UInt8](repeating: 0x55, count: 8000)
    let total = 40 + payload.count
    var ip: [UInt8] =
      [0x45, 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 1, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 2, 198, 51, 100, 1]
    func fold(_ bytes: [UInt8], _ start: UInt32 = 0) -> UInt16 {
      var sum = start
      for index in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
      }
      while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
      return UInt16(sum)
    }
    let ipSum = ~fold(ip)
    ip[10] = UInt8(ipSum >> 8)
    ip[11] = UInt8(ipSum & 0xff)
    var tcp: [UInt8] = [0x9c, 0x40, 0, 9, 0, 0, 0x10, 0, 0, 0, 0, 0, 0x50, 0x00, 0xff, 0xff, 0, 0, 0, 0]
    // The pseudo header's sum, not complemented, for the host to complete.
    let pseudo = fold(Array(ip[12..<20]), 6 + UInt32(tcp.count + payload.count))
    tcp[16] = UInt8(pseudo >> 8)
    tcp[17] = UInt8(pseudo & 0xff)
    var header = VirtioNetwork.Header()
    header.flags = VirtioNetwork.Flag.needsChecksum
    header.segmentation = VirtioNetwork.Segmentation.tcp4
    header.headerByteCount = 54
    header.segmentByteCount = 1460
    header.checksumStart = 34
    header.checksumOffset = 16
    let frame = Array(reply[6..<12]) + TestFrames.guestMAC + [8, 0] + ip + tcp + payload
    #expect(try fixture.running.sync { fixture.backend.transmit(frame, header: header) } == .done)
    // Resets come one per segment as the host sees it, or one for all if it never cuts it; the highest counts the whole
    // payload.
    let isAcknowledged = try fixture.running.wait {
      fixture.card.received.contains { packet in
        let frame = packet.frame
        guard frame.count >= 54, frame[12..<14] == [8, 0], frame[23] == 6, frame[47] & 4 != 0 else { return false }
        let number = frame[42..<46].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return number == 0x1000 + UInt32(payload.count)
      }
    }
    #expect(isAcknowledged)
  }
}
