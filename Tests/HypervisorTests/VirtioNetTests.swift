import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct VirtioNetTests {
  let backend: RecordingBackend
  let device: VirtioNetDevice
  let driver: VirtioDriver

  init() throws {
    backend = RecordingBackend(offloads: allOffloads, maximumTransmissionUnit: 9000)
    device = VirtioNetDevice(backend: backend, macAddress: MACAddress(index: 0x010203))
    driver = try VirtioDriver(device)
  }

  func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 37 &+ $0 >> 8) }
  }

  func deliver(_ frame: [UInt8], header: VirtioNetwork.Header = .init()) -> ReceiveOutcome {
    guard let receiver = backend.receiver else { return .noPacket }
    let outcome = receiver.deliver(header: header, frame: frame.span.bytes)
    receiver.flush()
    return outcome
  }

  /// Stores a packet as `readv` from a TAP device would.
  func receive(_ frame: [UInt8], header: VirtioNetwork.Header = .init()) -> ReceiveOutcome? {
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
  func post(_ count: Int, byteCount: Int) -> [UInt32: UInt64] {
    var addresses: [UInt32: UInt64] = [:]
    for _ in 0..<count {
      let address = driver.allocate(byteCount)
      addresses[UInt32(driver.add(0, [.writable(address, byteCount)]))] = address
    }
    return addresses
  }

  /// The packet in the next used chains.
  func received(_ addresses: [UInt32: UInt64]) -> RecordingBackend.Packet? {
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

  func send(_ header: VirtioNetwork.Header, _ frame: [UInt8], pieces: [Int]? = nil) {
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

  @Test("frames that are refused use up a turn of the device as those that are sent do")
  func refusedBudget() throws {
    try driver.bringUp(size: 256)
    // A header, and a frame that is too short to be one.
    let address = driver.allocate(4096)
    for _ in 0..<200 { driver.add(1, [.readable(address, 13)]) }
    driver.write(VirtioMMIO.Register.queueNotify, 1)
    driver.thread.step()
    #expect(driver.usedIndex(1) == 64, "other devices have their turn")
    driver.thread.run()
    #expect(driver.usedIndex(1) == 200 && device.counters.sendDropped == 200 && device.counters.sent == 0)
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
