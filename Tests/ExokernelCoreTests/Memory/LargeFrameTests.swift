import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Large frames")
struct LargeFrameTests {
  private func world(_ memory: Int = 8 << 20) -> World {
    let world = World(programs: 1, memory: memory)
    world.run(0)
    return world
  }

  private func tables(_ world: World) {
    for level: UInt64 in [3, 2] {
      let address = AddressMap.largePages
      #expect(world.kernel.tableInstall(slot: 0, frame: CallNumber.any, address: address, level: level).error == nil)
    }
  }

  @Test("512 frames are one: allocated, mapped, unmapped, freed, cleared")
  func life() throws {
    let world = world()
    let kernel = world.kernel
    let free = kernel.header.value.freeFrames
    let frame = try kernel.largeAllocate(slot: 0).value()
    #expect(frame == 1536 && kernel.header.value.freeFrames == free - 512)
    Audit.check(world)
    let address = AddressMap.largePages
    #expect(kernel.largeMap(slot: 0, frame: frame, address: address, rights: 3).error == .noPageTable)
    tables(world)
    #expect(kernel.largeMap(slot: 0, frame: frame, address: address, rights: 3).error == nil)
    #expect(kernel.largeMap(slot: 0, frame: frame, address: address, rights: 3).error == .busy)
    #expect(kernel.largeFree(slot: 0, frame: frame).error == .busy)
    Audit.check(world)
    world.machine.put(frame << 12 + 0x12345, UInt64.max)
    #expect(kernel.largeUnmap(address: address).error == nil)
    #expect(kernel.largeUnmap(address: address).error == .noSuchResource)
    #expect(kernel.largeFree(slot: 0, frame: frame).error == nil)
    Audit.check(world)
    var steps = 1
    while kernel.cleanLarge() {
      steps += 1
      if steps % 100 == 0 { Audit.check(world) }
    }
    #expect(steps == 512)
    Audit.check(world)
    #expect(try kernel.largeAllocate(slot: 0).value() == frame)
    #expect(world.machine.isZero(frame: UInt32(frame) + 0x12))
  }

  @Test("parts of a large frame are nobody's to name")
  func parts() throws {
    let world = world()
    let kernel = world.kernel
    let frame = try kernel.largeAllocate(slot: 0).value()
    for number in [frame, frame + 1, frame + 511] {
      #expect(kernel.frameAllocate(slot: 0, frame: number).error == .busy)
      #expect(kernel.frameFree(slot: 0, frame: number).error == .noSuchResource)
      #expect(kernel.frameMap(slot: 0, frame: number, address: 0x50_0000, rights: 1).error == .noSuchResource)
    }
    #expect(kernel.largeFree(slot: 0, frame: frame + 1).error == .noSuchResource)
    let single = UInt64(try world.allocate())
    #expect(kernel.largeFree(slot: 0, frame: single).error == .noSuchResource)
    #expect(kernel.largeMap(slot: 0, frame: single, address: AddressMap.largePages, rights: 1).error == .noSuchResource)
    #expect(kernel.largeMap(slot: 0, frame: .max, address: AddressMap.largePages, rights: 1).error == .noSuchResource)
    for address in [AddressMap.largePages + 4096, 0x4000_0000, AddressMap.userEnd, .max] {
      #expect(kernel.largeMap(slot: 0, frame: frame, address: address, rights: 1).error == .badAddress)
      #expect(kernel.largeUnmap(address: address).error == .badAddress)
    }
    #expect(
      kernel.largeMap(slot: 9, frame: frame, address: AddressMap.largePages, rights: 1).error == .noSuchCapability)
    #expect(kernel.largeMap(slot: 1, frame: frame, address: AddressMap.largePages, rights: 1).error == .notPermitted)
    #expect(kernel.largeFree(slot: 1, frame: frame).error == .notPermitted)
    #expect(kernel.largeAllocate(slot: 9).error == .noSuchCapability)
    tables(world)
    #expect(
      kernel.tableInstall(slot: 0, frame: CallNumber.any, address: AddressMap.largePages, level: 1).error
        == .badArgument)
    Audit.check(world)
  }

  @Test("the quota counts 512, and memory ends")
  func exhaustion() throws {
    let world = world()
    let kernel = world.kernel
    kernel.environments[0].quotas[.frames].limit = kernel.environments[0].frames + 511
    #expect(kernel.largeAllocate(slot: 0).error == .exhausted)
    kernel.environments[0].quotas[.frames].limit = 4096
    #expect(try (0..<3).map { _ in try kernel.largeAllocate(slot: 0).value() } == [1536, 1024, 512])
    #expect(kernel.largeAllocate(slot: 0).error == .exhausted)
    Audit.check(world)
    #expect(kernel.largeFree(slot: 0, frame: 1024).error == nil)
    #expect(kernel.largeAllocate(slot: 0).error == .again, "not cleared yet")
    _ = kernel.cleanLarge()
    #expect(kernel.largeFree(slot: 0, frame: 512).error == nil)
    Audit.check(world, "a second one while the first is half cleared")
    while kernel.cleanLarge() {}
    Audit.check(world)
    world.kernel.end(0, status: 0)
    world.reapAll()
    while kernel.cleanLarge() {}
    Audit.check(world)
    #expect(kernel.header.value.freeFrames == 2048 - 384)
  }

  @Test("one that came back is cleared in steps between slices, also where the processor is never idle")
  func cleaningByChores() throws {
    let world = world()
    let kernel = world.kernel
    let frame = try kernel.largeAllocate(slot: 0).value()
    #expect(kernel.largeFree(slot: 0, frame: frame).error == nil)
    var steps = 1
    while kernel.doChores() {
      #expect(kernel.kernelPrivate.value.needsChores != 0, "it is not forgotten")
      steps += 1
    }
    #expect(steps == 512)
    #expect(kernel.kernelPrivate.value.needsChores == kernel.kernelPrivate.value.lacksDeadlineTimer)
    #expect(!kernel.hasChores)
    Audit.check(world)
  }

  @Test("where memory ends inside two megabytes, the rest is single frames'")
  func oddEnd() throws {
    let world = world(7 << 20 | 0x5000)
    let kernel = world.kernel
    let last = UInt64(kernel.header.value.frameCount) - 1
    #expect(try UInt64(world.allocate(last)) == last)
    #expect(try kernel.largeAllocate(slot: 0).value() == 1024)
    Audit.check(world)
    #expect(try UInt64(world.allocate(last - 1)) == last - 1, "named, behind the large one")
    #expect(kernel.frameFree(slot: 0, frame: last).error == nil)
    Audit.check(world)
    while kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == nil {}
    #expect(kernel.header.value.freeFrames == 0)
    Audit.check(world)
  }

  @Test("free large frames become single ones where there are no others")
  func divided() throws {
    let world = world()
    let kernel = world.kernel
    for _ in 0..<3 { _ = try kernel.largeAllocate(slot: 0).value() }
    for frame: UInt64 in [512, 1024, 1536] { #expect(kernel.largeFree(slot: 0, frame: frame).error == nil) }
    while kernel.cleanLarge() {}
    let free = kernel.header.value.freeFrames
    var count: UInt32 = 0
    while kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == nil { count += 1 }
    #expect(count == free)
    Audit.check(world)
  }
}
