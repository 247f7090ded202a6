import ExokernelABI
import Glibc
import RandomFixtures
import Testing

@testable import ExokernelCore

/// A victim that makes random calls while frames are taken from it.
@Suite("Whatever the victim does meanwhile, the kernel takes exactly what it asked for, within its bound")
struct RandomVictimTests {
  private struct Run {
    let world: World
    let child: UInt32
    var generator: SeededGenerator
    let places: [UInt64] = [0x50_0000, 0x5000_0000, 0x5fff_0000_0000, 0x10_0000_0000]
    var kernel: Kernel<FakeMachine> { world.kernel }

    init(seed: UInt64) throws {
      generator = SeededGenerator(seed: seed)
      world = World(disk: FakeDisk(blocks: 64), network: FakeNetwork(), processors: 2)
      world.run(0)
      child = try world.spawn(quotas: [800, 8, 4, 4, 4, 4])
      for slot: UInt32 in 1...2 { world.kernel.capabilities[child * 16 + slot] = world.kernel.capabilities[slot] }
      world.kernel.capabilities[16 + 5] = world.kernel.capabilities[5]
      for environment in [0, 1, child] {
        world.run(environment)
        for level: UInt64 in [3, 2, 1] {
          for place in places {
            _ = world.kernel.tableInstall(slot: 0, frame: CallNumber.any, address: place, level: level)
          }
        }
      }
      world.run(child)
    }

    mutating func random(_ count: UInt64) -> UInt64 { generator.next() % count }

    mutating func frame() -> UInt64 {
      var frame = kernel.environments[child].firstFrame
      for _ in 0..<random(30) where kernel.frames[frame].next != 0 { frame = kernel.frames[frame].next }
      return UInt64(frame)
    }

    mutating func address() -> UInt64 { places[Int(random(4))] + random(16) * 4096 }

    /// A call by the victim, or by a friend that controls it, whose slot 5 names it.
    mutating func act(gives: Bool) {
      let friend = random(4) == 0
      world.run(friend ? 1 : child)
      world.machine.touch(address())
      let slot: UInt64 = friend ? 5 : 0
      let table = friend ? world.handle(child) | 5 << 32 : Handle.own
      switch random(gives ? 16 : 13) {
      case 0...2:
        _ = kernel.frameUnmap(address: address(), count: 1 + random(8), table: random(2) == 0 ? table : Handle.own)
      case 3...5:
        _ = kernel.frameMap(
          slot: slot, frame: frame(), address: address(), rights: 3, count: 1 + random(4),
          table: random(2) == 0 ? table : Handle.own)
      case 6: _ = kernel.framesAllocateMapped(slot: slot, address: address(), count: 1 + random(6), table: table)
      case 7:
        _ = kernel.tableInstall(
          slot: slot, frame: frame(), address: address() + random(8) << 21, level: 1, table: table)
      case 8: _ = kernel.entryWrite(address: address(), value: 2, table: table)
      case 9: _ = kernel.frameProtect(slot: slot, address: address(), rights: random(8), count: 4, table: table)
      case 10: bind(slot)
      case 11: if !friend { _ = kernel.frameAllocate(slot: 0, frame: CallNumber.any) }
      case 12: _ = kernel.frameGive(slot: slot, frame: frame(), environment: world.handle(child) | slot << 32)
      case 13: _ = kernel.frameFree(slot: slot, frame: frame())
      case 14: _ = kernel.frameGive(slot: slot, frame: frame(), environment: Handle.own)
      default: _ = kernel.largeAllocate(slot: slot)
      }
    }

    private mutating func bind(_ slot: UInt64) {
      let frame = frame()
      if random(2) == 0 {
        let word = Comparison(.frame, place: frame << 12, low: 1, high: 1, capability: slot)
        if kernel.frames[UInt32(frame)].kind == FrameKind.memory.rawValue { world.machine.put(frame << 12, word) }
        _ = kernel.predicateBind(slot: slot, frame: frame, offset: 0, count: 1)
      } else {
        let name = kernel.capabilities[child * 16].name
        _ = kernel.regionBind(slot: slot, frame: frame, offset: 0, count: 8, name: name, length: 5)
      }
    }

    func ask(_ count: UInt64) throws {
      world.run(0)
      _ = try kernel.revoke(slot: 5, environment: world.handle(child), kind: 0, count: count, deadline: 1).value()
      world.machine.now += 10
    }
  }

  /// As one that gives nothing back, and as one that also frees. `XOKVM_VICTIM_SEED` repeats a run.
  @Test("random calls", arguments: 0..<30)
  func calls(number: Int) throws {
    let seed =
      getenv("XOKVM_VICTIM_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
    print("seed of the victim: \(seed)")
    var run = try Run(seed: seed)
    let (world, child) = (run.world, run.child)
    for _ in 0..<60 { run.act(gives: false) }
    if number % 3 == 0 {
      world.run(child)
      _ = world.kernel.largeAllocate(slot: 0)
    }
    let gives = number % 2 == 1
    for round in 0..<6 {
      let memory = world.memory(child)
      // What it has in memory at least; now and then more than that, of its page tables.
      let count = UInt64(1 + run.random(UInt64(min(max(memory, 1), 64))))
      let before = world.kernel.header.value.counters.repossessions
      let bound = world.bound(child)
      guard count <= world.kernel.owned(by: child, .frames) else { continue }
      if memory == 0 { continue }
      try run.ask(count)
      let chores = world.chores(child, limit: bound) {
        for _ in 0..<run.random(6) { run.act(gives: gives) }
        let faults = Audit.faults(world)
        #expect(faults.isEmpty, "seed \(seed), round \(round): \(faults.prefix(4))")
      }
      #expect(chores != nil, "seed \(seed), round \(round): more than \(bound) chores")
      let taken = world.kernel.header.value.counters.repossessions - before
      #expect(gives ? taken <= count : taken == count, "seed \(seed), round \(round): \(taken) of \(count)")
      for _ in 0..<20 { run.act(gives: false) }
    }
  }
}
