import RandomFixtures
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Capabilities")
struct CapabilityTests {
  static let all: Rights = .read | .write | .execute | .allocate

  @Test("a name dominates exactly the names that it is a prefix of")
  func prefix() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<20_000 {
      let length = UInt32.random(in: 0...8, using: &generator)
      let guardLength = UInt32.random(in: 0...8, using: &generator)
      // Two letters only, so that prefixes happen.
      var name: UInt64 = 0
      var guardName: UInt64 = 0
      for index in 0..<UInt64(8) {
        if index < length { name |= UInt64.random(in: 0...1, using: &generator) << (56 - index * 8) }
        if index < guardLength { guardName |= UInt64.random(in: 0...1, using: &generator) << (56 - index * 8) }
      }
      let capability = Capability(name: name, length: length, rights: Self.all)
      let bytes = (0..<length).map { name >> UInt64(56 - $0 * 8) & 0xff }
      let guardBytes = (0..<guardLength).map { guardName >> UInt64(56 - $0 * 8) & 0xff }
      #expect(
        capability.allows(.read, guardName: Capability(name: guardName, length: guardLength, rights: .none).guardName)
          == guardBytes.starts(with: bytes))
    }
  }

  @Test("every right asked for must be held")
  func rights() {
    for held in UInt32(0)..<16 {
      for needed in UInt32(0)..<16 {
        let capability = Capability(name: 0, length: 0, rights: Rights(rawValue: held))
        let allowed = capability.allows(Rights(rawValue: needed), guardName: 0x05ff_ffff_ffff_ffff)
        #expect(allowed == (held & needed == needed))
      }
    }
  }

  @Test("bytes of a name beyond its length do not count, and lengths beyond eight are eight")
  func normalised() {
    let capability = Capability(name: 0xfefe_fefe_fefe_fefe, length: 2, rights: .read)
    #expect(capability.name == 0xfefe << 48)
    #expect(capability.guardName == 0xfefe_ffff_ffff_ffff)
    #expect(capability.allows(.read, guardName: 0xfefe_ffff_ffff_ffff))
    #expect(
      !capability.allows(.read, guardName: 0xfeff_ffff_ffff_ffff), "a shorter name is no descendant")
    #expect(Capability(name: 1, length: 200, rights: .read).length == 8)
  }

  @Test("an empty slot and a slot out of range present nothing", arguments: [3, 15, 16, 17, 1 << 32, UInt64.max])
  func slots(slot: UInt64) throws {
    let world = World(disk: FakeDisk(blocks: 8), network: FakeNetwork())
    world.run(1)
    let frame = UInt64(try world.allocate())
    let kernel = world.kernel
    #expect(kernel.frameAllocate(slot: slot, frame: CallNumber.any).error == .noSuchCapability)
    #expect(kernel.frameFree(slot: slot, frame: frame).error == .noSuchCapability)
    #expect(kernel.frameMap(slot: slot, frame: frame, address: 0x50_0000, rights: 1).error == .noSuchCapability)
    #expect(kernel.tableInstall(slot: slot, frame: frame, address: 0xc000_0000, level: 2).error == .noSuchCapability)
    #expect(kernel.framesAllocateMapped(slot: slot, address: 0x50_0000, count: 1).error == .noSuchCapability)
    #expect(kernel.extentBind(slot: slot, disk: 0, first: 0, count: 1, rights: 1).error == .noSuchCapability)
    #expect(kernel.filterBind(slot: slot, code: frame, count: 2, ring: frame, slots: 2).error == .noSuchCapability)
    #expect(kernel.packetSend(slot: slot, interface: 0).error == .noSuchCapability)
    #expect(kernel.sliceAllocate(slot: slot, position: CallNumber.any).error == .noSuchCapability)
  }

  @Test("a capability of another kind opens nothing")
  func wrongKind() throws {
    let world = World(disk: FakeDisk(blocks: 8), network: FakeNetwork())
    world.run(0)
    let frame = UInt64(try world.allocate())
    let kernel = world.kernel
    #expect(kernel.extentBind(slot: 0, disk: 0, first: 0, count: 1, rights: 1).error == .notPermitted)
    #expect(kernel.packetSend(slot: 1, interface: 0).error == .notPermitted)
    #expect(kernel.filterBind(slot: 0, code: frame, count: 2, ring: frame, slots: 2).error == .notPermitted)
    let position = try kernel.sliceAllocate(slot: 1, position: CallNumber.any).value()
    #expect(kernel.sliceFree(slot: 0, position: position).error == .notPermitted, "taken under another name")
    #expect(kernel.sliceFree(slot: 1, position: position).error == nil)
    #expect(kernel.frameMap(slot: 1, frame: frame, address: 0x50_0000, rights: 1).error == .notPermitted)
  }

  @Test("lesser rights give lesser mappings")
  func lesserRights() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    let name = CapabilityName.name(CapabilityName.environment, 0)
    world.kernel.capabilities[5] = Capability(name: name, length: 2, rights: .read)
    #expect(world.kernel.frameMap(slot: 5, frame: frame, address: 0x50_0000, rights: 1).error == nil)
    #expect(world.kernel.frameMap(slot: 5, frame: frame, address: 0x50_1000, rights: 2).error == .notPermitted)
    #expect(world.kernel.frameMap(slot: 5, frame: frame, address: 0x50_1000, rights: 4).error == .notPermitted)
    #expect(world.kernel.frameAllocate(slot: 5, frame: CallNumber.any).error == .notPermitted)
    #expect(world.kernel.tableInstall(slot: 5, frame: frame, address: 0xc000_0000, level: 2).error == .notPermitted)
    world.kernel.capabilities[6] = Capability(name: name, length: 2, rights: .write)
    #expect(world.kernel.frameMap(slot: 6, frame: frame, address: 0x50_1000, rights: 0).error == .notPermitted)
  }
}
