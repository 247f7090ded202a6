import ExokernelABI
import ExokernelCore
import Glibc

/// A machine for the kernel's logic: host memory as physical memory, devices as objects, and a record of what the kernel did to the CPU.
final class FakeMachine: Hardware {
  /// Where things are in physical memory. Everything below `firstFree` is the kernel's and the boot archive's.
  enum Place {
    static let template: UInt64 = 0x1000
    static let templatePointers: UInt64 = 0x2000
    static let diskRings: UInt64 = 0x10000
    static let networkRings: UInt64 = 0x18000
    static let receiveBuffers: UInt64 = 0x20000
    static let books: UInt64 = 0x60000
    static let privateState: UInt64 = 0x70000
    static let frameTable: UInt64 = 0x80000
    static let commandLine: UInt64 = 0xb0000
    static let archive: UInt64 = 0x100000
    static let firstFree: UInt64 = 0x180000
  }

  let base: UnsafeMutableRawPointer
  let size: Int
  /// What the kernel wrote to the console.
  var console: [UInt8] = []
  /// Pages whose translations the kernel made the CPU forget.
  var invalidated: [UInt64] = []
  /// Root tables put in force.
  var activated: [UInt64] = []
  /// What the timer was last set to, 0 where it was stopped.
  var timer: UInt64?
  /// The clock, which the tests move.
  var now: UInt64 = 1000
  /// Frames that were cleared.
  var cleared: [UInt64] = []
  /// Bytes copied.
  var copies: [(source: UInt64, target: UInt64, count: UInt32)] = []
  var devices: [FakeDevice] = []

  init(memory: Int = 16 << 20) {
    size = memory
    base = mmap(nil, memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    put(Place.template, Place.templatePointers | 3)
    for slot: UInt64 in [254, 256, 511] { put(Place.template + slot * 8, 0xabc000 | slot) }
    prepareRings()
  }

  deinit { munmap(base, size) }

  var booksBase: UnsafeMutableRawPointer { base + Int(Place.books) }
  var frameTableBase: UnsafeMutableRawPointer { base + Int(Place.frameTable) }
  var privateBase: UnsafeMutableRawPointer { base + Int(Place.privateState) }
  var templateRoot: UInt64 { Place.template }
  var diskRings: UInt64 { Place.diskRings }
  var networkRings: UInt64 { Place.networkRings }
  var timeStamp: UInt64 { now }

  func memory(at physicalAddress: UInt64) -> UnsafeMutableRawPointer {
    precondition(physicalAddress < UInt64(size), "the kernel reached for physical address \(physicalAddress)")
    return base + Int(physicalAddress)
  }
  func clear(frame physicalAddress: UInt64) {
    precondition(physicalAddress & 0xfff == 0)
    memset(memory(at: physicalAddress), 0, 4096)
    if cleared.count < 1000 { cleared.append(physicalAddress) }
  }
  func copy(from source: UInt64, to target: UInt64, count: UInt32) {
    precondition(source + UInt64(count) <= UInt64(size) && target + UInt64(count) <= UInt64(size))
    memmove(memory(at: target), memory(at: source), Int(count))
    if copies.count < 1000 { copies.append((source, target, count)) }
  }
  func invalidate(page: UInt64) { if invalidated.count < 1000 { invalidated.append(page) } }
  func activate(root: UInt64) { if activated.count < 1000 { activated.append(root) } }
  func armTimer(after delta: UInt64) { timer = delta }
  func consoleWrite(_ record: UnsafeMutableRawPointer, count: UInt32) {
    record.storeBytes(of: count, as: UInt32.self)
    console.append(contentsOf: UnsafeRawBufferPointer(start: record + 4, count: Int(count)))
  }
  func deviceLoad(_ physicalAddress: UInt64) -> UInt32 {
    device(at: physicalAddress)?.load(physicalAddress & 0x1ff) ?? .max
  }
  func deviceStore(_ physicalAddress: UInt64, _ value: UInt32) {
    device(at: physicalAddress)?.store(physicalAddress & 0x1ff, value)
  }
  func orderStores() {}
  func orderAll() {}

  private func device(at address: UInt64) -> FakeDevice? { devices.first { $0.address == address & ~0x1ff } }

  func put<Value: BitwiseCopyable>(_ address: UInt64, _ value: Value) {
    precondition(address + UInt64(MemoryLayout<Value>.size) <= UInt64(size))
    memory(at: address).storeBytes(of: value, as: Value.self)
  }
  func get<Value: BitwiseCopyable>(_ address: UInt64, as _: Value.Type = Value.self) -> Value {
    precondition(address + UInt64(MemoryLayout<Value>.size) <= UInt64(size))
    return memory(at: address).loadUnaligned(as: Value.self)
  }
  func put(_ address: UInt64, bytes: [UInt8]) {
    precondition(address + UInt64(bytes.count) <= UInt64(size))
    bytes.withUnsafeBytes { memory(at: address).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
  func bytes(_ address: UInt64, count: Int) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: memory(at: address), count: count))
  }
  func isZero(frame: UInt32) -> Bool {
    let start = memory(at: UInt64(frame) << 12)
    return start.load(as: UInt64.self) == 0 && memcmp(start, start + 8, 4088) == 0
  }

  /// The console's text since the last call.
  func takeConsole() -> String {
    defer { console = [] }
    return String(decoding: console, as: UTF8.self)
  }

  /// The rings as boot/rings.S fills them in.
  private func prepareRings() {
    for disk: UInt64 in 0..<4 {
      let rings = Place.diskRings + disk * DiskDriver.ringsSize
      for request: UInt64 in 0..<32 {
        descriptor(
          rings, request * 3, address: rings + 4096 + request * 16, length: 16, flags: 1, next: request * 3 + 1)
        descriptor(rings, request * 3 + 1, address: 0, length: 0, flags: 1, next: request * 3 + 2)
        descriptor(rings, request * 3 + 2, address: rings + 4608 + request, length: 1, flags: 2, next: 0)
      }
    }
    for interface: UInt64 in 0..<2 {
      let rings = Place.networkRings + interface * InterfaceDriver.ringsSize
      for buffer: UInt64 in 0..<64 {
        let address = Place.receiveBuffers + (interface * 64 + buffer) * 2048
        descriptor(rings, buffer, address: address, length: 2048, flags: 2, next: 0)
        put(rings + 1024 + 4 + buffer * 2, UInt16(buffer))
      }
      put(rings + 1024 + 2, UInt16(64))
      for number: UInt64 in 0..<256 {
        descriptor(rings + 8192, number, address: 0, length: 0, flags: 0, next: (number + 1) & 0xff)
      }
    }
  }

  private func descriptor(
    _ table: UInt64, _ index: UInt64, address: UInt64, length: UInt32, flags: UInt16, next: UInt64
  ) {
    put(table + index * 16, address)
    put(table + index * 16 + 8, length)
    put(table + index * 16 + 12, flags)
    put(table + index * 16 + 14, UInt16(next))
  }
}
