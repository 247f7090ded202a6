import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Frames that two environments map")
struct SharingTests {
  /// Environment 0 owns a frame under a name that both dominate, environment 1 maps it at 0x500000.
  private func shared() throws -> (World, UInt32) {
    let world = World(programs: 3)
    world.run(0)
    let frame = try world.allocate(slot: CapabilitySlot.disks)
    _ = try world.kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 3)
      .value()
    world.run(1)
    _ = try world.kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 3)
      .value()
    Audit.check(world)
    return (world, frame)
  }

  @Test("a shared frame stays out of other hands after its owner's end, until whoever maps it has lost it and is told")
  func ownerEnds() throws {
    let (world, frame) = try shared()
    world.run(0)
    world.kernel.end(0, status: 0)
    while world.kernel.reap(limit: 16) {}
    Audit.check(world)
    #expect(world.kernel.frames[frame].kind == FrameKind.revoked.rawValue)
    #expect(world.kernel.frames[frame].references == 1)
    #expect(world.kernel.environments[0].frames == 1)
    world.run(2)
    #expect(world.kernel.frameAllocate(slot: 0, frame: UInt64(frame)).error == .busy)
    let again = world.kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 1)
    #expect(again.error == .revoked)
    world.run(1)
    world.machine.touch(0x50_0000)
    world.reapAll()
    Audit.check(world)
    #expect(world.entry(0x50_0000) == nil)
    let told: Repossession = world.machine.get(world.pageAddress(1) + EnvironmentPage.repossessionOffset)
    #expect(world.page(1).repossessed == 1 && world.page(1).events == 1)
    #expect(told.resource == UInt64(frame) && told.address == 0x50_0000)
    #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
    #expect(world.kernel.frames[frame].kind == 0)
  }

  @Test("a mapping ends with the environment that made it")
  func mapperEnds() throws {
    let (world, frame) = try shared()
    world.kernel.end(1, status: 0)
    world.reapAll()
    Audit.check(world)
    #expect(world.kernel.frames[frame].references == 1)
    world.run(0)
    #expect(world.kernel.frameUnmap(address: 0x50_0000).error == nil)
    #expect(world.kernel.frameFree(slot: CapabilitySlot.disks, frame: UInt64(frame)).error == nil)
    Audit.check(world)
  }

  @Test("both end, in either order, and everything goes back", arguments: [[0, 1], [1, 0]])
  func bothEnd(order: [UInt32]) throws {
    let (world, _) = try shared()
    for environment in order { world.kernel.end(environment, status: 0) }
    world.reapAll()
    Audit.check(world)
    #expect(world.kernel.kernelPrivate.value.reaping == 0)
    #expect(world.kernel.kernelPrivate.value.sharing == 0)
  }

  @Test("frames of an ended environment get no new mappings")
  func noNewMappings() throws {
    let (world, frame) = try shared()
    world.kernel.end(0, status: 0)
    world.run(2)
    let error = world.kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 1)
      .error
    #expect(error == .noSuchResource)
  }

  @Test("a frame may be freed under the reaper's hands")
  func freedMeanwhile() throws {
    let world = World(programs: 3)
    world.run(0)
    var frames: [UInt32] = []
    for _ in 0..<40 { frames.append(try world.allocate(slot: CapabilitySlot.disks)) }
    _ = try world.allocate()
    world.run(1)
    _ = try world.kernel.frameMap(
      slot: CapabilitySlot.disks, frame: UInt64(frames[20]), address: 0x50_0000, rights: 3
    ).value()
    world.kernel.end(0, status: 0)
    while world.kernel.kernelPrivate.value.unmapped == 0 { _ = world.kernel.reap(limit: 1) }
    for frame in frames.reversed() where frame != frames[20] && world.kernel.frames[frame].kind != 0 {
      world.run(1)
      #expect(world.kernel.frameFree(slot: CapabilitySlot.disks, frame: UInt64(frame)).error == nil)
      // Its new owner is somebody else.
      world.run(2)
      _ = try world.allocate(UInt64(frame))
      _ = world.kernel.reap(limit: 1)
      Audit.check(world)
    }
    #expect(world.kernel.environments[2].state == EnvironmentState.runnable.rawValue)
    world.reapAll()
    Audit.check(world)
  }
}
