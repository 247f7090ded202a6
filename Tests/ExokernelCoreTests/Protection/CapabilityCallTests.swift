import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Capabilities change hands")
struct CapabilityCallTests {
  private let own = CapabilityName.environment(0, generation: 1)

  private func derive(
    _ world: World, _ slot: UInt64, into: UInt64, _ name: UInt64, _ length: UInt64, _ rights: UInt64
  ) -> CallError? {
    world.kernel.capabilityDerive(slot: slot, into: into, name: name, length: length, rights: rights).error
  }

  @Test("only weaker ones are derived")
  func derived() {
    let world = World()
    world.run(0)
    #expect(derive(world, 0, into: 5, own | 7 << 16, 6, 255) == nil)
    #expect(derive(world, 5, into: 6, own | 7 << 16, 6, 3) == nil)
    #expect(derive(world, 5, into: 7, own, 5, 3) == .notPermitted, "a shorter name")
    #expect(derive(world, 5, into: 7, own | 8 << 16, 6, 3) == .notPermitted, "another name")
    #expect(derive(world, 6, into: 7, own | 7 << 16, 6, 4) == .notPermitted, "a right that it lacks")
    #expect(derive(world, 6, into: 7, own | 7 << 16, 6, 0x103) == .notPermitted, "a right that there is not")
    #expect(derive(world, 6, into: 7, own | 7 << 16 | 0xff << 8, 7, 3) != nil, "a byte that no name has")
    #expect(derive(world, 6, into: 7, own | 7 << 16, 6, 0) == .badArgument)
    #expect(derive(world, 6, into: 7, own | 7 << 16, 9, 1) == .badArgument)
    #expect(derive(world, 6, into: 5, own | 7 << 16, 6, 1) == .busy)
    #expect(derive(world, 6, into: 16, own | 7 << 16, 6, 1) == .noSuchCapability)
    #expect(derive(world, 9, into: 7, own | 7 << 16, 6, 1) == .noSuchCapability)
    #expect(world.kernel.capabilities[7].rights.isEmpty)
    Audit.check(world)
  }

  @Test("a capability is granted into a slot that accepts it from the giver, once")
  func granted() throws {
    let world = World(programs: 3)
    let kernel = world.kernel
    world.run(0)
    func grant(rights: UInt64 = 255, to: UInt32 = 1, into: UInt64 = 9) -> CallError? {
      kernel.capabilityGrant(slot: 0, environment: world.handle(to), into: into, rights: rights).error
    }
    #expect(grant() == .notAccepted)
    world.run(1)
    #expect(kernel.capabilityAccept(slot: 9, environment: world.handle(2)).error == nil)
    world.run(0)
    #expect(grant() == .notAccepted, "from another one only")
    world.run(1)
    #expect(kernel.capabilityAccept(slot: 9, environment: world.handle(0)).error == nil)
    world.run(0)
    #expect(grant(into: 16) == .badArgument)
    #expect(grant(rights: 0) == .badArgument)
    #expect(grant(rights: 0x301) == nil)
    #expect(kernel.capabilities[16 + 9].name == own && kernel.capabilities[16 + 9].rights == .read)
    #expect(grant() == .notAccepted, "the slot is full")
    world.run(1)
    #expect(kernel.capabilityAccept(slot: 9, environment: world.handle(0)).error == .busy)
    #expect(
      kernel.capabilityGrant(slot: 9, environment: world.handle(2), into: 9, rights: 1).error == .notPermitted,
      "without the right to grant")
    #expect(kernel.capabilityDrop(slot: 9).error == nil)
    #expect(kernel.capabilityDrop(slot: 9).error == .noSuchCapability)
    world.run(0)
    #expect(grant() == .notAccepted, "consent was for once")
    Audit.check(world)
  }

  @Test("consent is taken back, and does not outlive either side")
  func consent() throws {
    let world = World(programs: 3)
    let kernel = world.kernel
    world.run(1)
    for stale in [0x13f, Handle.own, world.handle(0) + 256, 1 << 40, .max] {
      #expect(kernel.capabilityAccept(slot: 9, environment: stale).error == .noSuchResource)
    }
    #expect(kernel.capabilityAccept(slot: 16, environment: world.handle(0)).error == .noSuchCapability)
    let giver = world.handle(0)
    _ = try kernel.capabilityAccept(slot: 9, environment: giver).value()
    _ = try kernel.capabilityAccept(slot: 9, environment: Handle.none).value()
    world.run(0)
    let late = kernel.capabilityGrant(slot: 0, environment: world.handle(1), into: 9, rights: 1)
    #expect(late.error == .notAccepted)
    world.run(1)
    _ = try kernel.capabilityAccept(slot: 9, environment: giver).value()
    kernel.end(0, status: 0)
    world.reapAll()
    let next = try world.load()
    #expect(next == 0 && world.handle(0) != giver)
    kernel.start(next, at: 0x40_0000, stack: 0)
    world.run(0)
    #expect(
      kernel.capabilityGrant(slot: 0, environment: world.handle(1), into: 9, rights: 1).error == .notAccepted,
      "another environment in the giver's record")
    #expect(kernel.capabilityGrant(slot: 0, environment: giver, into: 9, rights: 1).error == .noSuchResource)
  }

  @Test("a name is destroyed everywhere but in the slot that was presented")
  func destroyed() throws {
    let world = World(programs: 3)
    let kernel = world.kernel
    world.run(1)
    _ = try kernel.capabilityAccept(slot: 9, environment: world.handle(0)).value()
    world.run(0)
    _ = try kernel.capabilityGrant(slot: 0, environment: world.handle(1), into: 9, rights: 255).value()
    #expect(derive(world, 0, into: 5, own | 7 << 16, 6, 255) == nil)
    #expect(derive(world, 0, into: 6, own | 8 << 16, 6, 255) == nil)
    #expect(kernel.capabilityDestroy(slot: 0, name: own | 7 << 16, length: 6).number == 1, "one below, none beside")
    #expect(kernel.capabilities[5].rights.isEmpty && !kernel.capabilities[6].rights.isEmpty)
    #expect(kernel.capabilityDestroy(slot: 0, name: 1 << 56, length: 1).error == .notPermitted, "a shorter name")
    #expect(kernel.capabilityDestroy(slot: 1, name: CapabilityName.disk << 56, length: 1).error == .notPermitted)
    #expect(kernel.capabilityDestroy(slot: 0, name: own, length: 9).error == .badArgument)
    #expect(kernel.capabilityDestroy(slot: 12, name: own, length: 5).error == .noSuchCapability)
    #expect(kernel.capabilityDestroy(slot: 0, name: own, length: 5).number == 2)
    #expect(!kernel.capabilities[0].rights.isEmpty && kernel.capabilities[16 + 9].rights.isEmpty)
    #expect(kernel.capabilityDestroy(slot: 3, name: 0, length: 0).number == 9, "the root's own is everything")
    world.run(1)
    #expect(kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == .noSuchCapability)
    Audit.check(world)
  }

  @Test("the first program alone has everything")
  func root() {
    let world = World(programs: 3)
    for environment: UInt32 in 0..<3 {
      let held = world.kernel.capabilities[environment * 16 + UInt32(CapabilitySlot.root)]
      #expect(held.rights == (environment == 0 ? .all : .none) && held.length == 0)
    }
  }

  @Test("generations go on without a byte that no name has, and end")
  func generations() {
    var generation: UInt32 = 0
    var count = 0
    while generation < Handle.generations {
      let next = Handle.next(after: generation)
      let isName = next & 0xff != 0xff && next >> 8 & 0xff != 0xff && next >> 16 & 0xff != 0xff
      guard next > generation, isName, next <= Handle.generations else {
        Issue.record("\(generation) is followed by \(next)")
        return
      }
      generation = next
      count += 1
    }
    #expect(count > 16_000_000)
  }

  @Test("a record whose generations are used up is not used any more")
  func retired() throws {
    let world = World(programs: 1, disk: FakeDisk(blocks: 8), network: FakeNetwork())
    let kernel = world.kernel
    world.run(0)
    kernel.extents[0].generation = Handle.generations
    kernel.filters[0].generation = Handle.generations
    kernel.regions[0].generation = Handle.generations
    kernel.environments[1].handle = Handle.of(1, generation: Handle.generations)
    #expect(Handle.index(try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 1, rights: 1).value()) == 1)
    #expect(Handle.index(try world.bindFilter(slots: 2).filter) == 1)
    let frame = UInt64(try world.allocate())
    let region = kernel.regionBind(slot: 0, frame: frame, offset: 0, count: 8, name: own, length: 5)
    #expect(Handle.index(try region.value()) == 1)
    #expect(Handle.index(try world.create().value()) == 2)
  }
}
