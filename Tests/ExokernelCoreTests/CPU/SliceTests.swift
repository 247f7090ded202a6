import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Slices")
struct SliceTests {
  /// Lets `ticks` slices end by the timer and tells who ran, in order; everybody yields at the epilogue.
  private func rotation(_ world: World, ticks: Int) -> [UInt32] {
    var order: [UInt32] = []
    for _ in 0..<ticks {
      order.append(world.kernel.current)
      if case .epilogue = world.kernel.sliceEnded(at: 0x40_0000) {
        world.kernel.giveUp(instruction: 0x40_0000, stack: 0)
        guard world.runNext() != nil else { break }
      }
    }
    return order
  }

  private func bindAll(_ world: World) {
    for environment in 0..<UInt32(32) where world.kernel.environments[environment].quota(.slices).used > 0 {
      world.run(environment)
      #expect(world.kernel.upcallBind(fault: 0x40_0000, epilogue: 0x40_0100).error == nil)
    }
    world.run(0)
  }

  @Test("positions run in their order, round and round")
  func rotation() {
    let world = World(programs: 3)
    bindAll(world)
    #expect(rotation(world, ticks: 7) == [0, 1, 2, 0, 1, 2, 0])
  }

  @Test(
    "an environment with more positions runs more, and nobody starves",
    arguments: [[3, 4, 5], [10, 20, 30], [62, 63]])
  func shares(positions: [UInt64]) throws {
    let world = World(programs: 3)
    bindAll(world)
    for position in positions { _ = try world.kernel.sliceAllocate(slot: 0, position: position).value() }
    let order = rotation(world, ticks: (3 + positions.count) * 10)
    #expect(order.filter { $0 == 0 }.count == (1 + positions.count) * 10)
    #expect(order.filter { $0 == 1 }.count == 10)
    #expect(order.filter { $0 == 2 }.count == 10)
    Audit.check(world)
  }

  @Test("an environment that always yields and one that never does run in turn")
  func yielding() {
    let world = World(programs: 2)
    bindAll(world)
    var order: [UInt32] = []
    for _ in 0..<6 {
      order.append(world.kernel.current)
      if world.kernel.current == 1 { _ = world.kernel.sliceEnded(at: 0) }
      world.kernel.giveUp(instruction: 0, stack: 0)
      world.runNext()
    }
    #expect(order == [0, 1, 0, 1, 0, 1])
  }

  @Test("who runs alone runs on")
  func alone() throws {
    let world = World(programs: 1)
    world.run(0)
    try #require(world.kernel.sliceEnded(at: 0) == .goOn)
    #expect(world.machine.timer == world.machine.now + world.kernel.header.value.sliceLength)
    #expect(world.kernel.processor.value.epiloguePending == 0)
  }

  @Test("the epilogue is told where to go on; after too many ticks more the environment is ended")
  func overrun() throws {
    let world = World(programs: 2)
    bindAll(world)
    world.run(0)
    try #require(world.kernel.sliceEnded(at: 0x40_0234) == .epilogue(entry: 0x40_0100))
    #expect(world.page(0).epilogueReturn == 0x40_0234)
    for _ in 1..<Kernel<FakeMachine>.overrunLimit {
      try #require(world.kernel.sliceEnded(at: 0) == .goOn, "ended too early")
    }
    try #require(world.kernel.sliceEnded(at: 0) == .abort)
    #expect(world.kernel.processor.value.overrun == Kernel<FakeMachine>.overrunLimit)
  }

  @Test("an environment without an epilogue is ended as one that overran")
  func noEpilogue() {
    let world = World(programs: 2)
    world.run(0)
    var ticks = 0
    while ticks < 100 {
      ticks += 1
      if world.kernel.sliceEnded(at: 0) == .abort { break }
    }
    #expect(ticks == Int(Kernel<FakeMachine>.overrunLimit) + 1)
  }

  @Test("an environment that names its epilogue after the end of its first slice is told by it all the same")
  func lateEpilogue() throws {
    let world = World(programs: 2)
    world.run(0)
    try #require(world.kernel.sliceEnded(at: 0x40_0000) == .goOn, "no epilogue was named")
    #expect(world.kernel.upcallBind(fault: 0x40_0000, epilogue: 0x40_0100).error == nil)
    #expect(world.kernel.sliceEnded(at: 0x40_0200) == .epilogue(entry: 0x40_0100))
  }

  @Test("an epilogue waits until a page fault has been taken over, for the fault may be the stack's; the limit stays")
  func putOff() throws {
    let world = World(programs: 2)
    bindAll(world)
    for takesOver in [true, false] {
      world.run(0)
      guard case .upcall = world.kernel.pageFault(instruction: 0x40_0200, address: 0x5e_0000, code: 6) else {
        Issue.record("no upcall")
        return
      }
      try #require(world.kernel.sliceEnded(at: 0x40_0000) == .goOn, "an epilogue on a stack that may not be there")
      if takesOver { world.kernel.page(of: 0).value.faultPending = 0 }
      let second = world.kernel.sliceEnded(at: 0x40_0300)
      if takesOver {
        try #require(second == .epilogue(entry: 0x40_0100))
        #expect(world.page(0).epilogueReturn == 0x40_0300)
        world.kernel.giveUp(instruction: 0, stack: 0)
      } else {
        try #require(second == .goOn, "an epilogue on a stack that may not be there")
        let limit = Kernel<FakeMachine>.overrunLimit
        for tick in 2...limit {
          try #require(world.kernel.sliceEnded(at: 0) == (tick == limit ? .abort : .goOn), "tick \(tick)")
        }
      }
    }
  }

  @Test("giving up in time forgives the overrun")
  func forgiven() {
    let world = World(programs: 2)
    bindAll(world)
    for _ in 0..<20 {
      _ = world.kernel.sliceEnded(at: 0)
      _ = world.kernel.sliceEnded(at: 0)
      _ = world.kernel.sliceEnded(at: 0)
      world.kernel.giveUp(instruction: 0, stack: 0)
      world.runNext()
    }
    #expect(world.kernel.header.value.liveEnvironments == 2)
  }

  @Test("a named position is had while it is free; the last one is kept")
  func allocate() throws {
    let world = World(programs: 2)
    world.run(0)
    let kernel = world.kernel
    #expect(try kernel.sliceAllocate(slot: 0, position: 63).value() == 63)
    #expect(try kernel.sliceAllocate(slot: 0, position: CallNumber.any).value() == 2)
    #expect(kernel.sliceAllocate(slot: 0, position: 63).error == .busy)
    #expect(kernel.sliceAllocate(slot: 0, position: 1).error == .busy)
    for position: UInt64 in [64, 65, 1 << 32, .max] {
      #expect(kernel.sliceAllocate(slot: 0, position: position).error == .noSuchResource)
      #expect(kernel.sliceFree(position: position).error == .noSuchResource)
    }
    #expect(kernel.sliceFree(position: 1).error == .notPermitted, "another's")
    #expect(kernel.sliceFree(position: 7).error == .noSuchResource, "nobody's")
    #expect(kernel.sliceFree(position: 0).error == nil)
    #expect(kernel.sliceFree(position: 63).error == nil)
    #expect(kernel.sliceFree(position: 2).error == .busy, "the last")
    Audit.check(world)
    while kernel.sliceAllocate(slot: 0, position: CallNumber.any).error == nil {}
    #expect(kernel.environments[0].quota(.slices).used == 32, "a half was promised to the other program")
    kernel.environments[0].quotas[.slices].limit = 64
    while kernel.sliceAllocate(slot: 0, position: CallNumber.any).error == nil {}
    #expect(kernel.processor.value.slicesTaken == .max)
    #expect(kernel.sliceAllocate(slot: 0, position: CallNumber.any).error == .exhausted)
    #expect(kernel.nextTurn() != nil)
    Audit.check(world)
  }

  @Test("a sleeper does not run until its event count changes")
  func events() {
    let world = World(programs: 1)
    world.run(0)
    #expect(!world.sleep(events: 5, deadline: 0), "an event that came before the call is not lost")
    #expect(world.sleep(events: 0, deadline: 0))
    #expect(world.kernel.nextTurn() == nil)
    world.kernel.page(of: 0).value.events = 1
    #expect(world.runNext() == 0)
    #expect(world.kernel.environments[0].state == EnvironmentState.runnable.rawValue)
  }

  @Test("a sleeper runs when its deadline has come, which the idle timer waits for")
  func deadline() {
    let world = World(programs: 2)
    for (environment, deadline): (UInt32, UInt64) in [(0, 9000), (1, 5000)] {
      world.run(environment)
      #expect(world.sleep(events: 0, deadline: deadline))
    }
    #expect(world.kernel.nextTurn() == nil)
    world.kernel.armForIdle()
    #expect(world.machine.timer == 5000)
    #expect(world.kernel.current == BooksLayout.noEnvironment)
    world.machine.now = 5000
    #expect(world.kernel.nextTurn()?.environment == 1)
    world.machine.now = 9001
    world.kernel.armForIdle()
    #expect(world.machine.timer == 9002, "a deadline that has just passed still interrupts")
  }

  @Test("deadlines at the end of time and none at all do not disturb the idle CPU")
  func farDeadline() {
    let world = World(programs: 2)
    world.run(0)
    #expect(world.sleep(events: 0, deadline: .max))
    world.run(1)
    #expect(world.sleep(events: 0, deadline: 0))
    world.kernel.armForIdle()
    #expect(world.machine.timer == world.machine.now + 1 << 40)
    world.kernel.end(0, status: 0)
    world.kernel.armForIdle()
    #expect(world.machine.timer == 0)
  }

  @Test("entering an environment puts its page table in force, once")
  func activation() {
    let world = World(programs: 2)
    world.run(0)
    world.run(0)
    world.run(1)
    let roots = [0, 1].map { UInt64(world.kernel.environments[$0].rootTable) << 12 }
    #expect(world.machine.activated == roots)
  }
}

@Suite("Upcalls")
struct UpcallTests {
  @Test("entries above what an environment may map are refused", arguments: PageTableTests.badAddresses.suffix(8))
  func entries(address: UInt64) {
    let world = World()
    world.run(0)
    #expect(world.kernel.upcallBind(fault: address, epilogue: 0).error == .badAddress)
    #expect(world.kernel.upcallBind(fault: 0, epilogue: address).error == .badAddress)
    #expect(world.kernel.environments[0].faultEntry == 0 && world.kernel.environments[0].epilogueEntry == 0)
  }

  @Test("a page fault is told with its instruction, address and code")
  func fault() {
    let world = World()
    world.run(0)
    _ = world.kernel.upcallBind(fault: 0x40_0040, epilogue: 0)
    guard case .upcall(let entry) = world.kernel.pageFault(instruction: 0x40_0123, address: 0x77_7000, code: 6) else {
      Issue.record("no upcall")
      return
    }
    #expect(entry == 0x40_0040)
    let page = world.page(0)
    #expect(
      page.faultPending == 1 && page.faultInstruction == 0x40_0123 && page.faultAddress == 0x77_7000
        && page.faultCode == 6)
    #expect(world.kernel.environments[0].faults == 1)
  }

  @Test("a fault before the last one was taken over ends the environment")
  func nested() {
    let world = World()
    world.run(0)
    _ = world.kernel.upcallBind(fault: 0x40_0040, epilogue: 0)
    _ = world.kernel.pageFault(instruction: 1, address: 2, code: 4)
    guard
      case .abort(.nestedPageFault(let address, let code)) = world.kernel.pageFault(instruction: 3, address: 9, code: 6)
    else {
      Issue.record("not ended")
      return
    }
    #expect(address == 9 && code == 6)
    world.kernel.page(of: 0).value.faultPending = 0
    guard case .upcall = world.kernel.pageFault(instruction: 3, address: 9, code: 6) else {
      Issue.record("taken over, and yet ended")
      return
    }
  }

  @Test("a fault that nobody serves ends the environment")
  func unbound() {
    let world = World()
    world.run(0)
    guard case .abort(.pageFault(let address, _)) = world.kernel.pageFault(instruction: 1, address: 0xdead000, code: 4)
    else {
      Issue.record("not ended")
      return
    }
    #expect(address == 0xdead000)
  }

  @Test("a fault that the libOS declines ends it with what the fault was")
  func declined() {
    let world = World()
    world.run(0)
    _ = world.kernel.upcallBind(fault: 0x40_0040, epilogue: 0)
    _ = world.kernel.pageFault(instruction: 1, address: 0xdead000, code: 4)
    guard case .pageFault(let declined, let code) = world.kernel.declinedFault() else {
      Issue.record("another cause")
      return
    }
    #expect(declined == 0xdead000 && code == 4)
  }
}
