import Synchronization
import SystemPackage
import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A disk in memory that loses with its power what the host was not told to make durable.
private final class VolatileStorage: DiskStorage {
  /// What was asked of it.
  enum Event: Equatable { case read, write, synchronize }

  struct State {
    var contents: [UInt8]
    /// What a loss of power leaves.
    var durable: [UInt8]
    var events: [Event] = []
    var failure: Errno?
    var isStalled = false
  }

  let state: Mutex<State>
  let sectorCount: UInt64
  let isReadOnly = false
  let path = FilePath("volatile")
  let hasShrunk = false
  /// A file for a ring.
  let file: FileDescriptor?

  init(sectors: Int = 64, file: FileDescriptor? = nil) {
    sectorCount = UInt64(sectors)
    let zeroes = [UInt8](repeating: 0, count: sectors * 512)
    state = Mutex(State(contents: zeroes, durable: zeroes))
    self.file = file
  }

  var durable: [UInt8] { state.withLock { $0.durable } }
  var events: [Event] { state.withLock { $0.events } }
  /// Holds up every synchronization until it is false.
  func stall(_ isStalled: Bool) { state.withLock { $0.isStalled = isStalled } }

  func transfer(_ list: ScatterList, at offset: Int64, isWrite: Bool) throws(Errno) {
    let count = list.byteCount
    let start = Int(offset)
    if isWrite {
      var bytes = [UInt8](repeating: 0, count: count)
      for index in 0..<count { bytes[index] = list.load(UInt8.self, at: index) ?? 0 }
      state.withLock {
        $0.events.append(.write)
        $0.contents.replaceSubrange(start..<start + count, with: bytes)
      }
    } else {
      let bytes = state.withLock {
        $0.events.append(.read)
        return Array($0.contents[start..<start + count])
      }
      bytes.withUnsafeBytes { _ = list.store($0, at: 0) }
    }
  }

  func flush() throws(Errno) {
    while state.withLock({ $0.isStalled }) { usleep(1000) }
    let failure = state.withLock {
      $0.events.append(.synchronize)
      if $0.failure == nil { $0.durable = $0.contents }
      return $0.failure
    }
    if let failure { throw failure }
  }

  func punch(at offset: Int64, byteCount: Int64) throws(Errno) -> Bool { false }

  func zero(at offset: Int64, byteCount: Int64) throws(Errno) {
    let start = Int(offset)
    state.withLock {
      $0.events.append(.write)
      $0.contents.replaceSubrange(start..<start + Int(byteCount), with: repeatElement(0, count: Int(byteCount)))
    }
  }
}

@Suite("What a disk makes durable")
struct DurabilityTests {
  typealias Kind = VirtioBlock.RequestType
  private let ok = VirtioBlock.Status.ok
  private let ioError = VirtioBlock.Status.ioError

  @Test("a flush that has ended covers all writes that had, and the host was told before it ended")
  func flush() throws {
    let storage = VolatileStorage()
    let disk = try BlockDriver(storage: storage, usesIOURing: true)
    for round in UInt8(1)...20 {
      disk.driver.store([UInt8](repeating: round, count: 1024), disk.data)
      let sector = UInt64(round) * 3
      #expect(disk.request(Kind.write, sector: sector, out: [.readable(disk.data, 1024)]) == ok)
      #expect(storage.durable[Int(sector) * 512] != round, "a write alone is not durable, or the test sees nothing")
      #expect(disk.request(Kind.flush) == ok)
      #expect(storage.durable[Int(sector) * 512..<Int(sector + 2) * 512].allSatisfy { $0 == round })
    }
    #expect(storage.events == (0..<20).flatMap { _ in [VolatileStorage.Event.write, .synchronize] })
  }

  @Test("for a driver that did not accept flushes, every write that has ended is durable")
  func writeThrough() throws {
    let storage = VolatileStorage()
    let disk = try BlockDriver(storage: storage, usesIOURing: true, features: VirtioFeatures.none)
    disk.driver.store([UInt8](repeating: 0x5a, count: 512), disk.data)
    #expect(disk.request(Kind.write, sector: 9, out: [.readable(disk.data, 512)]) == ok)
    #expect(storage.durable[9 * 512] == 0x5a)
    #expect(storage.events == [.write, .synchronize])
  }

  @Test("a flush that the host refuses fails", arguments: [false, true])
  func failure(usesIOURing: Bool) throws {
    // A ring cannot synchronize a pipe (fsync(2): EINVAL): so a flush that ended well would not have tried.
    let pipe = try FileDescriptor.pipe()
    defer {
      try? pipe.readEnd.close()
      try? pipe.writeEnd.close()
    }
    let storage = VolatileStorage(file: usesIOURing ? pipe.writeEnd : nil)
    storage.state.withLock { $0.failure = .invalidArgument }
    let disk = try BlockDriver(storage: storage, usesIOURing: usesIOURing)
    #expect(disk.request(Kind.flush) == ioError)
    let expected: [VolatileStorage.Event] = disk.device.usesIOURing ? [] : [.synchronize]
    #expect(storage.events == expected)
  }

  @Test("a storage that stalls holds up neither the device thread nor other requests")
  func stall() throws {
    let storage = VolatileStorage()
    let disk = try BlockDriver(storage: storage, usesIOURing: false)
    storage.stall(true)
    let status = disk.begin(Kind.flush)
    disk.driver.notify(0)
    #expect(disk.driver.takeUsed(0).isEmpty)
    let other = disk.begin(Kind.getID, into: [.writable(disk.data, 20)], slot: 1)
    #expect(disk.finish(1).count == 1)
    #expect(disk.driver.load(UInt8.self, other) == ok && disk.driver.load(UInt8.self, status) == 0xaa)
    storage.stall(false)
    #expect(disk.finish(1).count == 1)
    #expect(disk.driver.load(UInt8.self, status) == ok)
  }

  @Test("a reset waits for the flush under way, and forgets those behind it")
  func reset() throws {
    let storage = VolatileStorage()
    let disk = try BlockDriver(storage: storage, usesIOURing: false)
    for slot in UInt64(0)..<10 { _ = disk.begin(Kind.flush, slot: slot) }
    disk.driver.notify(0)
    disk.driver.write(VirtioMMIO.Register.status, 0)
    let count = storage.events.count
    usleep(20_000)
    #expect(storage.events.count == count)
    try disk.driver.bringUp(disk.device.features)
    #expect(disk.request(Kind.flush) == ok)
  }
}
