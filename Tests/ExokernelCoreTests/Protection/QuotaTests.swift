import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Quotas")
struct QuotaTests {
  private func move(_ world: World, _ child: UInt32, _ kind: UInt64, _ amount: Int64, slot: UInt64 = 5) -> CallError? {
    world.kernel.quotaMove(
      slot: slot, environment: world.handle(child), kind: kind, amount: UInt64(bitPattern: amount)
    ).error
  }

  @Test("what a child may own is its creator's, moved to and fro and never made")
  func moved() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let child = try world.spawn()
    let used = kernel.environments[0].quota(.frames).used
    #expect(move(world, child, 0, 10) == nil)
    #expect(kernel.environments[child].quota(.frames).limit == 50)
    #expect(kernel.environments[0].quota(.frames).used == used + 10)
    #expect(move(world, child, 0, -45) == nil)
    #expect(move(world, child, 0, -1) == .exhausted, "what it uses stays")
    let room = Int64(kernel.environments[0].quota(.frames).limit - kernel.environments[0].quota(.frames).used)
    #expect(move(world, child, 0, room + 1) == .exhausted)
    #expect(move(world, child, 6, 1) == .badArgument)
    for amount in [1 << 31, -(1 << 31), Int64.max, Int64.min] { #expect(move(world, child, 0, amount) == .badArgument) }
    #expect(move(world, child, 0, 1, slot: 0) == .notPermitted)
    #expect(move(world, 1, 0, 1, slot: 3) == .notPermitted, "another one's child")
    #expect(move(world, child, 0, room) == nil)
    #expect(kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == .exhausted)
    Audit.check(world)
    world.run(1)
    #expect(kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == nil, "nobody else is harmed")
  }

  @Test("the children of an ended environment become its creator's, with what they may own")
  func inherited() throws {
    let world = World(programs: 1)
    let kernel = world.kernel
    world.run(0)
    let before = kernel.environments[0].quotas
    let child = try world.spawn(quotas: [200, 5, 3, 3, 3, 3])
    world.run(child)
    let grandchild = try world.spawn(quotas: [50, 2, 1, 1, 1, 1])
    Audit.check(world)
    world.run(0)
    _ = try kernel.environmentDestroy(slot: 5, environment: world.handle(child))
    world.reapAll()
    Audit.check(world)
    #expect(kernel.environments[child].state == EnvironmentState.free.rawValue)
    #expect(kernel.environments[grandchild].creatorPlusOne == 1)
    #expect(kernel.environments[0].quota(.frames).used == before[.frames].used + 50)
    #expect(kernel.environments[0].quota(.environments).used == before[.environments].used + 2)
    #expect(move(world, grandchild, 0, 1, slot: 3) == nil)
    _ = try kernel.environmentDestroy(slot: 3, environment: world.handle(grandchild))
    world.reapAll()
    for kind in 0..<6 { #expect(kernel.environments[0].quotas.values[kind].used == before.values[kind].used) }
    Audit.check(world)
  }

  @Test("each kind ends at its limit, with an error to who asked")
  func limits() throws {
    let world = World(programs: 1, disk: FakeDisk(blocks: 8), network: FakeNetwork())
    let kernel = world.kernel
    world.run(0)
    let own = CapabilityName.environment(0, generation: 1)
    let frame = UInt64(try world.allocate())
    for kind in 1..<6 { kernel.environments[0].quotas.values[kind].limit = 2 }
    #expect(kernel.sliceAllocate(slot: 0, position: CallNumber.any).error == nil)
    #expect(kernel.sliceAllocate(slot: 0, position: CallNumber.any).error == .exhausted)
    for round in 0..<3 {
      let expected: CallError? = round == 2 ? .exhausted : nil
      #expect(kernel.extentBind(slot: 1, disk: 0, first: 0, count: 1, rights: 1).error == expected)
      #expect(
        kernel.regionBind(slot: 0, frame: frame, offset: 0, count: 8, name: own, length: 5).error == expected)
      #expect(
        world.create(quotas: [2, 0, 0, 0, 0, 0], into: UInt64(5 + round)).error == expected)
      if round < 2 {
        _ = try world.bindFilter(slots: 2)
      } else {
        #expect(throws: CallError.exhausted) { try world.bindFilter(slots: 2) }
      }
    }
    Audit.check(world)
  }
}
