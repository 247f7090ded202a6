import SystemPackage
import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

private typealias Kind = VirtioBlock.RequestType
private let ok = VirtioBlock.Status.ok
private let ioError = VirtioBlock.Status.ioError
private let unsupported = VirtioBlock.Status.unsupported

@Suite struct VirtioBlockTests {
  @Test("the host here has an io_uring, or the device does without")
  func ringIsOptional() throws {
    let disk = try BlockDriver(usesIOURing: false)
    #expect(!disk.device.usesIOURing && disk.device.completionDescriptor == nil)
    let other = try BlockDriver(usesIOURing: true)
    #expect(other.device.usesIOURing == (other.device.completionDescriptor != nil))
  }

  @Test("configuration space tells capacity and limits")
  func configuration() throws {
    let disk = try BlockDriver(sectors: 1234, usesIOURing: false)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.capacity, as: UInt64.self) == 1234)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.capacity, as: UInt32.self) == 1234)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.capacity + 1, as: UInt8.self) == 4)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.segmentMaximum, as: UInt32.self) == 254)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.blockSize, as: UInt32.self) == 512)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.discardSegmentMaximum, as: UInt32.self) == 16)
    #expect(disk.driver.configuration(VirtioBlock.Configuration.writeZeroesMayUnmap, as: UInt8.self) == 1)
    #expect(disk.driver.configuration(UInt64(VirtioBlock.Configuration.byteCount), as: UInt64.self) == 0)
  }

  @Test("sectors read are those of the file, over any split into buffers", arguments: [false, true])
  func reads(usesIOURing: Bool) throws {
    let disk = try BlockDriver(usesIOURing: usesIOURing)
    let file = try disk.file.bytes
    #expect(disk.request(Kind.read, sector: 3, into: [.writable(disk.data, 1024)]) == ok)
    #expect(disk.driver.bytes(disk.data, 1024) == Array(file[1536..<2560]))
    let pieces = [1, 511, 3, 700, 2, 831]
    var address = disk.data + 0x2000
    var buffers: [DriverBuffer] = []
    for piece in pieces {
      buffers.append(.writable(address, piece))
      address += UInt64(piece + 5)
    }
    for isIndirect in [false, true] {
      #expect(disk.request(Kind.read, sector: 60, into: buffers, isIndirect: isIndirect) == ok)
      #expect(
        buffers.flatMap { disk.driver.bytes($0.address, Int($0.byteCount)) } == Array(file[(60 * 512)...]))
    }
  }

  @Test("header, data and status may share buffers in any way")
  func framing() throws {
    let disk = try BlockDriver(usesIOURing: true)
    let file = try disk.file.bytes
    // Header and data in one readable buffer, split in the middle of the header; status at the end of the data.
    disk.driver.store(VirtioBlock.RequestHeader(type: Kind.write, sector: 9), disk.data)
    disk.driver.store([UInt8](repeating: 0x5a, count: 512), disk.data + 16)
    disk.driver.add(0, [.readable(disk.data, 5), .readable(disk.data + 5, 523), .writable(disk.data + 600, 1)])
    #expect(disk.finish().map(\.byteCount) == [1])
    #expect(disk.driver.load(UInt8.self, disk.data + 600) == ok)
    disk.driver.store(VirtioBlock.RequestHeader(type: Kind.read, sector: 8), disk.data)
    disk.driver.add(0, [.readable(disk.data, 16), .writable(disk.data + 0x1000, 1025)])
    #expect(disk.finish().map(\.byteCount) == [1025])
    #expect(
      disk.driver.bytes(disk.data + 0x1000, 1025)
        == Array(file[4096..<4608]) + [UInt8](repeating: 0x5a, count: 512) + [ok])
  }

  @Test("what is written is read back and is in the file", arguments: [false, true])
  func writes(usesIOURing: Bool) throws {
    let disk = try BlockDriver(usesIOURing: usesIOURing)
    let bytes = (0..<2048).map { UInt8(truncatingIfNeeded: $0 / 7) }
    disk.driver.store(bytes, disk.data)
    #expect(
      disk.request(Kind.write, sector: 10, out: [.readable(disk.data, 100), .readable(disk.data + 100, 1948)]) == ok)
    #expect(disk.request(Kind.flush) == ok)
    #expect(try Array(disk.file.bytes[5120..<7168]) == bytes)
    #expect(disk.request(Kind.read, sector: 10, into: [.writable(disk.data + 0x4000, 2048)]) == ok)
    #expect(disk.driver.bytes(disk.data + 0x4000, 2048) == bytes)
  }

  @Test("many requests at a time all come back", arguments: [false, true])
  func batches(usesIOURing: Bool) throws {
    let disk = try BlockDriver(sectors: 256, usesIOURing: usesIOURing)
    let file = try disk.file.bytes
    for round in 0..<20 {
      var heads: Set<UInt32> = []
      for slot in UInt64(0)..<60 {
        let sector = (slot * 7 + UInt64(round)) % 256
        _ = disk.begin(
          Kind.read, sector: sector, into: [.writable(disk.data + slot * 1024, 512)], slot: slot, isIndirect: true)
      }
      let used = disk.finish(60)
      for element in used { heads.insert(element.id) }
      #expect(used.count == 60 && heads.count == 60 && used.allSatisfy { $0.byteCount == 513 })
      for slot in UInt64(0)..<60 {
        let start = Int((slot * 7 + UInt64(round)) % 256) * 512
        #expect(disk.driver.bytes(disk.data + slot * 1024, 512) == Array(file[start..<start + 512]))
      }
    }
  }

  @Test("without the flush feature every write is durable, and flush requests still work")
  func writeThrough() throws {
    let disk = try BlockDriver(usesIOURing: true, features: VirtioFeatures.none)
    disk.driver.store([UInt8](repeating: 1, count: 512), disk.data)
    #expect(disk.request(Kind.write, sector: 0, out: [.readable(disk.data, 512)]) == ok)
    #expect(disk.request(Kind.flush) == ok)
    #expect(try disk.file.bytes[0] == 1)
    #expect(disk.ranges(Kind.discard, [.init(sector: 0, sectorCount: 8, flags: 0)]) == unsupported)
    #expect(disk.ranges(Kind.writeZeroes, [.init(sector: 0, sectorCount: 8, flags: 0)]) == unsupported)
    #expect(try disk.file.bytes[0] == 1)
  }

  @Test("get-id returns the identifier, padded")
  func identifier() throws {
    let disk = try BlockDriver(usesIOURing: true)
    disk.driver.store([UInt8](repeating: 0xff, count: 24), disk.data)
    #expect(disk.request(Kind.getID, into: [.writable(disk.data, 20)]) == ok)
    #expect(disk.driver.bytes(disk.data, 21) == Array("serial-0".utf8) + [UInt8](repeating: 0, count: 12) + [0xff])
    #expect(disk.request(Kind.getID, into: [.writable(disk.data, 19)]) == ioError)
  }

  @Test("write-zeroes and discard change their ranges only")
  func zeroes() throws {
    let disk = try BlockDriver(sectors: 128, usesIOURing: true, fill: { _ in 0x77 })
    #expect(
      disk.ranges(
        Kind.writeZeroes,
        [
          .init(sector: 1, sectorCount: 2, flags: 0),
          .init(sector: 16, sectorCount: 8, flags: VirtioBlock.RangeSegment.unmap),
        ]) == ok)
    #expect(disk.ranges(Kind.discard, [.init(sector: 64, sectorCount: 16, flags: 0)]) == ok)
    let bytes = try disk.file.bytes
    #expect(bytes.count == 128 * 512)
    for sector in 0..<128 {
      let part = bytes[sector * 512..<(sector + 1) * 512]
      if (1..<3).contains(sector) || (16..<24).contains(sector) {
        #expect(part.allSatisfy { $0 == 0 }, "sector \(sector)")
      } else if !(64..<80).contains(sector) {
        #expect(part.allSatisfy { $0 == 0x77 }, "sector \(sector)")
      }
    }
  }

  @Test("where the host cannot zero a range the device writes zeroes")
  func zeroFallback() throws {
    let file = try TemporaryFile(byteCount: 400_384, fill: { _ in 0x77 })
    let image = try DiskImage(path: file.path, isReadOnly: false)
    try image.writeZeroes(at: 512, byteCount: 399_360)
    let bytes = try file.bytes
    #expect(bytes.prefix(512).allSatisfy { $0 == 0x77 } && bytes.suffix(512).allSatisfy { $0 == 0x77 })
    #expect(bytes.dropFirst(512).dropLast(512).allSatisfy { $0 == 0 })
  }

  @Test("requests that make no sense are refused with a status, and the device goes on", arguments: [false, true])
  func refusals(usesIOURing: Bool) throws {
    let disk = try BlockDriver(usesIOURing: usesIOURing)
    let before = try disk.file.bytes
    let sector: [DriverBuffer] = [.writable(disk.data, 512)]
    let output: [DriverBuffer] = [.readable(disk.data, 512)]
    // Ranges: at the end, past it, far past it.
    #expect(disk.request(Kind.read, sector: 63, into: sector) == ok)
    for start: UInt64 in [64, 65, 1 << 55, .max] {
      #expect(disk.request(Kind.read, sector: start, into: sector) == ioError)
      #expect(disk.request(Kind.write, sector: start, out: output) == ioError)
    }
    #expect(disk.request(Kind.read, sector: 63, into: [.writable(disk.data, 1024)]) == ioError)
    // Lengths: none, and no multiple of a sector.
    #expect(disk.request(Kind.read) == ioError)
    #expect(disk.request(Kind.write) == ioError)
    #expect(disk.request(Kind.read, into: [.writable(disk.data, 511)]) == ioError)
    #expect(disk.request(Kind.write, out: [.readable(disk.data, 513)]) == ioError)
    // Data in the wrong direction.
    #expect(disk.request(Kind.read, out: output, into: sector) == ioError)
    #expect(disk.request(Kind.write, out: output, into: sector) == ioError)
    #expect(disk.request(Kind.flush, out: output) == ioError)
    // Unknown requests.
    for type: UInt32 in [2, 3, 5, 9, 12, 14, 0x8000_0000, .max] {
      #expect(disk.request(type, out: output) == unsupported)
    }
    // Range requests.
    typealias Segment = VirtioBlock.RangeSegment
    #expect(disk.ranges(Kind.discard, []) == ioError)
    #expect(disk.ranges(Kind.discard, [Segment(sector: 0, sectorCount: 0, flags: 0)]) == ioError)
    #expect(disk.ranges(Kind.discard, [Segment(sector: 60, sectorCount: 5, flags: 0)]) == ioError)
    #expect(disk.ranges(Kind.discard, [Segment(sector: .max, sectorCount: .max, flags: 0)]) == ioError)
    #expect(disk.ranges(Kind.discard, [Segment(sector: 0, sectorCount: 8, flags: 1)]) == unsupported)
    #expect(disk.ranges(Kind.writeZeroes, [Segment(sector: 0, sectorCount: 8, flags: 2)]) == unsupported)
    let one = Segment(sector: 0, sectorCount: 1, flags: 0)
    #expect(disk.ranges(Kind.writeZeroes, Array(repeating: one, count: 17)) == ioError)
    // A good segment before a bad one has no effect either.
    #expect(disk.ranges(Kind.writeZeroes, [one, Segment(sector: 64, sectorCount: 1, flags: 0)]) == ioError)
    #expect(disk.request(Kind.discard, out: [.readable(disk.data, 17)]) == ioError)
    #expect(try disk.file.bytes == before)
    #expect(!disk.driver.needsReset)
    #expect(disk.request(Kind.read, sector: 0, into: sector) == ok)
  }

  @Test("a request without a header or a status byte stops the device")
  func malformed() throws {
    for buffers: [DriverBuffer] in [
      [.readable(0x1000, 16)], [.writable(0x1000, 17)], [.readable(0x1000, 15), .writable(0x2000, 1)],
    ] {
      let disk = try BlockDriver(usesIOURing: true)
      // A good request first: it is not lost, and nothing of it is left over.
      _ = disk.begin(Kind.read, into: [.writable(disk.data, 512)])
      disk.driver.add(0, buffers)
      disk.driver.notify(0)
      #expect(disk.driver.needsReset)
      try disk.driver.bringUp(disk.device.features)
      #expect(disk.request(Kind.read, into: [.writable(disk.data, 512)]) == ok)
    }
  }

  @Test("a read-only disk reads, and refuses everything that writes", arguments: [false, true])
  func readOnly(usesIOURing: Bool) throws {
    let disk = try BlockDriver(isReadOnly: true, usesIOURing: usesIOURing)
    #expect(disk.driver.offeredFeatures.contains(.blockReadOnly))
    #expect((disk.driver.offeredFeatures & (.blockDiscard | .blockWriteZeroes)) == .none)
    let before = try disk.file.bytes
    #expect(disk.request(Kind.write, out: [.readable(disk.data, 512)]) == ioError)
    #expect(disk.ranges(Kind.discard, [.init(sector: 0, sectorCount: 8, flags: 0)]) == unsupported)
    #expect(disk.request(Kind.read, into: [.writable(disk.data, 512)]) == ok)
    #expect(disk.request(Kind.flush) == ok)
    #expect(try disk.file.bytes == before)
  }

  @Test("a file that was cut short gives an error and zeroes, not old memory", arguments: [false, true])
  func truncatedFile(usesIOURing: Bool) throws {
    let disk = try BlockDriver(usesIOURing: usesIOURing)
    disk.driver.store([UInt8](repeating: 0xee, count: 1024), disk.data)
    #expect(truncate(disk.file.path.string, 512 * 11) == 0)
    let file = try disk.file.bytes
    #expect(disk.request(Kind.read, sector: 10, into: [.writable(disk.data, 1024)]) == ioError)
    #expect(disk.driver.bytes(disk.data, 1024) == Array(file[5120...]) + [UInt8](repeating: 0, count: 512))
  }
}
