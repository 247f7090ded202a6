import ExokernelABI
import Glibc

@testable import ExokernelCore

/// What the kernel's logic has made of a fake machine: its memory, and what it did to processors and translations.
final class MachineSnapshot {
  private let ranges: [Range<Int>]
  private let bytes: [UInt8]
  private let record: Record

  private struct Record: Equatable {
    var processor: UInt32
    var processors: [FakeProcessor]
    var interrupts: [UInt32]
    var flushes: [UInt32]
    var invalidated: [UInt64]
    var activated: [UInt64]
    var cleared: [UInt64]
    var console: [UInt8]

    init(_ machine: FakeMachine) {
      processor = machine.processor
      processors = machine.processors
      interrupts = machine.interrupts
      flushes = machine.flushes
      invalidated = machine.invalidated
      activated = machine.activated
      cleared = machine.cleared
      console = machine.console
    }
  }

  /// The machine as it is now: what is the kernel's, that is, books, private state, frame table, processors' states,
  /// page tables and environment pages; or all of its memory, for the tests to see now and then that nothing else is
  /// touched.
  init(of machine: FakeMachine, whole: Bool = false) {
    if whole {
      ranges = [0..<machine.size]
    } else {
      let frames = Kernel(hardware: machine).frames
      ranges =
        [Int(FakeMachine.Place.books)..<Int(FakeMachine.Place.commandLine)]
        + (0..<frames.count).filter {
          [FrameKind.pageTable.rawValue, FrameKind.environmentPage.rawValue].contains(frames[$0].kind)
        }.map { Int($0) << 12..<Int($0 + 1) << 12 }
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(ranges.reduce(0) { $0 + $1.count })
    for range in ranges {
      bytes.append(contentsOf: UnsafeRawBufferPointer(start: machine.base + range.lowerBound, count: range.count))
    }
    self.bytes = bytes
    record = Record(machine)
  }

  /// Calls `body` with each range of memory and the bytes that it had.
  private func forEachRange(_ body: (Range<Int>, UnsafeRawPointer) -> Void) {
    bytes.withUnsafeBytes { bytes in
      var offset = 0
      for range in ranges {
        body(range, bytes.baseAddress! + offset)
        offset += range.count
      }
    }
  }

  /// Makes `machine` what it was.
  func restore(_ machine: FakeMachine) {
    forEachRange { range, bytes in (machine.base + range.lowerBound).copyMemory(from: bytes, byteCount: range.count) }
    machine.processor = record.processor
    machine.processors = record.processors
    machine.interrupts = record.interrupts
    machine.flushes = record.flushes
    machine.invalidated = record.invalidated
    machine.activated = record.activated
    machine.cleared = record.cleared
    machine.console = record.console
  }

  /// What differs on `machine`: nil where it is as it was.
  func difference(_ machine: FakeMachine) -> String? {
    let now = Record(machine)
    guard now == record else { return "\(now) instead of \(record)" }
    var places: [String] = []
    forEachRange { range, bytes in
      guard memcmp(machine.base + range.lowerBound, bytes, range.count) != 0 else { return }
      for offset in stride(from: 0, to: range.count, by: 8) {
        let after = machine.get(UInt64(range.lowerBound + offset), as: UInt64.self)
        let before = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        if after == before { continue }
        let place = [range.lowerBound + offset, Int(truncatingIfNeeded: after), Int(truncatingIfNeeded: before)]
        places.append(place.map { String($0, radix: 16) }.joined(separator: " "))
      }
    }
    return places.isEmpty ? nil : "address, value, value expected: \(places.prefix(8))"
  }
}
