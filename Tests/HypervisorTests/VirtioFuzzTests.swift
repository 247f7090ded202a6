import RandomFixtures
import Testing
import VirtioLayout

@testable import Hypervisor

/// A driver that does anything at all. Whatever happens, the VMM lives, memory outside the writable buffers and the
/// used rings stays as it is, and after a reset the device works.
@Suite struct VirtioFuzzTests {
  /// Where descriptors for the device to write point; nothing else is there.
  private static let writable: UInt64 = 0x2_0000
  /// Where indirect tables and request headers are.
  private static let tables: UInt64 = 0x4_0000
  private static let size: UInt64 = 0x4000

  private static func descriptor(_ random: inout SeededGenerator, isInTable: Bool) -> VirtqueueDescriptor {
    var flags: UInt16 = 0
    if Int.random(in: 0..<2, using: &random) == 0 { flags |= VirtqueueDescriptor.Flag.write }
    if Int.random(in: 0..<2, using: &random) == 0 { flags |= VirtqueueDescriptor.Flag.next }
    if Int.random(in: 0..<(isInTable ? 40 : 6), using: &random) == 0 { flags |= VirtqueueDescriptor.Flag.indirect }
    let isWild = Int.random(in: 0..<24, using: &random) == 0
    let zone = flags & VirtqueueDescriptor.Flag.write != 0 && flags & VirtqueueDescriptor.Flag.indirect == 0
    let start = zone ? writable : tables
    let address =
      isWild
      ? [0x7f_ffff, 0x80_0000, .max, .max - 15, 1 << 63].randomElement(using: &random)!
      : start + UInt64.random(in: 0..<size / 2, using: &random) / 16 * 16
    let lengths: [UInt32] = [1, 8, 12, 13, 16, 16, 16, 32, 48, 100, 512, 513, 1024, 1526, 2048, 4096]
    let wildLengths: [UInt32] = [0, .max, 0x8000_0000, 0x7f_ffff]
    let byteCount =
      Int.random(in: 0..<24, using: &random) == 0 && address >= 0x7f_ffff
      ? wildLengths.randomElement(using: &random)! : lengths.randomElement(using: &random)!
    let limit: UInt16 = Int.random(in: 0..<30, using: &random) == 0 ? .max : (isInTable ? 3 : 15)
    return VirtqueueDescriptor(
      address: address, byteCount: Int.random(in: 0..<40, using: &random) == 0 ? 0 : byteCount, flags: flags,
      next: UInt16.random(in: 0...limit, using: &random))
  }

  /// Buffers of random lengths in the zone for the direction.
  private static func buffers(
    _ count: ClosedRange<Int>, _ byteCount: ClosedRange<Int>, isWritable: Bool, _ random: inout SeededGenerator
  ) -> [DriverBuffer] {
    (0..<Int.random(in: count, using: &random)).map { _ in
      let start = (isWritable ? writable : tables) + UInt64.random(in: 0..<size / 2, using: &random) / 16 * 16
      let length = Int.random(in: byteCount, using: &random)
      return isWritable ? .writable(start, length) : .readable(start, length)
    }
  }

  private static func fillTables(_ driver: VirtioDriver, _ random: inout SeededGenerator) {
    var address = tables
    while address < tables + size / 2 {
      if Int.random(in: 0..<2, using: &random) == 0 {
        let types: [UInt32] = [0, 1, 4, 8, 11, 13, 99]
        driver.store(
          VirtioBlock.RequestHeader(
            type: types.randomElement(using: &random)!, sector: UInt64.random(in: 0..<80, using: &random)), address)
      } else {
        driver.store(descriptor(&random, isInTable: true), address)
      }
      address += 16
    }
  }

  private func fuzz(
    _ driver: VirtioDriver, seed: UInt64, rounds: Int, shape: (Int, inout SeededGenerator) -> [DriverBuffer],
    poke: (inout SeededGenerator) -> Void = { _ in }, check: () throws -> Void
  ) throws {
    var random = SeededGenerator(seed: seed)
    let offered = driver.offeredFeatures
    // Memory that nothing allows the device to write.
    let canary = driver.allocate(4096)
    driver.store([UInt8](repeating: 0xc5, count: 4096), canary)
    var failures = 0
    var completions = 0
    let top = driver.allocate(0)
    for _ in 0..<rounds {
      driver.rewind(to: top)
      let features = VirtioFeatures(rawValue: offered.rawValue & random.next() | VirtioFeatures.version1.rawValue)
      guard driver.negotiate(features) else { continue }
      for index in driver.rings.indices { try driver.setUpQueue(index, size: 16) }
      Self.fillTables(driver, &random)
      driver.start()
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let queue = driver.rings.indices.randomElement(using: &random)!
        for _ in 0..<Int.random(in: 0...5, using: &random) {
          if Int.random(in: 0..<4, using: &random) != 0 {
            let isIndirect = features.contains(.indirectDescriptors) && Bool.random(using: &random)
            driver.add(queue, shape(queue, &random), isIndirect: isIndirect)
          } else {
            driver.publish(queue, head: UInt16.random(in: 0...15, using: &random))
          }
        }
        for _ in 0..<[0, 0, 0, 1, 16].randomElement(using: &random)! {
          let item = Self.descriptor(&random, isInTable: false)
          driver.setDescriptor(
            queue, UInt16.random(in: 0...15, using: &random), address: item.address, byteCount: item.byteCount,
            flags: item.flags, next: item.next)
        }
        if Int.random(in: 0..<40, using: &random) == 0 {
          driver.store(
            UInt16.random(in: 0...(.max), using: &random),
            driver.rings[queue]!.availableRing + SplitRingLayout.indexOffset)
        }
        if Int.random(in: 0..<10, using: &random) == 0 {
          driver.transport.write(
            offset: UInt64.random(in: 0..<0x40, using: &random) * 4, byteCount: 4,
            value: [0, 1, 15, random.next()].randomElement(using: &random)!)
        }
        driver.notify(queue)
        poke(&random)
        driver.thread.run()
      }
      if driver.needsReset { failures += 1 }
      completions += Int(driver.usedIndex(0))
    }
    #expect(driver.bytes(canary, 4096).allSatisfy { $0 == 0xc5 }, "seed \(seed)")
    // The fuzzer must reach both ends: devices that refuse, and devices that work.
    #expect(failures > rounds / 20, "seed \(seed)")
    #expect(completions > rounds / 20, "seed \(seed)")
    driver.rewind(to: top)
    try check()
  }

  private static var seeds: [UInt64] { [1, UInt64.random(in: 2...UInt64(UInt32.max))] }

  @Test("entropy", arguments: seeds)
  func entropy(seed: UInt64) throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try fuzz(
      driver, seed: seed, rounds: 300, shape: { Self.buffers(1...3, 1...3000, isWritable: true, &$1) }
    ) {
      try driver.bringUp()
      driver.add(0, [.writable(Self.writable, 32)])
      driver.notify(0)
      #expect(driver.takeUsed(0).map(\.byteCount) == [32], "seed \(seed)")
    }
  }

  @Test("block", arguments: [false, true], seeds)
  func block(usesIOURing: Bool, seed: UInt64) throws {
    let disk = try BlockDriver(usesIOURing: usesIOURing)
    try fuzz(
      disk.driver, seed: seed, rounds: 200,
      shape: { _, random in
        let isRead = Bool.random(using: &random)
        var data = Self.buffers(0...3, 1...1024, isWritable: isRead, &random)
        for index in data.indices where Int.random(in: 0..<8, using: &random) != 0 { data[index].byteCount = 512 }
        return Self.buffers(1...1, 16...16, isWritable: false, &random) + data
          + Self.buffers(1...1, 1...1, isWritable: true, &random)
      }, poke: { _ in disk.device.completionsReady() }
    ) {
      #expect(try disk.file.bytes.count == 64 * 512, "seed \(seed)")
      try disk.driver.bringUp(disk.device.features)
      let status = disk.request(VirtioBlock.RequestType.read, into: [.writable(Self.writable, 512)])
      #expect(status == VirtioBlock.Status.ok, "seed \(seed)")
    }
  }

  @Test("network", arguments: seeds + [3_099_818_630])
  func network(seed: UInt64) throws {
    let backend = RecordingBackend(
      offloads: .networkChecksum | .networkHostTSO4 | .networkGuestChecksum | .networkGuestTSO4)
    let driver = try VirtioDriver(VirtioNetDevice(backend: backend, macAddress: MACAddress(index: 1)))
    let frame = [UInt8](repeating: 0xab, count: 3000)
    try fuzz(
      driver, seed: seed, rounds: 300,
      shape: { queue, random in
        queue == 0
          ? Self.buffers(1...3, 12...1600, isWritable: true, &random)
          : Self.buffers(1...4, 12...1500, isWritable: false, &random)
      },
      poke: { random in
        backend.packets.removeAll()
        for _ in 0..<Int.random(in: 0...3, using: &random) {
          let count = [14, 60, 1514, 3000].randomElement(using: &random)!
          if Bool.random(using: &random) {
            _ = backend.receiver?.deliver(header: .init(), frame: frame.span.bytes.extracting(0..<count))
          } else {
            _ = backend.receiver?.receive { buffers in
              buffers.withVectors { vectors in
                var done = 0
                for vector in vectors {
                  let part = min(vector.iov_len, 12 + count - done)
                  vector.iov_base.initializeMemory(as: UInt8.self, repeating: 0, count: part)
                  done += part
                }
                return done
              }
            }
          }
          backend.receiver?.flush()
        }
        backend.capacity = Int.random(in: 0...4, using: &random)
        backend.receiver?.transmitReady()
      }
    ) {
      backend.capacity = .max
      try driver.bringUp()
      // Whatever the last round sent.
      backend.packets.removeAll()
      driver.add(0, [.writable(Self.writable, 2048)])
      #expect(backend.receiver?.deliver(header: .init(), frame: frame.span.bytes.extracting(0..<60)) == .delivered)
      driver.add(1, [.readable(Self.tables, 12 + 60)])
      driver.store(VirtioNetwork.Header(), Self.tables)
      driver.notify(1)
      #expect(driver.takeUsed(0).map(\.byteCount) == [72], "seed \(seed)")
      #expect(driver.takeUsed(1).count == 1 && backend.packets.count == 1, "seed \(seed)")
    }
  }

  @Test("registers written and read at random", arguments: seeds)
  func registers(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let driver = try VirtioDriver(VirtioEntropyDevice())
    for _ in 0..<20_000 {
      let offset = UInt64.random(in: 0..<0x48, using: &random) * 4 + (Bool.random(using: &random) ? 0 : 1)
      let byteCount = [1, 2, 4, 4, 4, 8].randomElement(using: &random)!
      if Bool.random(using: &random) {
        let value = [0, 1, 2, 8, 11, 15, 0x1000, random.next()].randomElement(using: &random)!
        driver.transport.write(offset: offset, byteCount: byteCount, value: value)
      } else {
        _ = driver.transport.read(offset: offset, byteCount: byteCount)
      }
      driver.thread.run()
    }
    try driver.bringUp()
    driver.add(0, [.writable(Self.writable, 32)])
    driver.notify(0)
    #expect(driver.takeUsed(0).map(\.byteCount) == [32], "seed \(seed)")
  }
}
