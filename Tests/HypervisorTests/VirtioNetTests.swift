import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A back end that keeps what it is told. One thread.
final class RecordingBackend: NetworkBackend, @unchecked Sendable {
  struct Packet: Equatable {
    var header: VirtioNetwork.Header
    var frame: [UInt8]
  }

  let offloads: VirtioFeatures
  let maximumTransmissionUnit: UInt16?
  var receiver: (any NetworkReceiver)?
  var features = VirtioFeatures.none
  var startCount = 0
  var stopCount = 0
  var availableCount = 0
  var packets: [Packet] = []
  /// How many frames are taken before the back end is busy.
  var capacity = Int.max
  /// Called for each frame that is sent.
  var answer: ((Packet) -> Void)?

  init(offloads: VirtioFeatures = .none, maximumTransmissionUnit: UInt16? = nil) {
    self.offloads = offloads
    self.maximumTransmissionUnit = maximumTransmissionUnit
  }

  func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    startCount += 1
    self.receiver = receiver
    self.features = features
  }

  func stop() {
    stopCount += 1
    receiver = nil
  }

  func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard capacity > 0 else { return .busy }
    capacity -= 1
    var frame: [UInt8] = []
    packet.appendFrame(to: &frame)
    // What writev would send must be the same.
    let prefix: [UInt8] = [1, 2, 3]
    let gathered = prefix.withUnsafeBytes { prefix in
      packet.withVectors(prefix: prefix) { vectors in
        vectors.flatMap { Array(UnsafeRawBufferPointer(start: $0.iov_base, count: $0.iov_len)) }
      }
    }
    #expect(gathered == [1, 2, 3] + frame && frame.count == packet.byteCount)
    packets.append(Packet(header: packet.header, frame: frame))
    answer?(packets[packets.count - 1])
    return .done
  }

  func receiveBuffersAvailable() { availableCount += 1 }
}

private let allOffloads: VirtioFeatures =
  .networkChecksum | .networkHostTSO4 | .networkGuestChecksum | .networkGuestTSO4

@Suite struct VirtioNetTests {
  let backend: RecordingBackend
  let device: VirtioNetDevice
  let driver: VirtioDriver

  init() throws {
    backend = RecordingBackend(offloads: allOffloads, maximumTransmissionUnit: 9000)
    device = VirtioNetDevice(backend: backend, macAddress: MACAddress(index: 0x010203))
    driver = try VirtioDriver(device)
  }

  private func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 37 &+ $0 >> 8) }
  }

  private func deliver(_ frame: [UInt8], header: VirtioNetwork.Header = .init()) -> ReceiveOutcome {
    guard let receiver = backend.receiver else { return .noPacket }
    let outcome = receiver.deliver(header: header, frame: frame.span.bytes)
    receiver.flush()
    return outcome
  }

  /// Stores a packet as `readv` from a TAP device would.
  private func receive(_ frame: [UInt8], header: VirtioNetwork.Header = .init()) -> ReceiveOutcome? {
    let outcome = backend.receiver?.receive { buffers in
      let packet = withUnsafeBytes(of: header, Array.init) + frame
      return buffers.withVectors { vectors in
        #expect(vectors.count <= 1024 && vectors[0].iov_len == 12)
        var done = 0
        for vector in vectors {
          let part = min(vector.iov_len, packet.count - done)
          packet.withUnsafeBytes { vector.iov_base.copyMemory(from: $0.baseAddress! + done, byteCount: part) }
          done += part
          if done == packet.count { break }
        }
        return done
      }
    }
    backend.receiver?.flush()
    return outcome
  }

  /// Posts `count` receive buffers; returns their addresses by head.
  @discardableResult
  private func post(_ count: Int, byteCount: Int) -> [UInt32: UInt64] {
    var addresses: [UInt32: UInt64] = [:]
    for _ in 0..<count {
      let address = driver.allocate(byteCount)
      addresses[UInt32(driver.add(0, [.writable(address, byteCount)]))] = address
    }
    return addresses
  }

  /// The packet in the next used chains.
  private func received(_ addresses: [UInt32: UInt64]) -> RecordingBackend.Packet? {
    var bytes: [UInt8] = []
    let used = driver.takeUsed(0)
    for element in used {
      guard let address = addresses[element.id] else { return nil }
      bytes += driver.bytes(address, Int(element.byteCount))
    }
    guard bytes.count >= 12 else { return nil }
    let header = bytes.withUnsafeBytes { $0.loadUnaligned(as: VirtioNetwork.Header.self) }
    #expect(Int(header.bufferCount) == used.count)
    return .init(header: header, frame: Array(bytes.dropFirst(12)))
  }

  private func send(_ header: VirtioNetwork.Header, _ frame: [UInt8], pieces: [Int]? = nil) {
    let address = driver.allocate(12 + frame.count)
    driver.store(header, address)
    driver.store(frame, address + 12)
    var start = address
    var buffers: [DriverBuffer] = []
    for piece in pieces ?? [12 + frame.count] {
      buffers.append(.readable(start, piece))
      start += UInt64(piece)
    }
    driver.add(1, buffers)
    driver.notify(1)
  }

  @Test("configuration space has address, link state and MTU")
  func configuration() throws {
    #expect((0..<6).map { driver.configuration(UInt64($0), as: UInt8.self) } == [0x52, 0x54, 0, 1, 2, 3])
    #expect(driver.configuration(VirtioNetwork.Configuration.status, as: UInt16.self) == 1)
    #expect(driver.configuration(VirtioNetwork.Configuration.maximumTransmissionUnit, as: UInt16.self) == 9000)
    try driver.bringUp(.networkStatus)
    backend.receiver?.setLink(isUp: false)
    #expect(driver.configuration(VirtioNetwork.Configuration.status, as: UInt16.self) == 0)
    #expect(driver.read(VirtioMMIO.Register.configurationGeneration) == 1)
    #expect(driver.read(VirtioMMIO.Register.interruptStatus) == VirtioMMIO.Interrupt.configurationChange)
    #expect(MACAddress(index: 0x010203).description == "52:54:00:01:02:03")
    #expect(MACAddress(bytes: [1, 0, 0, 0, 0, 0]) == nil && MACAddress(bytes: [0, 0]) == nil)
  }

  @Test("offloads are offered as the back end has them, and segmentation only with checksums")
  func features() throws {
    #expect((driver.offeredFeatures & allOffloads) == allOffloads)
    #expect(!driver.offeredFeatures.contains(.networkHostTSO6))
    let plain = try VirtioDriver(VirtioNetDevice(backend: RecordingBackend(), macAddress: MACAddress(index: 1)))
    #expect((plain.offeredFeatures & allOffloads) == .none && !plain.offeredFeatures.contains(.networkMTU))
    #expect(!driver.negotiate(.version1 | .networkHostTSO4))
    #expect(!driver.negotiate(.version1 | .networkGuestTSO4 | .networkChecksum))
    try driver.bringUp(.networkGuestTSO4 | .networkGuestChecksum)
    #expect(backend.features == .networkGuestTSO4 | .networkGuestChecksum)
  }

  @Test("frames are sent as they are, over any split into buffers")
  func sending() throws {
    try driver.bringUp()
    send(.init(), frame(60))
    send(.init(), frame(1514, seed: 1), pieces: [12, 1514])
    send(.init(), frame(100, seed: 2), pieces: [5, 7, 1, 99])
    send(.init(), frame(100, seed: 3), pieces: [11, 2, 99])
    #expect(
      backend.packets.map(\.frame) == [frame(60), frame(1514, seed: 1), frame(100, seed: 2), frame(100, seed: 3)])
    #expect(driver.takeUsed(1).map(\.byteCount) == [0, 0, 0, 0])
    #expect(driver.line.count == 4)
    #expect(device.counters.sent == 4)
  }

  @Test("offload requests pass only when they were agreed upon and are consistent")
  func sendingOffloads() throws {
    var checksum = VirtioNetwork.Header()
    checksum.flags = VirtioNetwork.Flag.needsChecksum
    checksum.checksumStart = 34
    checksum.checksumOffset = 16
    var large = checksum
    large.segmentation = VirtioNetwork.Segmentation.tcp4
    large.segmentByteCount = 1448
    large.headerByteCount = 54
    let bad: [(inout VirtioNetwork.Header) -> Void] = [
      { $0.checksumStart = 3000 },
      {
        $0.checksumStart = .max; $0.checksumOffset = .max
      }, { $0.segmentByteCount = 0 },
      { $0.segmentation = VirtioNetwork.Segmentation.tcp6 }, { $0.segmentation = VirtioNetwork.Segmentation.udp },
      { $0.segmentation = VirtioNetwork.Segmentation.congestionBit }, { $0.segmentation = 0x7f }, { $0.flags = 0 },
      { $0.headerByteCount = 3001 },
    ]
    try driver.bringUp()
    send(checksum, frame(100))
    send(large, frame(3000))
    #expect(backend.packets.isEmpty)
    try driver.bringUp(allOffloads)
    // Bits that only receivers see are not passed on.
    checksum.flags |= VirtioNetwork.Flag.dataValid | 0x80
    send(checksum, frame(100))
    send(large, frame(3000))
    #expect(backend.packets.map(\.header.flags) == [1, 1])
    #expect(backend.packets.last?.header.segmentByteCount == 1448)
    for change in bad {
      var header = large
      change(&header)
      send(header, frame(3000))
    }
    send(.init(), frame(13))
    send(.init(), frame(VirtioNetwork.largeFrameByteCount + 1))
    #expect(backend.packets.count == 2)
    #expect(device.counters.sendDropped == 4 + bad.count)
    #expect(driver.takeUsed(1).count == 2 + 2 + bad.count)
    #expect(!driver.needsReset)
  }

  @Test("a busy back end gets the same frame again, and nothing is lost or doubled")
  func busy() throws {
    try driver.bringUp()
    backend.capacity = 2
    for seed in 0..<5 { send(.init(), frame(60, seed: seed)) }
    #expect(backend.packets.count == 2)
    #expect(driver.takeUsed(1).count == 2)
    backend.capacity = 1
    backend.receiver?.transmitReady()
    driver.thread.run()
    #expect(backend.packets.count == 3)
    backend.capacity = .max
    backend.receiver?.transmitReady()
    driver.thread.run()
    #expect(backend.packets.map(\.frame) == (0..<5).map { frame(60, seed: $0) })
    #expect(driver.takeUsed(1).count == 3)
    // A reset while a frame waits forgets it.
    backend.capacity = 0
    send(.init(), frame(60))
    try driver.bringUp()
    backend.capacity = .max
    backend.receiver?.transmitReady()
    driver.thread.run()
    #expect(backend.packets.count == 5)
    #expect(backend.startCount == 2 && backend.stopCount == 1)
  }

  @Test("a back end may answer from inside transmit")
  func reentrance() throws {
    try driver.bringUp()
    let buffers = post(4, byteCount: 2048)
    backend.answer = { [self] packet in
      #expect(deliver(packet.frame.reversed()) == .delivered)
      backend.receiver?.transmitReady()
    }
    send(.init(), frame(60))
    #expect(received(buffers)?.frame == frame(60).reversed())
    #expect(driver.takeUsed(1).count == 1)
  }

  @Test("frames reach the driver's buffers, copied or read in place", arguments: [false, true])
  func receiving(isInPlace: Bool) throws {
    try driver.bringUp(.networkMergeableBuffers)
    let buffers = post(8, byteCount: 2048)
    for seed in 0..<5 {
      let frame = frame(60 + 300 * seed, seed: seed)
      #expect((isInPlace ? receive(frame) : deliver(frame)) == .delivered)
      #expect(received(buffers)?.frame == frame)
      #expect(driver.line.count == seed + 1)
    }
    #expect(device.counters.received == 5)
  }

  @Test("a large packet is spread over several chains", arguments: [false, true])
  func mergeable(isInPlace: Bool) throws {
    try driver.bringUp(.networkMergeableBuffers | .networkGuestTSO4 | .networkGuestChecksum, size: 64)
    var header = VirtioNetwork.Header()
    header.flags = VirtioNetwork.Flag.needsChecksum
    header.segmentation = VirtioNetwork.Segmentation.tcp4
    header.segmentByteCount = 1448
    let buffers = post(60, byteCount: 1536)
    for (count, chains) in [(20_000, 14), (1524, 1), (1525, 2), (50, 1), (3060, 2), (3061, 3)] {
      let frame = frame(count, seed: chains)
      #expect((isInPlace ? receive(frame, header: header) : deliver(frame, header: header)) == .delivered)
      let before = driver.rings[0]!.nextUsed
      let packet = received(buffers)
      #expect(packet?.frame == frame)
      #expect(packet?.header.segmentByteCount == 1448)
      #expect(Int(driver.rings[0]!.nextUsed - before) == chains)
    }
  }

  @Test("a packet larger than the buffers posted waits, whole, until there are more")
  func spill() throws {
    try driver.bringUp(.networkMergeableBuffers | .networkGuestTSO4 | .networkGuestChecksum, size: 64)
    var buffers = post(3, byteCount: 2048)
    #expect(receive(frame(10_000)) == .noBuffers)
    #expect(driver.usedIndex(0) == 0)
    // Later frames wait behind it.
    #expect(deliver(frame(60, seed: 1)) == .noBuffers)
    buffers.merge(post(1, byteCount: 2048)) { $1 }
    driver.notify(0)
    #expect(backend.availableCount == 1)
    #expect(receive(frame(60, seed: 1)) == .noBuffers)
    buffers.merge(post(4, byteCount: 2048)) { $1 }
    driver.notify(0)
    #expect(backend.availableCount == 2)
    #expect(receive(frame(60, seed: 1)) == .delivered)
    // The large one took five chains, the small one the sixth.
    let used = driver.takeUsed(0)
    #expect(used.count == 6)
    let bytes = used.flatMap { driver.bytes(buffers[$0.id]!, Int($0.byteCount)) }
    #expect(Array(bytes[12..<10_012]) == frame(10_000))
    #expect(Array(bytes[10_024...]) == frame(60, seed: 1))
  }

  @Test("without buffers the back end is told, and told again when there are some", arguments: [false, true])
  func noBuffers(usesEventIndex: Bool) throws {
    try driver.bringUp(usesEventIndex ? .eventIndex : .none)
    #expect(deliver(frame(60)) == .noBuffers)
    #expect(backend.availableCount == 0)
    let buffers = post(1, byteCount: 2048)
    driver.notify(0)
    #expect(backend.availableCount == 1)
    #expect(deliver(frame(60)) == .delivered)
    #expect(received(buffers)?.frame == frame(60))
    // Nobody waits: a doorbell says nothing new.
    post(1, byteCount: 2048)
    driver.notify(0)
    #expect(backend.availableCount == 1)
  }

  @Test(
    "without mergeable buffers a packet takes one chain, or is dropped when it does not fit", arguments: [false, true])
  func plainBuffers(isInPlace: Bool) throws {
    try driver.bringUp()
    let small = post(1, byteCount: 112)
    #expect((isInPlace ? receive(frame(101)) : deliver(frame(101))) == .dropped)
    #expect((isInPlace ? receive(frame(100)) : deliver(frame(100))) == .delivered)
    #expect(received(small)?.frame == frame(100))
    #expect(device.counters.receiveDropped == 1)
    // A chain of several pieces, the header across two of them.
    let address = driver.allocate(4096)
    let head = driver.add(0, [.writable(address, 5), .writable(address + 5, 40), .writable(address + 45, 500)])
    #expect((isInPlace ? receive(frame(300)) : deliver(frame(300))) == .delivered)
    #expect(received([UInt32(head): address])?.frame == frame(300))
  }

  @Test("frames that the driver did not agree to are dropped")
  func unwantedFrames() throws {
    try driver.bringUp(.networkMergeableBuffers)
    let remarked = post(1, byteCount: 2048)
    var header = VirtioNetwork.Header()
    header.flags = VirtioNetwork.Flag.needsChecksum
    #expect(deliver(frame(60), header: header) == .dropped)
    #expect(receive(frame(60), header: header) == .dropped)
    header.flags = 0
    header.segmentation = VirtioNetwork.Segmentation.tcp4
    #expect(deliver(frame(60), header: header) == .dropped)
    // A remark about the checksum is not seen, and no reason to drop the frame.
    header = .init()
    header.flags = VirtioNetwork.Flag.dataValid
    #expect(receive(frame(60), header: header) == .delivered)
    #expect(received(remarked)?.header.flags == 0)
    post(8, byteCount: 2048)
    #expect(deliver(frame(13)) == .dropped)
    #expect(deliver(frame(9019)) == .dropped)
    #expect(deliver(frame(9018)) == .delivered)
    #expect(backend.receiver?.receive { _ in 0 } == .noPacket)
    #expect(backend.receiver?.receive { _ in -1 } == .noPacket)
    #expect(backend.receiver?.receive { _ in 12 } == .dropped)
  }

  @Test("interrupts for received frames come with flush, and EVENT_IDX holds them back")
  func receiveInterrupts() throws {
    try driver.bringUp(.networkMergeableBuffers | .eventIndex)
    post(8, byteCount: 2048)
    let ring = driver.rings[0]!
    driver.store(UInt16(2), ring.availableRing + ring.layout.usedEventOffset)
    for _ in 0..<2 { #expect(deliver(frame(60)) == .delivered) }
    #expect(driver.line.count == 0)
    for _ in 0..<3 { #expect(backend.receiver?.deliver(header: .init(), frame: frame(60).span.bytes) == .delivered) }
    #expect(driver.line.count == 0)
    // The driver that looks sees them all the same.
    #expect(driver.usedIndex(0) == 5)
    backend.receiver?.flush()
    #expect(driver.line.count == 1)
    backend.receiver?.flush()
    #expect(driver.line.count == 1)
  }

  @Test("wrong buffers in either queue stop the device, also from inside the back end")
  func malformed() throws {
    try driver.bringUp(.networkMergeableBuffers)
    driver.add(0, [.readable(0x1000, 100)])
    #expect(deliver(frame(60)) == .noBuffers)
    #expect(driver.needsReset)
    #expect(deliver(frame(60)) == .noBuffers)
    driver.thread.run()
    #expect(backend.stopCount == 1 && backend.receiver == nil)

    try driver.bringUp(.networkMergeableBuffers)
    driver.add(0, [.writable(0x1000, 11)])
    #expect(receive(frame(60)) == .noBuffers)
    #expect(driver.needsReset)

    try driver.bringUp(.indirectDescriptors)
    driver.add(0, (0..<600).map { .writable(0x1000 + 16 * UInt64($0), 16) }, isIndirect: true)
    #expect(receive(frame(60)) == .noBuffers)
    #expect(driver.transport.failure == .tooManyBuffers(maximum: 511))

    try driver.bringUp()
    driver.add(1, [.readable(0x1000, 100), .writable(0x2000, 1)])
    driver.notify(1)
    #expect(driver.needsReset)

    try driver.bringUp()
    driver.add(1, [.readable(0x1000, 11)])
    driver.notify(1)
    #expect(driver.needsReset)

    // The receive queue fails while a frame is being sent.
    try driver.bringUp()
    driver.add(0, [.readable(0x1000, 100)])
    backend.answer = { [self] packet in #expect(deliver(packet.frame) == .noBuffers) }
    send(.init(), frame(60))
    #expect(driver.needsReset)
    backend.answer = nil
    try driver.bringUp()
    send(.init(), frame(60))
    #expect(driver.takeUsed(1).count == 1)
  }

  @Test("after a reset no buffer of the old driver is written")
  func resetForgetsBuffers() throws {
    try driver.bringUp(.networkMergeableBuffers)
    let old = post(8, byteCount: 64)
    #expect(deliver(frame(40)) == .delivered)
    try driver.bringUp(.networkMergeableBuffers)
    for address in old.values { driver.store([UInt8](repeating: 0, count: 64), address) }
    #expect(deliver(frame(40)) == .noBuffers)
    let new = post(2, byteCount: 2048)
    #expect(deliver(frame(40)) == .delivered)
    #expect(received(new)?.frame == frame(40))
    for address in old.values { #expect(driver.bytes(address, 64).allSatisfy { $0 == 0 }) }
  }
}

@Suite struct VirtioEntropyTests {
  @Test("buffers are filled with bytes that look random, up to the limit")
  func filling() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp()
    let buffer = driver.allocate(8192)
    driver.add(0, [.writable(buffer, 1000), .writable(buffer + 1000, 7000)])
    driver.notify(0)
    #expect(driver.takeUsed(0).map(\.byteCount) == [4096])
    let bytes = driver.bytes(buffer, 8192)
    // 4,096 random bytes without one of the 256 values: less than one in two million runs.
    #expect(Set(bytes.prefix(4096)).count >= 254)
    #expect(bytes.dropFirst(4096).allSatisfy { $0 == 0 })
  }

  @Test("requests that are no entropy requests stop the device")
  func malformed() throws {
    for buffers: [DriverBuffer] in [[.readable(0x1000, 16)], [.readable(0x1000, 16), .writable(0x2000, 16)]] {
      let driver = try VirtioDriver(VirtioEntropyDevice())
      try driver.bringUp()
      driver.add(0, buffers)
      driver.notify(0)
      #expect(driver.needsReset)
    }
  }

  @Test("a long queue is served in turns")
  func fairness() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp(size: 64)
    for _ in 0..<64 { driver.add(0, [.writable(0x1000, 1)]) }
    driver.write(VirtioMMIO.Register.queueNotify, 0)
    driver.thread.run()
    #expect(driver.takeUsed(0).count == 64)
    #expect(driver.line.count == 4)
  }
}
