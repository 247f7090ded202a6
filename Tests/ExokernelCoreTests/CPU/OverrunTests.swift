import ExokernelABI
import Testing

@testable import ExokernelCore

/// What friends, children, servers and clients do to each other's slices costs nobody else any time.
@Suite("Time that is given away")
struct OverrunTests {
  /// Environments that are told of the ends of their slices; the first one runs.
  private func world(programs: Int, processors: UInt32 = 1) -> World {
    let world = World(programs: programs, processors: processors)
    for environment in 0..<UInt32(programs) {
      world.run(environment)
      _ = world.kernel.upcallBind(fault: 0, epilogue: 0x40_0100)
    }
    world.run(0)
    return world
  }

  /// Lets the running environment run to the end of its slice, and `overrun` time units longer, in which the timer
  /// fires at the end of each slice's length; false where the kernel ended it for that.
  private func runOut(_ world: World, overrun: UInt64) -> Bool {
    let kernel = world.kernel
    let environment = kernel.current
    let length = kernel.header.value.sliceLength
    world.machine.now = max(kernel.processor.value.sliceEnd, world.machine.now)
    let end = world.machine.now + overrun
    while true {
      if kernel.sliceEnded(at: 0x40_0000) == .abort {
        kernel.end(environment, status: 139)
        return false
      }
      guard world.machine.now + length <= end else { break }
      world.machine.now += length
    }
    world.machine.now = max(end, world.machine.now)
    return true
  }

  /// The time for which each environment ran; `turn` is what the running one does with its turn, after which the kernel
  /// goes on with the next one.
  private func times(_ world: World, rounds: Int, turn: (UInt32) throws -> Void) rethrows -> [UInt64] {
    var times = [UInt64](repeating: 0, count: Int(BooksLayout.environments))
    for _ in 0..<rounds {
      let environment = world.kernel.current
      let start = world.machine.now
      try turn(environment)
      times[Int(environment)] += world.machine.now - start
      while world.kernel.doChores() {}
      if world.kernel.current == BooksLayout.noEnvironment { world.runNext() }
    }
    Audit.check(world)
    return times
  }

  private func share(_ environment: Int, of times: [UInt64]) -> Double {
    Double(times[environment]) / Double(times.reduce(0, +))
  }

  private func yield(_ world: World) {
    world.kernel.giveUp(instruction: 0x40_0000, stack: 0)
    world.runNext()
  }

  @Test("two friends that give each other the ends of their slices do not keep the processor")
  func friends() throws {
    let world = world(programs: 3)
    let times = try times(world, rounds: 3000) { environment in
      #expect(runOut(world, overrun: 0))
      guard environment < 2 else { return yield(world) }
      _ = try world.kernel.yieldTo(world.handle(1 - environment))
    }
    #expect(share(2, of: times) > 0.33)
  }

  @Test(
    "who overruns the slices of a friend pays, or the friend does", arguments: [5, 50, 99, 150, 3000], [true, false])
  func gifts(percent: UInt64, hasRest: Bool) throws {
    let world = world(programs: 3)
    let kernel = world.kernel
    let overrun = kernel.header.value.sliceLength * percent / 100
    let times = try times(world, rounds: 6000) { environment in
      switch environment {
      case 0:
        // Most of the slice is the friend's.
        if hasRest { world.machine.now += kernel.header.value.sliceLength / 10 }
        if kernel.environments[1].processorPlusOne == 0 { _ = try kernel.yieldTo(world.handle(1)) }
      case 1:
        #expect(runOut(world, overrun: overrun))
        yield(world)
      default:
        #expect(runOut(world, overrun: 0))
        yield(world)
      }
    }
    let share = share(2, of: times)
    #expect(share > 0.323, "the third one had \(share)")
  }

  /// The running environment starts a child at `position`; what the kernel says to that.
  private func startChild(_ world: World, at position: UInt64) throws -> CallError? {
    let kernel = world.kernel
    world.reapAll()
    _ = kernel.capabilityDrop(slot: 5)
    let handle = try world.create(quotas: [10, 1, 0, 0, 0, 0]).value()
    for level: UInt64 in [3, 2, 1] {
      let result = kernel.tableInstall(
        slot: 0, frame: CallNumber.any, address: AddressMap.environmentPage, level: level, table: handle | 5 << 32)
      _ = try result.value()
    }
    let result = kernel.environmentStart(
      slot: 5, environment: handle, entry: 0x40_0000, stack: 0x5f_0000, position: position)
    if result.error != nil { kernel.end(Handle.index(handle), status: 0) }
    return result.error
  }

  @Test("children that overrun until they are ended are their maker's debt")
  func children() throws {
    let world = world(programs: 2)
    let times = try times(world, rounds: 3000) { environment in
      if environment == 0, world.kernel.slices[2].ownerPlusOne == 0 {
        let error = try startChild(world, at: 2)
        #expect(error == nil)
      }
      if runOut(world, overrun: environment < 2 ? 0 : 100 * world.kernel.header.value.sliceLength) { yield(world) }
    }
    #expect(share(1, of: times) > 0.49, "the neighbour had \(share(1, of: times))")
  }

  @Test("who owes another processor a slice, and has no position there to pay with, starts nobody there")
  func childrenElsewhere() throws {
    let world = world(programs: 2, processors: 2)
    let kernel = world.kernel
    try #require(kernel.slices[64].ownerPlusOne == 2, "the second program is on the second processor")
    var refused = 0
    world.machine.processor = 1
    world.run(1)
    let times = try times(world, rounds: 1000) { environment in
      world.machine.processor = 0
      world.run(0)
      if kernel.slices[65].ownerPlusOne == 0, try startChild(world, at: 1 << 8 | 1) == .again { refused += 1 }
      world.machine.processor = 1
      if runOut(world, overrun: environment < 2 ? 0 : 100 * kernel.header.value.sliceLength) { yield(world) }
    }
    #expect(refused > 900)
    #expect(share(1, of: times) > 0.9, "the neighbour had \(share(1, of: times))")
  }

  @Test("an environment that owes a slice keeps its positions until it has paid")
  func positions() throws {
    let world = world(programs: 2)
    let kernel = world.kernel
    let position = try kernel.sliceAllocate(slot: 0, position: CallNumber.any).value()
    let child = try world.spawn(quotas: [20, 2, 0, 0, 0, 0])
    kernel.setDebt(of: 0, kernel.header.value.sliceLength)
    #expect(kernel.sliceFree(position: position).error == .again)
    #expect(kernel.sliceGive(slot: 0, position: position, environment: world.handle(child) | 5 << 32).error == .again)
    kernel.setDebt(of: 0, kernel.header.value.sliceLength - 1)
    #expect(kernel.sliceGive(slot: 0, position: position, environment: world.handle(child) | 5 << 32).error == nil)
    Audit.check(world)
  }

  @Test("who is called just before the end of a slice, and ends it politely, owes nothing for that")
  func politeServer() throws {
    let world = world(programs: 2)
    let kernel = world.kernel
    world.machine.now = kernel.processor.value.sliceEnd - 1
    _ = try kernel.yieldTo(world.handle(1))
    world.machine.now += 1
    try #require(kernel.sliceEnded(at: 0x40_0000) == .epilogue(entry: 0x40_0100))
    world.machine.now += kernel.header.value.sliceLength / 16
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    #expect(kernel.debt(of: 0) == kernel.header.value.sliceLength / 16 && kernel.debt(of: 1) == 0)
  }

  /// The same world, where the second environment sleeps and can be called by the first one, with the capability in
  /// slot 3.
  private func serverWorld(programs: Int) -> World {
    let world = world(programs: programs)
    world.run(1)
    #expect(world.kernel.transferBind(entry: 0x40_0400, stack: 0x5f_0000, name: 0, length: 0).error == nil)
    #expect(world.sleep(events: 0, deadline: 0))
    world.run(0)
    world.kernel.capabilities[3] = Capability(name: 0, length: 0, rights: .all)
    return world
  }

  @Test("a transfer at the end of a slice is refused, whatever its kind")
  func lateTransfers() throws {
    let world = serverWorld(programs: 2)
    let kernel = world.kernel
    #expect(runOut(world, overrun: 0))
    for mode: TransferMode in [.asynchronous, .synchronous, .final] {
      #expect(throws: CallError.again) { try kernel.transfer(slot: 3, environment: world.handle(1), mode: mode) }
    }
    Audit.check(world)
  }

  @Test("a caller goes on when its deadline has come, or it has to be told of a revocation", arguments: [true, false])
  func callsEnd(byDeadline: Bool) throws {
    let world = serverWorld(programs: 3)
    let kernel = world.kernel
    #expect(kernel.upcallBind(fault: 0, epilogue: 0x40_0100, prologue: 0, revocation: 0x40_0500).error == nil)
    let deadline = byDeadline ? world.machine.now + 10 : 0
    _ = try kernel.transfer(slot: 3, environment: world.handle(1), mode: .synchronous, deadline: deadline)
    // The server never answers, nor does it run.
    #expect(kernel.current == 1)
    kernel.environments[1].state = EnvironmentState.runnable.rawValue
    #expect(kernel.upcallBind(fault: 0, epilogue: 0x40_0100).error == nil)
    #expect(world.sleep(events: 0, deadline: 0))
    #expect(world.runNext() == 2)
    kernel.giveUp(instruction: 0, stack: 0)
    if byDeadline {
      world.machine.now += 10
    } else {
      world.run(2)
      kernel.capabilities[2 * 16 + 3] = Capability(name: 0, length: 0, rights: .all)
      _ = try kernel.revoke(slot: 3, environment: world.handle(0), kind: 0, count: 1, deadline: .max).value()
      kernel.giveUp(instruction: 0, stack: 0)
    }
    #expect(world.runNext() == 0)
    #expect(kernel.environments[0].awaited == 0)
    let resumption = kernel.resumption(of: kernel.currentRecord)
    #expect(resumption.saved == 0x40_0000 && (resumption.entry == 0x40_0500) == !byDeadline)
    Audit.check(world)
  }
}
