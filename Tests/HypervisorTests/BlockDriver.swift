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
    path = FilePath(scratchPath("file"))
    let descriptor = try FileDescriptor.open(
      path, .readWrite, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
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
  /// The image; nothing where the storage is the test's own.
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

  /// The same over a storage of the test's own.
  init(storage: any DiskStorage, usesIOURing: Bool, features: VirtioFeatures? = nil) throws {
    file = try TemporaryFile(byteCount: 0)
    device = VirtioBlockDevice(storage: storage, identifier: "serial-0", usesIOURing: usesIOURing)
    driver = try VirtioDriver(device)
    header = driver.allocate(4096)
    status = driver.allocate(4096)
    data = driver.allocate(1 << 20)
    try driver.bringUp(features ?? device.features, size: 64)
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
    // What the worker has done is posted to the driver's thread; what the ring has is told by its descriptor.
    for _ in 0..<5000 where used.count < count && !driver.needsReset {
      var entry = pollfd(fd: device.completionDescriptor ?? -1, events: Int16(POLLIN), revents: 0)
      if poll(&entry, 1, 1) == 1 { device.completionsReady() }
      driver.thread.run()
      used += driver.takeUsed(0)
    }
    if used.count < count, !driver.needsReset { Issue.record("\(count - used.count) requests do not complete") }
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
