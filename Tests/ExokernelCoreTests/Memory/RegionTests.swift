import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Regions")
struct RegionTests {
  private let everybody = CapabilityName.disk << 56

  @Test("environments that do not trust each other share bytes, and no byte more")
  func shared() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let frame = try world.allocate()
    kernel.capabilities[7] = Capability(name: 0, length: 0, rights: .all)
    let region = try kernel.regionBind(
      slot: 7, frame: UInt64(frame), offset: 100, count: 50, name: everybody, length: 1
    ).value()
    #expect(kernel.frameFree(slot: 0, frame: UInt64(frame)).error == .busy)
    Audit.check(world)
    world.run(1)
    let buffer = world.pageAddress(1) + EnvironmentPage.regionOffset
    world.machine.put(buffer, bytes: Array(1...50))
    #expect(kernel.regionWrite(slot: 1, region: region, offset: 0, count: 50).number == 50)
    #expect(world.machine.bytes(UInt64(frame) << 12 + 100, count: 50) == Array(1...50))
    #expect(world.machine.bytes(UInt64(frame) << 12, count: 100).allSatisfy { $0 == 0 })
    #expect(world.machine.get(UInt64(frame) << 12 + 150, as: UInt8.self) == 0)
    #expect(kernel.regionRead(slot: 1, region: region, offset: 49, count: 1).number == 1)
    #expect(world.machine.get(buffer, as: UInt8.self) == 50)
    for (offset, count): (UInt64, UInt64) in [
      (0, 51), (50, 1), (49, 2), (.max, 1), (.max - 3, 8), (0, 257), (0, .max), (1 << 63, 1 << 63),
    ] {
      #expect(kernel.regionRead(slot: 1, region: region, offset: offset, count: count).error == .badArgument)
      #expect(kernel.regionWrite(slot: 1, region: region, offset: offset, count: count).error == .badArgument)
    }
    #expect(kernel.regionRead(slot: 0, region: region, offset: 0, count: 1).error == .notPermitted)
    #expect(kernel.regionRead(slot: 9, region: region, offset: 0, count: 1).error == .noSuchCapability)
    for stale in [region + 256, region & 0xff, 0x140, 1 << 40 | region, .max] {
      #expect(kernel.regionRead(slot: 1, region: stale, offset: 0, count: 1).error == .noSuchResource)
    }
    #expect(kernel.regionUnbind(slot: 0, region: region).error == .notPermitted)
    #expect(kernel.regionUnbind(slot: 1, region: region).error == nil, "the right to allocate over its guard")
    #expect(kernel.regionUnbind(slot: 1, region: region).error == .noSuchResource)
    world.run(0)
    #expect(kernel.frameFree(slot: 0, frame: UInt64(frame)).error == nil)
    Audit.check(world)
  }

  @Test("a region is bound inside a frame of one's own, under a name that the capability dominates")
  func refused() throws {
    let world = World()
    let kernel = world.kernel
    world.run(1)
    let foreign = UInt64(try world.allocate())
    world.run(0)
    let own = CapabilityName.environment(0, generation: 1)
    let frame = UInt64(try world.allocate())
    func bind(_ offset: UInt64, _ count: UInt64, slot: UInt64 = 0, frame: UInt64, name: UInt64, length: UInt64 = 5)
      -> CallError?
    {
      kernel.regionBind(slot: slot, frame: frame, offset: offset, count: count, name: name, length: length).error
    }
    for (offset, count): (UInt64, UInt64) in [(0, 0), (0, 4097), (4096, 1), (4095, 2), (0xffff_ffff, 1)] {
      #expect(bind(offset, count, frame: frame, name: own) == .badArgument)
    }
    #expect(bind(0, 8, frame: frame, name: own, length: 9) == .badArgument)
    #expect(bind(0, 8, frame: frame, name: everybody, length: 1) == .notPermitted)
    #expect(bind(0, 8, frame: foreign, name: own) == .notPermitted)
    #expect(bind(0, 8, slot: 3, frame: foreign, name: own) == .notPermitted, "not its own, whatever is presented")
    #expect(bind(0, 8, slot: 9, frame: frame, name: own) == .noSuchCapability)
    #expect(bind(0, 8, frame: .max, name: own) == .noSuchResource)
    #expect(bind(0, 8, frame: UInt64(kernel.environments[0].rootTable), name: own) == .noSuchResource)
    kernel.capabilities[8] = Capability(name: own, length: 5, rights: .read | .allocate)
    #expect(bind(0, 8, slot: 8, frame: frame, name: own) == .notPermitted)
    #expect(bind(4095, 1, frame: frame, name: own) == nil)
    Audit.check(world)
    kernel.end(0, status: 0)
    Audit.check(world, "regions end with their owner")
  }
}
