import ExokernelABI
import Glibc

@testable import ExokernelCore

/// A machine for the kernel's logic: host memory as physical memory, devices as objects, several processors of which
/// one executes, and a record of what the kernel did to them.
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
    static let frameTable: UInt64 = 0x90000
    static let processors: UInt64 = 0xd0000
    static let commandLine: UInt64 = 0xe0000
    static let archive: UInt64 = 0x100000
    static let firstFree: UInt64 = 0x180000
  }

  let base: UnsafeMutableRawPointer
  let size: Int
  /// The processor that executes what the test calls.
  var processor: UInt32 = 0
  /// What each processor has done with its page table and its timer.
  var processors = Array(repeating: FakeProcessor(), count: Int(BooksLayout.processors))
  /// Processors that were asked to look for something to run.
  var interrupts: [UInt32] = []
  /// Processors that were made to forget their translations.
  var flushes: [UInt32] = []
  /// What the kernel wrote to the console.
  var console: [UInt8] = []
  /// Pages whose translations the kernel made the executing processor forget.
  var invalidated: [UInt64] = []
  /// Root tables put in force, on any processor.
  var activated: [UInt64] = []
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
    for index in 0..<UInt64(BooksLayout.processors) {
      let place = MemoryLayout<ProcessorState>.offset(of: \.index)!
      put(Place.processors + index * UInt64(ProcessorState.size) + UInt64(place), UInt32(index))
    }
    prepareRings()
  }

  deinit { munmap(base, size) }

  var booksBase: UnsafeMutableRawPointer { base + Int(Place.books) }
  var booksAddress: UInt64 { Place.books }
  var frameTableBase: UnsafeMutableRawPointer { base + Int(Place.frameTable) }
  var privateBase: UnsafeMutableRawPointer { base + Int(Place.privateState) }
  var processorBase: UnsafeMutableRawPointer { processorBase(of: processor) }
  var templateRoot: UInt64 { Place.template }
  var diskRings: UInt64 { Place.diskRings }
  var networkRings: UInt64 { Place.networkRings }
  var timeStamp: UInt64 { now }
  /// What the executing processor's timer was last set to, 0 where it was stopped.
  var timer: UInt64? { processors[Int(processor)].timer }

  func processorBase(of index: UInt32) -> UnsafeMutableRawPointer {
    precondition(UInt64(index) < BooksLayout.processors)
    return base + Int(Place.processors) + Int(index) * ProcessorState.size
  }
  func interrupt(processor index: UInt32) {
    precondition(index != processor, "the kernel interrupted its own processor")
    if interrupts.count < 1000 { interrupts.append(index) }
  }
  func flush(processor index: UInt32) {
    precondition(index != processor, "the kernel waited for its own processor")
    processors[Int(index)].translations = [:]
    if flushes.count < 1000 { flushes.append(index) }
  }
  func memory(at physicalAddress: UInt64) -> UnsafeMutableRawPointer {
    precondition(physicalAddress < UInt64(size), "the kernel reached for physical address \(physicalAddress)")
    return base + Int(physicalAddress)
  }
  func entry(of address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    walk(processors[Int(processor)].root, address)
  }
  func load(entry place: UnsafeMutablePointer<UInt64>) -> UInt64 { place.pointee }
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
  func invalidate(page: UInt64) {
    processors[Int(processor)].translations[page] = nil
    if invalidated.count < 1000 { invalidated.append(page) }
  }
  func activate(root: UInt64) {
    processors[Int(processor)].root = root
    processors[Int(processor)].translations = [:]
    if activated.count < 1000 { activated.append(root) }
  }
  func armTimer(at deadline: UInt64) { processors[Int(processor)].timer = deadline }
  func armDeadline(at deadline: UInt64) { armTimer(at: deadline) }
  var hasDeadlineTimer: Bool { true }
  func tellCrash(at instruction: UInt64, record: UInt64) {}
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

  /// The console's text since the last call.
  func takeConsole() -> String {
    defer { console = [] }
    return String(decoding: console, as: UTF8.self)
  }
}

/// One processor of a fake machine.
struct FakeProcessor: Equatable {
  /// The page table in force.
  var root = FakeMachine.Place.template
  /// What the timer was last set to.
  var timer: UInt64?
  /// Entries that the processor has loaded and not been told to forget, by page.
  var translations: [UInt64: UInt64] = [:]
}

extension FakeMachine {
  /// The place of the last-level entry of `address` under a root table; nil where a table is missing.
  func walk(_ root: UInt64, _ address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    guard address < 1 << 47 else { return nil }
    var table = root
    for shift: UInt64 in [39, 30, 21] {
      let entry: UInt64 = get(table + (address >> shift & 511) * 8)
      guard entry & 1 != 0 else { return nil }
      table = entry & 0xf_ffff_ffff_f000
    }
    return memory(at: table + (address >> 12 & 511) * 8).assumingMemoryBound(to: UInt64.self)
  }

  /// The environment that runs on the executing processor touches a page: the processor keeps the translation until it
  /// is told otherwise.
  func touch(_ address: UInt64) {
    guard address < AddressMap.largePages, let place = walk(processors[Int(processor)].root, address),
      place.pointee & 1 != 0
    else { return }
    processors[Int(processor)].translations[address & ~0xfff] = place.pointee
  }

  /// Translations that a processor still uses though the page table says less.
  var staleTranslations: [String] {
    var stale: [String] = []
    for (index, processor) in processors.enumerated() {
      for (page, kept) in processor.translations {
        let entry = walk(processor.root, page)?.pointee ?? 0
        let isSame = entry & 1 != 0 && (entry ^ kept) & 0xf_ffff_ffff_f000 == 0
        if !isSame || kept & ~entry & 2 != 0 || entry & ~kept & 1 << 63 != 0 {
          stale.append("processor \(index) still uses \(String(kept, radix: 16)) for \(String(page, radix: 16))")
        }
      }
    }
    return stale
  }
}
