import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Revocation")
struct RevocationTests {
  /// A world in which environment 0 presses its child, which runs.
  private func asked(_ kind: ResourceKind, _ count: UInt64, deadline: UInt64 = 5000, frames: UInt64 = 6) throws -> (
    World, UInt32
  ) {
    let world = World(network: FakeNetwork())
    world.run(0)
    let child = try world.spawn(quotas: [60, 8, 4, 2, 2, 2])
    let table = world.handle(child) | 5 << 32
    _ = try world.kernel.framesAllocateMapped(slot: 5, address: 0x50_0000, count: frames, table: table).value()
    if kind == .frames { try revoke(world, child, kind, count, deadline) }
    world.run(child)
    return (world, child)
  }

  private func revoke(_ world: World, _ child: UInt32, _ kind: ResourceKind, _ count: UInt64, _ deadline: UInt64) throws
  {
    let result = world.kernel.revoke(
      slot: 5, environment: world.handle(child), kind: kind.rawValue, count: count, deadline: deadline)
    _ = try result.value()
  }

  private func repossess(_ world: World) { for _ in 0..<20_000 where !world.kernel.doChores() { return } }

  private func vector(_ world: World, _ environment: UInt32) -> [Repossession] {
    let place = world.pageAddress(environment) + EnvironmentPage.repossessionOffset
    return (0..<world.page(environment).repossessed).map { world.machine.get(place + $0 * 16) }
  }

  @Test("who refuses loses exactly what was asked, learns which, and goes on")
  func refuser() throws {
    let (world, child) = try asked(.frames, 3)
    let kernel = world.kernel
    _ = kernel.upcallBind(fault: 0, epilogue: 0, prologue: 0x40_0010, revocation: 0x40_0020)
    let loose = try world.allocate()
    let page = world.page(child)
    #expect(page.revocationKind == 0 && page.revocationCount == 3 && page.revocationDeadline == 5000)
    #expect(page.events == 1, "a sleeper wakes")
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    world.run(child)
    #expect(kernel.resumption(of: kernel.currentRecord).entry == 0x40_0020, "the upcall")
    #expect(kernel.resumption(of: kernel.currentRecord).entry == 0x40_0010, "once")
    let used = kernel.environments[child].frames
    repossess(world)
    #expect(kernel.environments[child].frames == used, "not before the deadline")
    world.machine.now = 5000
    for address in stride(from: UInt64(0x50_0000), to: 0x50_6000, by: 4096) { world.machine.touch(address) }
    repossess(world)
    Audit.check(world)
    // One frame more was allocated after the request; no more than what was asked is taken all the same.
    #expect(kernel.environments[child].frames == used - 3)
    let taken = vector(world, child)
    #expect(taken.count == 3 && taken[0].resource == UInt64(loose) && taken[0].address == 1)
    for entry in taken.dropFirst() {
      #expect(world.entry(entry.address) == nil)
      #expect(kernel.frames[UInt32(entry.resource)].kind == 0)
    }
    #expect(Set(taken.dropFirst().map(\.address)) == [0x50_5000, 0x50_4000])
    #expect(kernel.header.value.counters.repossessions == 3)
    #expect(kernel.kernelPrivate.value.asked == 0 && kernel.current == child)
    #expect(world.page(child).events == 2)
  }

  @Test("who gives in time loses nothing else")
  func giver() throws {
    let (world, child) = try asked(.frames, 2)
    for address: UInt64 in [0x50_0000, 0x50_1000] {
      let frame = try #require(world.entry(address)) >> 12 & 0xf_ffff
      _ = try world.kernel.frameUnmap(address: address).value()
      _ = try world.kernel.frameFree(slot: 0, frame: frame).value()
    }
    let used = world.kernel.environments[child].frames
    repossess(world)
    #expect(world.kernel.kernelPrivate.value.asked == 0)
    world.machine.now = 6000
    repossess(world)
    #expect(world.kernel.environments[child].frames == used && world.page(child).repossessed == 0)
    #expect(world.kernel.header.value.counters.repossessions == 0)
    Audit.check(world)
  }

  @Test("a page at address 0 is no hiding place")
  func lowest() throws {
    let (world, child) = try asked(.frames, 1, frames: 1)
    let kernel = world.kernel
    for level: UInt64 in [2, 1] {
      _ = kernel.tableInstall(slot: 0, frame: CallNumber.any, address: 0, level: level)
    }
    let frame = try #require(world.entry(0x50_0000)) >> 12 & 0xf_ffff
    _ = try kernel.frameUnmap(address: 0x50_0000).value()
    let result = kernel.frameMap(slot: 0, frame: frame, address: 0, rights: 3)
    #expect(result.error == nil)
    world.machine.now = 6000
    repossess(world)
    #expect(world.entry(0) == nil)
    #expect(vector(world, child).contains { $0.resource == frame && $0.address == 0 })
    Audit.check(world)
  }

  @Test("what an environment needs to be told stays, and the search for more ends")
  func untouchable() throws {
    let (world, child) = try asked(.frames, 3, frames: 2)
    let kernel = world.kernel
    let frame = UInt64(try #require(world.entry(0x50_0000)) >> 12 & 0xf_ffff)
    let name = kernel.capabilities[child * 16].name
    let region = try kernel.regionBind(slot: 0, frame: frame, offset: 0, count: 64, name: name, length: 5).value()
    world.machine.now = 6000
    repossess(world)
    #expect(kernel.kernelPrivate.value.asked == 0)
    #expect(kernel.header.value.counters.repossessions == 2, "its page and its page tables are the rest")
    #expect(world.entry(0x50_0000) == nil && world.entry(0x50_1000) == nil)
    #expect(world.entry(AddressMap.environmentPage) != nil)
    #expect(vector(world, child).contains { $0.resource == region && $0.address == Repossession.region })
    Audit.check(world)
  }

  @Test("slices are taken but for the last one")
  func slices() throws {
    let (world, child) = try asked(.slices, 0)
    for position: UInt64 in [20, 30, 40] { _ = try world.kernel.sliceAllocate(slot: 0, position: position).value() }
    // What it gives to a child of its own is no position of its own.
    world.run(child)
    world.kernel.environments[child].quotas[.frames].limit = 60
    let positions = world.kernel.environments[child].quota(.slices).used
    world.run(0)
    try revoke(world, child, .slices, UInt64(positions), 0)
    repossess(world)
    #expect(world.kernel.environments[child].quota(.slices).used == 1)
    #expect(vector(world, child).count == Int(positions) - 1)
    #expect(vector(world, child).allSatisfy { world.kernel.slices[UInt32($0.resource)].ownerPlusOne == 0 })
    Audit.check(world)
  }

  @Test("filters are taken by their handles")
  func filters() throws {
    let (world, child) = try asked(.filters, 0, frames: 1)
    let kernel = world.kernel
    kernel.capabilities[child * 16 + 2] = kernel.capabilities[2]
    let rings = [try world.bindFilter(slots: 2), try world.bindFilter(slots: 2)]
    world.run(0)
    try revoke(world, child, .filters, 1, 0)
    repossess(world)
    #expect(vector(world, child).map(\.resource) == [rings[0].filter])
    #expect(kernel.filters[Handle.index(rings[0].filter)].ownerPlusOne == 0)
    #expect(kernel.filters[Handle.index(rings[1].filter)].ownerPlusOne == child + 1)
    Audit.check(world)
  }

  @Test("what cannot be asked is refused")
  func refused() throws {
    let (world, child) = try asked(.frames, 2)
    world.run(0)
    func ask(_ slot: UInt64, _ handle: UInt64, _ kind: UInt64, _ count: UInt64) -> CallError? {
      world.kernel.revoke(slot: slot, environment: handle, kind: kind, count: count, deadline: 0).error
    }
    let handle = world.handle(child)
    #expect(ask(5, handle, 0, 1) == .busy)
    repossess(world)
    world.machine.now = 9000
    repossess(world)
    #expect(ask(9, handle, 0, 1) == .noSuchCapability)
    #expect(ask(0, handle, 0, 1) == .notPermitted)
    #expect(ask(5, handle + 256, 0, 1) == .noSuchResource)
    #expect(ask(5, handle, 3, 1) == .badArgument)
    #expect(ask(5, handle, 0, 0) == .badArgument)
    #expect(ask(5, handle, 0, 65) == .badArgument)
    #expect(ask(5, handle, 0, 64) == .exhausted)
    #expect(world.kernel.kernelPrivate.value.asked == 0)
  }

  @Test("an idle processor's timer waits for the deadline")
  func idle() throws {
    let (world, _) = try asked(.frames, 1, deadline: 7777)
    #expect(world.sleep(events: 1, deadline: 0))
    world.kernel.armForIdle()
    #expect(world.machine.timer == 7777)
  }
}
