import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Frames")
struct FrameTests {
  @Test("an allocated frame is its environment's, guarded by the capability presented")
  func allocate() throws {
    let world = World()
    world.run(1)
    let before = world.kernel.header.value.freeFrames
    let frame = try world.allocate()
    let record = world.kernel.frames[frame]
    #expect(record.owner == 1 && record.kind == FrameKind.memory.rawValue && record.references == 0)
    #expect(record.guardName == CapabilityName.environment(1, generation: 1) | 0xff_ffff)
    #expect(world.kernel.environments[1].firstFrame == frame)
    #expect(world.kernel.header.value.freeFrames == before - 1)
    Audit.check(world)
  }

  @Test("a free frame is had by its number, at the frontier, above it and from the free list")
  func named() throws {
    let world = World()
    world.run(0)
    let frontier = world.kernel.header.value.frontier
    for number in [frontier + 5, frontier, frontier + 1, frontier + 3] {
      #expect(try world.allocate(UInt64(number)) == number)
      Audit.check(world)
    }
    #expect(world.kernel.frameAllocate(slot: 0, frame: UInt64(frontier)).error == .busy)
    for number in [frontier, frontier + 5, frontier + 1] {
      #expect(world.kernel.frameFree(slot: 0, frame: UInt64(number)).error == nil)
    }
    Audit.check(world)
    #expect(try world.allocate(UInt64(frontier) + 5) == frontier + 5)
    Audit.check(world)
    // The frontier steps over what was taken by name.
    #expect(try world.allocate() == frontier + 2)
    #expect(try world.allocate() == frontier + 4)
    #expect(try world.allocate() == frontier + 6)
    Audit.check(world)
  }

  @Test("the kernel's frames, the boot archive's and frames beyond memory are nobody's to allocate")
  func outside() {
    let world = World()
    world.run(0)
    let header = world.kernel.header.value
    #expect(world.kernel.frameAllocate(slot: 0, frame: 0).error == .busy)
    #expect(world.kernel.frameAllocate(slot: 0, frame: UInt64(header.firstFrame) - 1).error == .busy)
    #expect(world.kernel.frameAllocate(slot: 0, frame: UInt64(header.frameCount)).error == .noSuchResource)
    #expect(world.kernel.frameAllocate(slot: 0, frame: .max).error == .noSuchResource)
    #expect(world.kernel.frameAllocate(slot: 0, frame: 1 << 32 | UInt64(header.frontier)).error == .noSuchResource)
  }

  @Test("a frame is freed once")
  func doubleFree() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == nil)
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == .noSuchResource)
    Audit.check(world)
  }

  @Test("a frame of another environment, of the kernel's, or beyond memory cannot be freed")
  func foreignFree() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocate())
    world.run(1)
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == .notPermitted)
    #expect(world.kernel.frameFree(slot: 0, frame: 1).error == .noSuchResource)
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(world.kernel.header.value.frontier)).error == .noSuchResource)
    #expect(world.kernel.frameFree(slot: 0, frame: .max).error == .noSuchResource)
    #expect(world.kernel.frameFree(slot: 9, frame: frame).error == .noSuchCapability)
    Audit.check(world)
  }

  @Test("a mapped frame cannot be freed")
  func mappedFree() throws {
    let world = World()
    world.run(0)
    let frame = UInt64(try world.allocateMapped(at: 0x50_0000))
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == .busy)
    #expect(world.kernel.frameUnmap(address: 0x50_0000).error == nil)
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == nil)
    Audit.check(world)
  }

  @Test("an environment page and a page table cannot be freed")
  func specialFree() {
    let world = World()
    world.run(0)
    let record = world.kernel.environments[0]
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(record.environmentPage)).error == .noSuchResource)
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(record.rootTable)).error == .noSuchResource)
  }

  @Test("the quota bounds what an environment owns")
  func quota() throws {
    let world = World()
    world.run(0)
    world.kernel.environments[0].quotas[.frames].limit = world.kernel.environments[0].frames + 2
    _ = try world.allocate()
    _ = try world.allocate()
    #expect(world.kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == .exhausted)
    #expect(world.kernel.framesAllocateMapped(slot: 0, address: 0x50_0000, count: 1).error == .exhausted)
  }

  @Test("memory can be allocated to the last frame, and again after it was freed")
  func exhaustion() throws {
    let world = World(programs: 1, memory: 4 << 20)
    world.run(0)
    var all: [UInt64] = []
    while case let result = world.kernel.frameAllocate(slot: 0, frame: CallNumber.any), result.error == nil {
      all.append(result.number)
    }
    #expect(world.kernel.header.value.freeFrames == 0)
    #expect(world.kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == .exhausted)
    Audit.check(world)
    for frame in all { #expect(world.kernel.frameFree(slot: 0, frame: frame).error == nil) }
    #expect(world.kernel.header.value.freeFrames == UInt32(all.count))
    for _ in all { _ = try world.allocate() }
    Audit.check(world)
  }

  @Test("frames taken by name above the frontier never hide the free ones behind them")
  func holes() throws {
    let world = World(programs: 1, memory: 4 << 20)
    world.run(0)
    let header = world.kernel.header.value
    // All but the last twenty, in an order that leaves the frontier where it is.
    for frame in (header.frontier + 1..<header.frameCount - 20).reversed() { _ = try world.allocate(UInt64(frame)) }
    var found = 0
    var attempts = 0
    while world.kernel.header.value.freeFrames != 0, attempts < 100 {
      attempts += 1
      let result = world.kernel.frameAllocate(slot: 0, frame: CallNumber.any)
      if result.error == nil { found += 1 } else { #expect(result.error == .again) }
    }
    #expect(found == 21)
    #expect(world.kernel.frameAllocate(slot: 0, frame: CallNumber.any).error == .exhausted)
    Audit.check(world)
  }

  @Test("a frame that may hold data is cleared before it has a new owner, a fresh one is not")
  func clearing() throws {
    let world = World()
    world.run(0)
    let frame = try world.allocateMapped(at: 0x50_0000)
    #expect(world.machine.cleared.isEmpty)
    world.machine.put(UInt64(frame) << 12 + 80, UInt64.max)
    _ = world.kernel.frameUnmap(address: 0x50_0000)
    _ = world.kernel.frameFree(slot: 0, frame: UInt64(frame))
    world.run(1)
    #expect(try world.allocate(UInt64(frame)) == frame)
    #expect(world.machine.cleared == [UInt64(frame) << 12])
    #expect(world.machine.isZero(frame: frame))
  }

  @Test("a batch maps fresh zeroed frames at consecutive pages")
  func batch() throws {
    let world = World()
    world.run(0)
    #expect(world.kernel.framesAllocateMapped(slot: 0, address: 0x50_0000, count: 64).number == 64)
    for page in 0..<UInt64(64) {
      let entry = try #require(world.entry(0x50_0000 + page * 4096))
      #expect(entry & 7 == 7 && entry >> 63 == 1)
      #expect(world.machine.isZero(frame: UInt32(entry >> 12 & 0xf_ffff)))
    }
    Audit.check(world)
  }

  @Test("a batch refuses bad counts, addresses, missing tables and taken pages, and changes nothing")
  func badBatch() throws {
    let world = World()
    world.run(0)
    let kernel = world.kernel
    let frames = kernel.environments[0].frames
    func attempt(_ address: UInt64, _ count: UInt64, slot: UInt64 = 0) -> CallError? {
      kernel.framesAllocateMapped(slot: slot, address: address, count: count).error
    }
    #expect(attempt(0x50_0000, 0) == .badArgument)
    #expect(attempt(0x50_0000, 65) == .badArgument)
    #expect(attempt(0x50_0000, .max) == .badArgument)
    #expect(attempt(0x50_0001, 1) == .badAddress)
    #expect(attempt(AddressMap.userEnd, 1) == .badAddress)
    #expect(attempt(0xffff_ffff_8020_0000, 1) == .badAddress)
    #expect(attempt(0x5f_f000, 2) == .badArgument, "past the end of the table")
    #expect(attempt(0x5f_f000, 1) == .busy, "the environment page")
    #expect(attempt(0x5f_0000, 16) == .busy)
    #expect(attempt(0x80_0000, 1) == .noPageTable)
    #expect(attempt(0x1234_5678_9000, 1) == .noPageTable)
    #expect(attempt(0x50_0000, 1, slot: 7) == .noSuchCapability)
    #expect(attempt(0x50_0000, 1, slot: .max) == .noSuchCapability)
    #expect(kernel.environments[0].frames == frames)
    Audit.check(world)
  }
}
