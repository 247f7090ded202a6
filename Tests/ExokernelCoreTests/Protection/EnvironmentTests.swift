import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Environments made by programs")
struct EnvironmentTests {
  @Test("a thousand children come and go, and the books are as they were")
  func thousand() throws {
    let world = World()
    world.run(0)
    let before = world.kernel.environments[0].quotas
    let free = world.kernel.header.value.freeFrames
    var handles = Set<UInt64>()
    for round in 0..<1000 {
      let child = try world.spawn()
      #expect(handles.insert(world.handle(child)).inserted, "a handle names two")
      if round % 100 == 0 { Audit.check(world) }
      #expect(try !world.kernel.environmentDestroy(slot: 5, environment: world.handle(child)))
      #expect(world.kernel.capabilityDrop(slot: 5).error == nil)
      world.reapAll()
    }
    Audit.check(world)
    #expect(world.kernel.header.value.freeFrames == free)
    for kind in 0..<6 {
      #expect(world.kernel.environments[0].quotas.values[kind].used == before.values[kind].used)
      #expect(world.kernel.environments[0].quotas.values[kind].limit == before.values[kind].limit)
    }
  }

  @Test("what a creator may not, it is refused, and nothing is changed")
  func refused() throws {
    let world = World()
    world.run(0)
    world.kernel.capabilities[6] = Capability(name: 0, length: 0, rights: .control)
    let room = world.kernel.environments[0].quotas
    #expect(world.create(slot: 9).error == .noSuchCapability)
    #expect(world.create(slot: 6).error == .notPermitted)
    #expect(world.create(into: 0).error == .busy)
    #expect(world.create(into: 16).error == .noSuchCapability)
    #expect(world.create(quotas: [1, 0, 0, 0, 0, 0]).error == .badArgument)
    for kind in 0..<6 {
      var quotas: [UInt32] = [2, 0, 0, 0, 0, 0]
      quotas[kind] = room.values[kind].limit - room.values[kind].used + (kind == 4 ? 0 : 1)
      #expect(world.create(quotas: quotas).error == .exhausted)
      quotas[kind] = .max
      #expect(world.create(quotas: quotas).error == .exhausted)
    }
    for address in PageTableTests.badAddresses + [AddressMap.reserved] {
      #expect(world.create(page: address).error == .badAddress)
    }
    #expect(world.create(page: 0x90_0000, sharedTable: Handle.own).error == .noPageTable)
    #expect(world.create(page: 0x40_0000, sharedTable: Handle.own).error == .busy)
    #expect(world.create(page: 0x50_0000, sharedTable: world.handle(1), sharedSlot: 0).error == .notPermitted)
    #expect(world.create(page: 0x50_0000, sharedTable: world.handle(1) + 256, sharedSlot: 3).error == .noSuchResource)
    #expect(world.kernel.header.value.liveEnvironments == 2)
    Audit.check(world)
  }

  @Test("a child is started once, by who controls it, where it has a page table and a position is free")
  func start() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let handle = try world.create().value()
    func start(_ handle: UInt64, slot: UInt64 = 5, entry: UInt64 = 0x40_0000, position: UInt64 = 7) -> CallError? {
      kernel.environmentStart(slot: slot, environment: handle, entry: entry, stack: 0, position: position).error
    }
    #expect(start(handle) == .noPageTable)
    for level: UInt64 in [3, 2, 1] {
      let result = kernel.tableInstall(
        slot: 0, frame: CallNumber.any, address: AddressMap.environmentPage, level: level, table: handle | 5 << 32)
      #expect(result.error == nil)
    }
    #expect(start(handle, slot: 0) == .notPermitted)
    #expect(start(handle, slot: 9) == .noSuchCapability)
    #expect(start(handle + 256) == .noSuchResource)
    #expect(start(handle, entry: AddressMap.userEnd) == .badAddress)
    #expect(start(handle, position: 0) == .busy)
    for position: UInt64 in [64, 0x100, 1 << 40] { #expect(start(handle, position: position) == .noSuchResource) }
    #expect(start(handle) == nil)
    #expect(start(handle) == .busy)
    #expect(start(world.handle(0), slot: 3) == .busy)
    Audit.check(world)
    let child = Handle.index(handle)
    world.run(child)
    #expect(world.entry(AddressMap.environmentPage).map { $0 >> 12 & 0xf_ffff } == world.pageAddress(child) >> 12)
    #expect(world.page(child).handle == handle && world.page(child).environment == UInt64(child))
    for slot in 1..<UInt32(16) { #expect(kernel.capabilities[child * 16 + slot].rights.isEmpty) }
  }

  @Test("a child without a slice quota is not started")
  func noSlices() throws {
    let world = World()
    world.run(0)
    #expect(throws: CallError.exhausted) { try world.spawn(quotas: [40, 0, 0, 0, 0, 0]) }
  }

  @Test("two environments share a page table, and end in either order", arguments: [true, false])
  func shared(ownerFirst: Bool) throws {
    let world = World(programs: 1)
    let kernel = world.kernel
    world.run(0)
    let parent = try world.spawn()
    let table = world.handle(parent) | 5 << 32
    _ = try kernel.framesAllocateMapped(slot: 0, address: 0x50_0000, count: 4, table: table).value()
    let handle = try world.create(into: 6, page: 0x51_0000, sharedTable: world.handle(parent), sharedSlot: 5).value()
    let friend = Handle.index(handle)
    #expect(kernel.environmentStart(slot: 6, environment: handle, entry: 0, stack: 0, position: 9).error == nil)
    Audit.check(world)
    #expect(kernel.frames[kernel.environments[parent].rootTable].references == 2)
    world.run(friend)
    let mine = try world.allocateMapped(at: 0x50_8000)
    #expect(kernel.frameUnmap(address: 0x51_0000).error == .badAddress, "its page")
    #expect(kernel.frameUnmap(address: AddressMap.environmentPage).error == .badAddress, "the other's page")
    world.run(parent)
    #expect(world.entry(0x50_8000).map { $0 >> 12 & 0xf_ffff } == UInt64(mine))
    world.run(0)
    var order: [(UInt32, UInt64)] = [(parent, 5), (friend, 6)]
    if !ownerFirst { order.reverse() }
    let free = kernel.header.value.freeFrames
    for (index, slot) in order {
      _ = try kernel.environmentDestroy(slot: slot, environment: world.handle(index))
      Audit.check(world, "after the end of \(index)")
      world.reapAll()
      Audit.check(world, "after \(index) was taken back")
    }
    #expect(kernel.header.value.freeFrames > free)
    #expect(kernel.kernelPrivate.value.reaping == 0 && kernel.kernelPrivate.value.sharing == 0)
    #expect(kernel.environments[parent].state == EnvironmentState.free.rawValue)
    #expect(kernel.environments[friend].state == EnvironmentState.free.rawValue)
    #expect(kernel.environments[0].quota(.environments).used == 0)
  }

  @Test(
    "a destroyed environment ends where it runs, also where it has given its processor up meanwhile",
    arguments: [true, false])
  func destroyedElsewhere(sleeps: Bool) throws {
    let world = World(programs: 2, processors: 2)
    let kernel = world.kernel
    world.run(0)
    world.machine.processor = 0
    let there = kernel.slices[64].ownerPlusOne != 0 ? kernel.slices[64].ownerPlusOne - 1 : 1
    let here: UInt32 = 1 - there
    world.run(there)
    #expect(world.machine.processor == 1)
    world.machine.processor = 0
    kernel.capabilities[here * 16 + 9] = Capability(name: 0, length: 0, rights: .all)
    kernel.enter(Turn(position: 0, environment: here))
    let handle = world.handle(there)
    #expect(try !kernel.environmentDestroy(slot: 9, environment: handle))
    #expect(world.machine.interrupts.contains(1))
    #expect(kernel.environments[there].state == EnvironmentState.runnable.rawValue)
    world.machine.processor = 1
    if sleeps { #expect(world.sleep(events: 0, deadline: 0)) }
    _ = kernel.doChores()
    #expect(kernel.environments[there].state == EnvironmentState.ended.rawValue)
    #expect(kernel.current == BooksLayout.noEnvironment && kernel.kernelPrivate.value.destroyed == 0)
    world.reapAll()
    Audit.check(world)
  }

  @Test("a guard is changed by who dominates the old one and the new one")
  func guards() throws {
    let world = World()
    world.run(0)
    let child = try world.spawn()
    let name = CapabilityName.environment(0, generation: 1)
    func change(_ slot: UInt64, _ name: UInt64, _ length: UInt64) -> CallError? {
      world.kernel.environmentGuard(slot: slot, environment: world.handle(child), name: name, length: length).error
    }
    #expect(change(0, name, 5) == .notPermitted)
    #expect(change(5, name, 5) == .notPermitted)
    #expect(change(3, name, 9) == .badArgument)
    #expect(change(9, name, 5) == .noSuchCapability)
    #expect(change(3, name, 5) == nil)
    #expect(change(0, name, 5) == nil)
    #expect(try !world.kernel.environmentDestroy(slot: 0, environment: world.handle(child)))
  }
}
