import CallList
import ExokernelABI
import Glibc
import RandomFixtures
import Testing

@testable import ExokernelCore

/// Calls with random registers, made of the call list: each value is of its unit, and mostly names something that
/// exists.
@Suite("A call's first half")
struct DecodeTests {
  /// What a decode writes all the same, as its documentation says: it takes a free frame off its list, which only the
  /// search for one can find; or it prepares records and descriptors that stay free where the call is refused.
  private static let preparing: Set<String> = [
    "frameAllocate", "tableInstall", "framesAllocateMapped", "largeAllocate", "environmentCreate", "filterBind",
    "packetSend",
  ]

  @Test("changes nothing, whether it refuses the call or not", arguments: [1, 2, 3] as [UInt64])
  func changesNothing(seed: UInt64) throws {
    let run = try RandomCalls(seed: seed)
    var refused: Set<String> = []
    var decoded: Set<String> = []
    for _ in 0..<4000 {
      let (call, registers) = run.next()
      let number = try #require(CallNumber(rawValue: UInt64(call.number)))
      guard !Self.preparing.contains(call.name) else {
        run.make(number, registers)
        continue
      }
      run.remember()
      do throws(CallError) {
        guard try run.kernel.decode(number, registers) else {
          run.make(number, registers)
          continue
        }
        decoded.insert(call.name)
      } catch {
        refused.insert(call.name)
        if error == .deviceFull { run.forgetWaiting() }
      }
      let text = CallDecoder.text(number: UInt64(call.number), registers: registers)
      #expect(run.isUnchanged, "\(text), seed \(seed)")
      run.make(number, registers)
    }
    #expect(Audit.faults(run.world) == [], "seed \(seed)")
    // Otherwise the test looks at nothing.
    #expect(refused.count > 25 && decoded.count > 20, "\(refused.count) refused, \(decoded.count) decoded")
  }

  @Test("refuses a call so that nothing but the count of refusals is changed", arguments: [4, 5] as [UInt64])
  func refusals(seed: UInt64) throws {
    let run = try RandomCalls(seed: seed)
    var count = 0
    for _ in 0..<4000 {
      let (call, registers) = run.next()
      let number = try #require(CallNumber(rawValue: UInt64(call.number)))
      run.remember()
      guard let result = run.make(number, registers), let error = CallError(rawValue: result.rawValue) else { continue }
      count += 1
      guard !Self.preparing.contains(call.name) else { continue }
      run.kernel.header.value.counters.refusals -= 1
      if error == .deviceFull { run.forgetWaiting() }
      let text = CallDecoder.text(number: UInt64(call.number), registers: registers)
      #expect(run.isUnchanged, "\(text): \(error), seed \(seed)")
      run.kernel.header.value.counters.refusals += 1
    }
    #expect(count > 1000, "\(count) refused")
    #expect(Audit.faults(run.world) == [], "seed \(seed)")
  }
}

/// A world in which somebody calls at random.
private final class RandomCalls {
  let world: World
  var kernel: Kernel<FakeMachine> { world.kernel }
  private var generator: SeededGenerator
  private let calls = CallList.all.filter { if case .handWritten = $0.glue { false } else { true } }
  private let shadow: UnsafeMutableRawPointer
  private var frames: [UInt64] = []
  private var waiting: UInt64 = 0

  init(seed: UInt64) throws {
    world = World(memory: 4 << 20, disk: FakeDisk(blocks: 8), network: FakeNetwork())
    generator = SeededGenerator(seed: seed)
    shadow = malloc(world.machine.size)
    world.run(0)
    _ = try world.spawn()
    for page: UInt64 in 0..<6 { frames.append(UInt64(try world.allocateMapped(at: 0x50_0000 + page << 12))) }
  }

  deinit { free(shadow) }

  /// Keeps what the memory holds.
  func remember() {
    memcpy(shadow, world.machine.base, world.machine.size)
    waiting = kernel.diskDrivers[0].waiting
  }

  /// Who was refused for want of room is told when there is some: that it waits is the one thing that is noted.
  func forgetWaiting() {
    #expect(kernel.diskDrivers[0].waiting == waiting | 1)
    kernel.diskDrivers[0].waiting = waiting
  }

  /// True where the memory holds what it held.
  var isUnchanged: Bool { memcmp(shadow, world.machine.base, world.machine.size) == 0 }

  @discardableResult func make(_ number: CallNumber, _ registers: [UInt64]) -> CallResult? {
    kernel.call(number, registers)
  }

  /// A call and its registers.
  func next() -> (CallDescription, [UInt64]) {
    let call = calls[Int(random(UInt64(calls.count)))]
    var registers = Array(repeating: UInt64(0), count: 5)
    for (register, field) in call.fields {
      let bits = value(field.unit) & ((1 as UInt64) << UInt64(field.bits.count) &- 1)
      registers[register] |= bits << UInt64(field.bits.lowerBound)
    }
    if random(30) == 0 { registers[Int(random(5))] = generator.next() }
    return (call, registers)
  }

  private func random(_ bound: UInt64) -> UInt64 { generator.next() % bound }

  private func value(_ unit: Unit) -> UInt64 {
    switch unit {
    case .slot(.environment): random(3) == 0 ? 0 : 5
    case .slot(.disk): 1
    case .slot(.network): 2
    case .slot: random(4) == 0 ? random(17) : 0
    case .emptySlot: 4 + random(8)
    case .environment: kernel.environments[UInt32(random(5))].handle
    case .table: random(4) == 0 ? kernel.environments[2].handle | 5 << 32 : Handle.own
    case .frame, .ringFrame, .codeFrame: random(6) == 0 ? CallNumber.any : frames[Int(random(6))] + random(12) / 10 * 7
    case .largeFrame: random(2) << 9
    case .address: 0x50_0000 + random(12) << 12
    case .largeAddress: AddressMap.largePages
    case .name: CapabilityName.environment(UInt32(random(3)), generation: 1) | random(2) << 16
    case .length: 5 + random(3)
    case .rights: random(9) == 0 ? 255 : random(8)
    case .position: random(3) == 0 ? CallNumber.any : random(64)
    case .extent, .region, .filter: Handle.of(UInt32(random(3)), generation: UInt32(1 + random(2)))
    case .ringSlots: 2 << random(3)
    case .amount: random(3) == 0 ? UInt64(bitPattern: -2) : random(3)
    case .offset: random(64) * 8
    case .entry, .stack: random(2) * 0x40_0000
    case .isWrite, .disk, .interface: random(2)
    case .entryValue: generator.next() & ~1
    case .level, .pageCount, .deadline, .events, .resourceKind, .count, .byteCount, .block, .blockCount, .tag,
      .programLength, .status, .vector, .code:
      random(8)
    }
  }
}
