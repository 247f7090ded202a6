import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Page tables")
struct PageTableTests {
  /// Addresses that no environment may map.
  static let badAddresses: [UInt64] = [
    1, 0xfff, 0x50_0001, AddressMap.largePages, AddressMap.userEnd, AddressMap.gatePage, AddressMap.books,
    AddressMap.frameTable,
    AddressMap.selfMap,
    0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_7fff_ffff_f000, AddressMap.directMap, 0xffff_ffff_8000_0000, ~0xfff,
    .max,
  ]

  @Test("a mapping has the rights asked for and is counted")
  func map() throws {
    let world = World()
    world.run(0)
    let frame = try world.allocate()
    let expected: [(UInt64, UInt64)] = [
      (0, 1 << 63 | 5), (1, 1 << 63 | 5), (2, 1 << 63 | 7), (3, 1 << 63 | 7), (4, 5), (7, 7),
    ]
    for (index, (rights, bits)) in expected.enumerated() {
      let address = 0x50_0000 + UInt64(index) * 4096
      #expect(world.kernel.frameMap(slot: 0, frame: UInt64(frame), address: address, rights: rights).error == nil)
      #expect(world.entry(address) == UInt64(frame) << 12 | bits)
    }
    #expect(world.kernel.frames[frame].references == 6)
    #expect(world.kernel.frames[frame].dirty == 1)
    Audit.check(world)
  }

  @Test("the kernel's tables for the reserved addresses stay as they are", arguments: [0, 0x20_0000, 0x3fff_f000])
  func reserved(offset: UInt64) throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    let address = AddressMap.reserved + offset
    for level: UInt64 in 1...3 {
      #expect(world.kernel.tableInstall(slot: 0, frame: frame, address: address, level: level).error == .badAddress)
    }
    #expect(world.kernel.frameUnmap(address: address).error == .badAddress)
    #expect(world.kernel.frameMap(slot: 0, frame: frame, address: address, rights: 3).error != nil)
    #expect(world.kernel.framesAllocateMapped(slot: 0, address: address, count: 1).error != nil)
    // Their neighbours are anybody's.
    for neighbour in [AddressMap.reserved - 0x20_0000, AddressMap.reserved + 0x4000_0000] {
      #expect(world.kernel.tableInstall(slot: 0, frame: frame, address: neighbour, level: 1).error == .noPageTable)
    }
    Audit.check(world)
  }

  @Test("rights beyond those that exist are not bits of the entry")
  func strayRights() throws {
    let world = World()
    world.run(0)
    let frame = try world.allocate()
    #expect(world.kernel.frameMap(slot: 0, frame: UInt64(frame), address: 0x50_0000, rights: ~2).error == nil)
    #expect(world.entry(0x50_0000) == UInt64(frame) << 12 | 5)
  }

  @Test("unmapping forgets the translation and the reference", arguments: [1, 3])
  func unmap(times: Int) throws {
    let world = World()
    world.run(0)
    let frame = try world.allocate()
    for index in 0..<UInt64(times) {
      _ = try world.kernel.frameMap(slot: 0, frame: UInt64(frame), address: 0x50_0000 + index * 4096, rights: 1).value()
    }
    for index in 0..<UInt64(times) {
      #expect(world.kernel.frameUnmap(address: 0x50_0000 + index * 4096).error == nil)
      #expect(world.entry(0x50_0000 + index * 4096) == nil)
      #expect(world.machine.invalidated.last == 0x50_0000 + index * 4096)
    }
    #expect(world.kernel.frames[frame].references == 0)
    #expect(world.kernel.frameUnmap(address: 0x50_0000).error == .noSuchResource)
    Audit.check(world)
  }

  @Test("a page of another environment cannot be mapped")
  func foreign() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    world.run(1)
    for slot in 0..<CapabilitySlot.count {
      let error = world.kernel.frameMap(slot: slot, frame: frame, address: 0x50_0000, rights: 1).error
      #expect(error == (slot < 3 ? .notPermitted : .noSuchCapability))
    }
    Audit.check(world)
  }

  @Test("free frames, page tables, environment pages, the kernel's frames and numbers beyond memory cannot be mapped")
  func unmappable() {
    let world = World()
    world.run(0)
    let record = world.kernel.environments[0]
    let header = world.kernel.header.value
    let numbers = [
      UInt64(header.frontier), UInt64(record.rootTable), UInt64(record.environmentPage), 0,
      UInt64(header.firstFrame) - 1,
      UInt64(header.frameCount), 1 << 32, 1 << 52, .max,
    ]
    for number in numbers {
      #expect(world.kernel.frameMap(slot: 0, frame: number, address: 0x50_0000, rights: 1).error == .noSuchResource)
    }
  }

  @Test("no bad address is mapped, unmapped or given a table", arguments: badAddresses)
  func badAddress(address: UInt64) throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    #expect(world.kernel.frameMap(slot: 0, frame: frame, address: address, rights: 1).error == .badAddress)
    #expect(world.kernel.frameUnmap(address: address).error == .badAddress)
    #expect(world.kernel.framesAllocateMapped(slot: 0, address: address, count: 1).error == .badAddress)
    if address >= AddressMap.userEnd {
      for level: UInt64 in 1...3 {
        #expect(world.kernel.tableInstall(slot: 0, frame: frame, address: address, level: level).error == .badAddress)
      }
    }
    Audit.check(world)
  }

  @Test("a page that has a mapping keeps it")
  func taken() throws {
    let world = World()
    world.run(0)
    let first = try world.allocateMapped(at: 0x50_0000)
    let second = try world.allocate()
    #expect(world.kernel.frameMap(slot: 0, frame: UInt64(second), address: 0x50_0000, rights: 1).error == .busy)
    #expect(world.entry(0x50_0000).map { $0 >> 12 & 0xf_ffff } == UInt64(first))
  }

  @Test("the environment page stays mapped where it is")
  func environmentPage() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    #expect(world.kernel.frameUnmap(address: AddressMap.environmentPage).error == .badAddress)
    #expect(world.kernel.frameMap(slot: 0, frame: frame, address: AddressMap.environmentPage, rights: 3).error == .busy)
    for level: UInt64 in 1...3 {
      let error = world.kernel.tableInstall(slot: 0, frame: frame, address: AddressMap.environmentPage, level: level)
        .error
      #expect(error == .busy)
    }
    Audit.check(world)
  }

  @Test("tables are installed from the root down, and then pages can be mapped")
  func install() throws {
    let world = World()
    world.run(0)
    let address: UInt64 = 0x1234_5678_9000
    let frame = try world.allocate()
    #expect(world.kernel.frameMap(slot: 0, frame: UInt64(frame), address: address, rights: 3).error == .noPageTable)
    for level: UInt64 in [1, 2] {
      #expect(
        world.kernel.tableInstall(slot: 0, frame: UInt64(frame), address: address, level: level).error == .noPageTable)
    }
    for level: UInt64 in [3, 2, 1] {
      let table = try world.allocate()
      #expect(world.kernel.tableInstall(slot: 0, frame: UInt64(table), address: address, level: level).error == nil)
      #expect(world.kernel.frames[table].kind == FrameKind.pageTable.rawValue)
      let again = try world.allocate()
      #expect(world.kernel.tableInstall(slot: 0, frame: UInt64(again), address: address, level: level).error == .busy)
    }
    #expect(world.kernel.frameMap(slot: 0, frame: UInt64(frame), address: address, rights: 3).error == nil)
    Audit.check(world)
  }

  @Test("there is no table of level 0, 4 or beyond", arguments: [0, 4, 5, 63, 64, UInt64.max])
  func badLevel(level: UInt64) throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    #expect(world.kernel.tableInstall(slot: 0, frame: frame, address: 0xc000_0000, level: level).error == .badArgument)
  }

  @Test("a page table cannot be mapped, freed, installed again, written by a device or bound to a ring")
  func tableIsNoMemory() throws {
    let world = World(disk: FakeDisk(blocks: 64), network: FakeNetwork())
    world.run(0)
    let table = UInt64(try world.allocate())
    _ = try world.kernel.tableInstall(slot: 0, frame: table, address: 0xc000_0000, level: 2).value()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    #expect(world.kernel.frameMap(slot: 0, frame: table, address: 0x50_0000, rights: 1).error == .noSuchResource)
    #expect(world.kernel.frameFree(slot: 0, frame: table).error == .noSuchResource)
    #expect(world.kernel.tableInstall(slot: 0, frame: table, address: 0xc000_0000, level: 2).error == .noSuchResource)
    #expect(
      world.kernel.blockSubmit(extent: extent, block: 0, frame: table, operation: 8, tag: 0).error == .notPermitted)
    #expect(world.kernel.filterBind(slot: 2, code: table, count: 2, ring: table, slots: 2).error == .notPermitted)
    Audit.check(world)
  }

  @Test("a mapped frame and one in a device's hands cannot become a table")
  func busyTable() throws {
    let world = World(disk: FakeDisk(blocks: 64))
    world.run(0)
    let mapped = UInt64(try world.allocateMapped(at: 0x50_0000))
    #expect(world.kernel.tableInstall(slot: 0, frame: mapped, address: 0xc000_0000, level: 2).error == .busy)
    let pinned = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    _ = try world.kernel.blockSubmit(extent: extent, block: 0, frame: pinned, operation: 8, tag: 0).value()
    #expect(world.kernel.tableInstall(slot: 0, frame: pinned, address: 0xc000_0000, level: 2).error == .busy)
    Audit.check(world)
  }

  @Test("what a frame held is not in the table that it becomes")
  func tableIsCleared() throws {
    let world = World()
    world.run(0)
    let frame = try world.allocateMapped(at: 0x50_0000)
    for index in 0..<UInt64(512) { world.machine.put(UInt64(frame) << 12 + index * 8, UInt64(0x20_0007)) }
    _ = try world.kernel.frameUnmap(address: 0x50_0000).value()
    _ = try world.kernel.tableInstall(slot: 0, frame: UInt64(frame), address: 0xc000_0000, level: 2).value()
    #expect(world.machine.isZero(frame: frame))
    Audit.check(world)
  }

  @Test("pages of the boot archive can be unmapped, and are nobody's")
  func bootPages() throws {
    let world = World()
    world.run(0)
    #expect(world.kernel.frameUnmap(address: 0x40_0000).error == nil)
    _ = try world.allocateMapped(at: 0x40_0000)
    Audit.check(world)
  }
}
