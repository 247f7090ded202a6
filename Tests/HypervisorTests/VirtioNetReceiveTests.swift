import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// What a card does with frames from its network.
extension VirtioNetTests {
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
}
