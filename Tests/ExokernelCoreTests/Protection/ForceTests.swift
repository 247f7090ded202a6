import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Taking by force: nobody gets out of the way")
struct ForceTests {
  /// A child of environment 0's that runs and has refused to give what it is asked for.
  private func victim(memory: Int = 16 << 20, disk: FakeDisk? = nil, frames: UInt32 = 700) throws -> (World, UInt32) {
    let world = World(memory: memory, disk: disk, network: FakeNetwork())
    world.run(0)
    let child = try world.spawn(quotas: [frames, 8, 4, 4, 2, 4])
    world.kernel.capabilities[child * 16 + 1] = world.kernel.capabilities[1]
    world.kernel.capabilities[child * 16 + 2] = world.kernel.capabilities[2]
    world.run(child)
    return (world, child)
  }

  private func ask(_ world: World, _ child: UInt32, _ count: UInt64) throws {
    world.run(0)
    _ = try world.kernel.revoke(
      slot: 5, environment: world.handle(child), kind: ResourceKind.frames.rawValue, count: count, deadline: 1
    ).value()
    world.machine.now += 10
    world.run(child)
  }

  /// The kernel takes exactly `count` frames within the bound.
  private func expectTaken(_ world: World, _ child: UInt32, _ count: UInt32, _ act: () throws -> Void = {}) throws {
    let before = world.kernel.environments[child].frames
    let repossessions = world.kernel.header.value.counters.repossessions
    let bound = world.bound(child)
    try ask(world, child, UInt64(count))
    let chores = try world.chores(child, limit: bound) {
      Audit.check(world)
      try act()
    }
    #expect(chores != nil, "within \(bound) chores")
    #expect(world.kernel.header.value.counters.repossessions - repossessions == UInt64(count))
    #expect(world.kernel.environments[child].frames == before - count)
    Audit.check(world)
  }

  private func allTables(_ world: World, _ addresses: [UInt64]) {
    for level: UInt64 in [3, 2, 1] {
      for address in addresses {
        _ = world.kernel.tableInstall(slot: 0, frame: CallNumber.any, address: address, level: level)
      }
    }
  }

  @Test("who moves its mappings is robbed like everybody else")
  func dodge() throws {
    let (world, child) = try victim()
    let (low, high): (UInt64, UInt64) = (0x5000_0000, 0x5fff_0000_0000)
    allTables(world, [low, high])
    var frames: [UInt32] = []
    for index in 0..<32 as Range<UInt64> { frames.append(try world.allocateMapped(at: low + index * 4096)) }
    var isLow = true
    try expectTaken(world, child, 16) {
      world.run(child)
      let (from, to) = isLow ? (low, high) : (high, low)
      for index in 0..<32 as Range<UInt64> {
        _ = world.kernel.frameUnmap(address: from + index * 4096)
        _ = world.kernel.frameMap(slot: 0, frame: UInt64(frames[Int(index)]), address: to + index * 4096, rights: 3)
      }
      isLow.toggle()
    }
  }

  @Test("who frees and allocates is robbed of no less, and gets nothing while the kernel chooses")
  func swapper() throws {
    let (world, child) = try victim()
    for _ in 0..<100 { _ = try world.allocate() }
    let memory = world.memory(child)
    var wasRefused = false
    let before = world.kernel.header.value.counters.repossessions
    try ask(world, child, 40)
    let chores = world.chores(child, limit: world.bound(child)) {
      var frame = world.kernel.environments[child].firstFrame
      while frame != 0, world.kernel.frames[frame].kind != FrameKind.memory.rawValue {
        frame = world.kernel.frames[frame].next
      }
      if world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == nil {
        wasRefused = world.kernel.frameAllocate(slot: 0, frame: UInt64(frame)).error == .again || wasRefused
      }
      Audit.check(world)
    }
    let taken = Int(world.kernel.header.value.counters.repossessions - before)
    #expect(chores != nil && taken > 0 && taken <= 40)
    #expect(wasRefused && world.memory(child) <= memory - taken)
    #expect(world.kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == nil, "afterwards as before")
  }

  @Test("frames that others have mapped are taken, and they are told and fault")
  func mappedByOthers() throws {
    let (world, child) = try victim()
    allTables(world, [0x5000_0000])
    var frames: [UInt32] = []
    for index in 0..<4 as Range<UInt64> { frames.append(try world.allocateMapped(at: 0x5000_0000 + index * 4096)) }
    world.run(0)
    for (index, frame) in frames.enumerated() {
      _ = try world.kernel.frameMap(slot: 5, frame: UInt64(frame), address: 0x50_0000 + UInt64(index) * 4096, rights: 1)
        .value()
      world.machine.touch(0x50_0000 + UInt64(index) * 4096)
    }
    world.run(child)
    let events = world.page(0).events
    try expectTaken(world, child, 4) {
      // Who maps it once more does not get it.
      world.run(0)
      for frame in frames {
        _ = world.kernel.frameMap(slot: 5, frame: UInt64(frame), address: 0x51_0000, rights: 1)
        _ = world.kernel.frameUnmap(address: 0x51_0000)
      }
    }
    #expect(world.page(0).events >= events + 4)
    #expect(Set(world.told(0).map(\.resource)) == Set(frames.map(UInt64.init)))
    #expect(Set(world.told(0).map(\.address)) == Set((0..<4).map { 0x50_0000 + $0 * 4096 }))
    world.run(0)
    for page in 0..<4 as Range<UInt64> { #expect(world.entry(0x50_0000 + page * 4096) == nil) }
  }

  @Test("pins of regions, filters and readers' predicates are dropped, and everybody is told")
  func pinned() throws {
    let (world, child) = try victim()
    let kernel = world.kernel
    let ring = try world.bindFilter(slots: 2)
    let name = kernel.capabilities[child * 16].name
    let (shared, read) = (try world.allocate(), try world.allocate())
    let region = try kernel.regionBind(slot: 0, frame: UInt64(shared), offset: 0, count: 8, name: name, length: 5)
      .value()
    kernel.capabilities[16 + 7] = kernel.capabilities[5]
    world.run(1)
    let program = try world.allocate()
    let word = Comparison(.frame, place: UInt64(read) << 12, low: 1, high: 1, capability: 7)
    world.machine.put(UInt64(program) << 12, word)
    #expect(kernel.predicateBind(slot: 0, frame: UInt64(program), offset: 0, count: 1).error == nil)
    #expect(world.sleepUntil())
    #expect(kernel.frames[read].pins == 1)
    try expectTaken(world, child, UInt32(world.memory(child)))
    #expect(world.memory(child) == 0)
    let told = world.told(child)
    #expect(told.contains { $0.resource == region && $0.address == Repossession.region })
    #expect(told.contains { $0.resource == ring.filter && $0.address == Repossession.ring })
    #expect(world.told(1).contains { $0.resource == UInt64(read) && $0.address == Repossession.predicate })
    #expect(kernel.environments[1].state == EnvironmentState.runnable.rawValue, "who waited goes on")
    #expect(world.page(1).matchedTerm == 0 && kernel.predicates[1].count == 0)
  }

  @Test("a large frame is broken, and exactly what was asked for is taken of it", arguments: [false, true])
  func large(isShared: Bool) throws {
    let (world, child) = try victim()
    let kernel = world.kernel
    let large = try kernel.largeAllocate(slot: 0).value()
    let address = AddressMap.largePages
    for level: UInt64 in [3, 2] {
      _ = try kernel.tableInstall(slot: 0, frame: CallNumber.any, address: address, level: level).value()
    }
    _ = try kernel.largeMap(slot: 0, frame: large, address: address, rights: 3).value()
    if isShared {
      world.run(0)
      for level: UInt64 in [3, 2] {
        _ = try kernel.tableInstall(slot: 0, frame: CallNumber.any, address: address, level: level).value()
      }
      _ = try kernel.largeMap(slot: 5, frame: large, address: address, rights: 1).value()
      world.run(child)
    }
    let rest = world.memory(child) - 512
    try expectTaken(world, child, UInt32(rest) + 5)
    #expect(world.memory(child) == 507)
    #expect(world.told(child).contains { $0.resource == large && $0.address == address })
    if isShared { #expect(world.told(0).contains { $0.resource == large && $0.address == address }) }
    #expect(kernel.largeUnmap(address: address).error == .noSuchResource)
  }

  @Test("what is hidden as page tables is taken, with what they map")
  func hiddenAsTables() throws {
    let (world, child) = try victim()
    let kernel = world.kernel
    allTables(world, [0x10_0000_0000])
    for page in 0..<10 as Range<UInt64> {
      let frame = try world.allocate()
      let address = 0x10_0000_0000 + (page + 1) << 21
      _ = try kernel.tableInstall(slot: 0, frame: UInt64(frame), address: address, level: 1).value()
    }
    world.run(0)
    let mine = try world.allocate(slot: CapabilitySlot.disks)
    world.run(child)
    let result = kernel.frameMap(
      slot: CapabilitySlot.disks, frame: UInt64(mine), address: 0x10_0000_0000 + 1 << 21, rights: 3)
    #expect(result.error == nil)
    let memory = UInt32(world.memory(child))
    // Two more tables than the ten, those above them, go, too.
    try expectTaken(world, child, memory + 12)
    #expect(world.told(child).contains { $0.resource == UInt64(mine) && $0.address == 0x10_0000_0000 + 1 << 21 })
    #expect(kernel.frames[mine].references == 0 && world.entry(AddressMap.environmentPage) != nil)
  }

  @Test("a frame in a device's request is taken when the request ends")
  func inFlight() throws {
    let disk = FakeDisk(blocks: 64)
    let (world, child) = try victim(disk: disk)
    let kernel = world.kernel
    let (first, second) = (try world.allocate(), try world.allocate())
    let extent = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 64, rights: 1).value()
    _ = try kernel.blockSubmit(extent: extent, block: 0, frame: UInt64(first), operation: 8, tag: 0).value()
    #expect(world.send(child, [SendPiece(frame: second, offset: 0, length: 60)]).error == nil)
    let memory = UInt64(world.memory(child))
    let before = kernel.header.value.counters.repossessions
    try ask(world, child, memory)
    for _ in 0..<200 {
      _ = kernel.doChores()
      Audit.check(world)
    }
    #expect(kernel.header.value.counters.repossessions - before == memory - 2)
    #expect(kernel.frames[first].kind == FrameKind.revoked.rawValue)
    // Nothing new is begun with them.
    #expect(kernel.blockSubmit(extent: extent, block: 0, frame: UInt64(first), operation: 8, tag: 0).error != nil)
    #expect(world.send(child, [SendPiece(frame: second, offset: 0, length: 60)]).error != nil)
    _ = world.network!.sendAll()
    for _ in 0..<4 { _ = kernel.doChores() }
    #expect(kernel.header.value.counters.repossessions - before == memory - 1)
    disk.serve()
    kernel.deviceInterrupt(UInt64(disk.interrupt))
    let end = world.chores(child, limit: 4) {}
    #expect(end != nil)
    #expect(kernel.header.value.counters.repossessions - before == memory)
    Audit.check(world)
  }

  @Test("a child's quota that comes back is no frame that was given")
  func quotaTrick() throws {
    let (world, child) = try victim()
    for _ in 0..<20 { _ = try world.allocate() }
    let handle = try world.create(quotas: [60, 0, 0, 0, 0, 0], into: 6).value()
    let memory = world.memory(child)
    let before = world.kernel.header.value.counters.repossessions
    try ask(world, child, 10)
    _ = try world.kernel.environmentDestroy(slot: 6, environment: handle)
    let chores = world.chores(child, limit: world.bound(child)) {}
    #expect(chores != nil)
    #expect(world.kernel.header.value.counters.repossessions - before == 10)
    #expect(world.memory(child) == memory - 10)
    Audit.check(world)
  }
}
