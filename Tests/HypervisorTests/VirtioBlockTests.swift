import SystemPackage
import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that is removed with the value that names it.
final class TemporaryFile {
  let path: FilePath

  init(byteCount: Int, fill: (Int) -> UInt8 = { _ in 0 }) throws {
    var template = Array("/tmp/xokvm-test-XXXXXX\0".utf8CString)
    let descriptor = FileDescriptor(rawValue: mkstemp(&template))
    try #require(descriptor.rawValue >= 0)
    path = FilePath(platformString: template)
    try descriptor.closeAfter {
      if byteCount > 0 { _ = try descriptor.writeAll((0..<byteCount).map(fill)) }
    }
  }

  deinit { unlink(path.string) }

  var bytes: [UInt8] {
    get throws {
      let file = try FileDescriptor.open(path, .readOnly)
      return try file.closeAfter {
        let count = Int(try file.seek(offset: 0, from: .end))
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
          while done < count {
            let part = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[done...])
            done += try file.read(fromAbsoluteOffset: Int64(done), into: part)
          }
        }
      }
    }
  }
}

/// A driver of a block device over a temporary file.
final class BlockDriver {
  let file: TemporaryFile
  let device: VirtioBlockDevice
  let driver: VirtioDriver
  private let header: UInt64
  private let status: UInt64
  /// Where requests keep their data.
  let data: UInt64

  init(
    sectors: Int = 64, isReadOnly: Bool = false, usesIOURing: Bool, features: VirtioFeatures? = nil,
    fill: (Int) -> UInt8 = { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
  ) throws {
    file = try TemporaryFile(byteCount: sectors * 512, fill: fill)
    device = VirtioBlockDevice(
      image: try DiskImage(path: file.path, isReadOnly: isReadOnly), identifier: "serial-0", usesIOURing: usesIOURing)
    driver = try VirtioDriver(device)
    header = driver.allocate(4096)
    status = driver.allocate(4096)
    data = driver.allocate(1 << 20)
    try driver.bringUp(features ?? (device.features | .indirectDescriptors | .eventIndex), size: 64)
  }

  /// Makes a request available; returns where its status will be.
  func begin(
    _ type: UInt32, sector: UInt64 = 0, out: [DriverBuffer] = [], into: [DriverBuffer] = [], slot: UInt64 = 0,
    isIndirect: Bool = false
  ) -> UInt64 {
    driver.store(VirtioBlock.RequestHeader(type: type, sector: sector), header + 16 * slot)
    driver.store(UInt8(0xaa), status + slot)
    driver.add(
      0, [.readable(header + 16 * slot, 16)] + out + into + [.writable(status + slot, 1)], isIndirect: isIndirect)
    return status + slot
  }

  /// Rings the doorbell and waits until `count` requests came back.
  func finish(_ count: Int = 1) -> [VirtqueueUsedElement] {
    driver.notify(0)
    var used = driver.takeUsed(0)
    while used.count < count, let descriptor = device.completionDescriptor, !driver.needsReset {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 5000) == 1 else {
        Issue.record("\(count - used.count) requests do not complete")
        break
      }
      device.completionsReady()
      driver.thread.run()
      used += driver.takeUsed(0)
    }
    return used
  }

  /// One request from beginning to end; returns its status.
  func request(
    _ type: UInt32, sector: UInt64 = 0, out: [DriverBuffer] = [], into: [DriverBuffer] = [], isIndirect: Bool = false
  ) -> UInt8 {
    let status = begin(type, sector: sector, out: out, into: into, isIndirect: isIndirect)
    #expect(finish().count == 1)
    return driver.load(UInt8.self, status)
  }

  func ranges(_ type: UInt32, _ segments: [VirtioBlock.RangeSegment]) -> UInt8 {
    for (index, segment) in segments.enumerated() { driver.store(segment, data + 16 * UInt64(index)) }
    return request(type, out: segments.isEmpty ? [] : [.readable(data, 16 * segments.count)])
  }
}

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

@Suite struct DiskImageTests {
  private func failure(_ path: FilePath, isReadOnly: Bool = false) -> DiskImageError? {
    do throws(DiskImageError) {
      _ = try DiskImage(path: path, isReadOnly: isReadOnly)
      return nil
    } catch {
      #expect(error.description.contains(path.string) && !error.description.contains("\n"))
      return error
    }
  }

  @Test("files that cannot be disks are refused with a reason, and stay as they are")
  func refusals() throws {
    #expect(failure("/nonexistent/disk") == .missing("/nonexistent/disk"))
    #expect(failure("/tmp") == .isDirectory("/tmp"))
    #expect(failure("/tmp", isReadOnly: true) == .isDirectory("/tmp"))
    #expect(failure("/dev/null") == .notADisk("/dev/null"))
    let empty = try TemporaryFile(byteCount: 0)
    #expect(failure(empty.path) == .empty(empty.path))
    let odd = try TemporaryFile(byteCount: 1000)
    #expect(failure(odd.path) == .invalidSize(odd.path, byteCount: 1000))
    #expect(try odd.bytes.count == 1000)
    let fifo = try TemporaryFile(byteCount: 0)
    unlink(fifo.path.string)
    try #require(mkfifo(fifo.path.string, 0o600) == 0)
    #expect(failure(fifo.path) == .notADisk(fifo.path))
    #expect(failure(fifo.path, isReadOnly: true) == .notADisk(fifo.path))
  }

  @Test("a file without permission is refused", .disabled(if: geteuid() == 0, "root may open everything"))
  func permissions() throws {
    let file = try TemporaryFile(byteCount: 512)
    chmod(file.path.string, 0o400)
    #expect(failure(file.path) == .notPermitted(file.path, writable: true))
    #expect(failure(file.path, isReadOnly: true) == nil)
    chmod(file.path.string, 0)
    #expect(failure(file.path, isReadOnly: true) == .notPermitted(file.path, writable: false))
  }

  @Test("one writer or many readers")
  func locks() throws {
    let file = try TemporaryFile(byteCount: 512)
    do {
      let writer = try DiskImage(path: file.path, isReadOnly: false)
      #expect(failure(file.path) == .inUse(file.path, writable: true))
      #expect(failure(file.path, isReadOnly: true) == .inUse(file.path, writable: false))
      #expect(writer.sectorCount == 1)
    }
    do {
      let first = try DiskImage(path: file.path, isReadOnly: true)
      let second = try DiskImage(path: file.path, isReadOnly: true)
      #expect(failure(file.path) == .inUse(file.path, writable: true))
      #expect(first.isReadOnly && second.isReadOnly)
    }
    #expect(failure(file.path) == nil)
  }
}
