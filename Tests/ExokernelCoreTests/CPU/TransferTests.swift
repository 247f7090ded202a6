import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Control transfers and directed yields")
struct TransferTests {
  /// Environment 1 is a server that sleeps; environment 0 runs, with everything in slot 3.
  private func server(accepts name: UInt64 = 0, length: UInt64 = 0) -> World {
    let world = World(programs: 3)
    world.run(1)
    #expect(world.kernel.transferBind(entry: 0x40_0500, stack: 0x5e_0000, name: name, length: length).error == nil)
    #expect(world.sleep(events: 0, deadline: 0))
    world.run(0)
    return world
  }

  @Test("a synchronous call waits for its answer, which leads behind the call")
  func synchronous() throws {
    let world = server()
    let kernel = world.kernel
    let end = kernel.processor.value.sliceEnd
    let there = try kernel.transfer(
      slot: 3, environment: world.handle(1), mode: .synchronous, instruction: 0x40_0123, stack: 0x5f_0008)
    #expect(there.entry == 0x40_0500 && there.stack == 0x5e_0000 && there.caller == world.handle(0))
    #expect(kernel.current == 1 && kernel.environments[0].state == EnvironmentState.calling.rawValue)
    #expect(kernel.processor.value.sliceEnd == end, "the rest of the slice is donated")
    Audit.check(world)
    let back = try kernel.transfer(slot: 15, environment: world.handle(0), mode: .final)
    #expect(back.entry == 0x40_0123 && back.stack == 0x5f_0008 && back.caller == world.handle(1))
    #expect(kernel.current == 0 && kernel.environments[1].state == EnvironmentState.sleeping.rawValue)
    Audit.check(world)
  }

  @Test("the callee runs in the slices of the caller that waits for it")
  func lentSlices() throws {
    let world = server()
    _ = try world.kernel.transfer(slot: 3, environment: world.handle(1), mode: .synchronous)
    world.kernel.giveUp(instruction: 0x40_0500, stack: 0)
    var order: [UInt32] = []
    for _ in 0..<6 {
      order.append(try #require(world.runNext()))
      world.kernel.giveUp(instruction: 0x40_0500, stack: 0)
    }
    #expect(order.filter { $0 == 1 }.count == 4 && order.filter { $0 == 2 }.count == 2)
  }

  @Test(
    "an asynchronous transfer leaves the caller runnable, a final one asleep",
    arguments: [TransferMode.asynchronous, .final])
  func otherModes(mode: TransferMode) throws {
    let world = server()
    _ = try world.kernel.transfer(slot: 3, environment: world.handle(1), mode: mode, instruction: 0x40_0777)
    let expected: EnvironmentState = mode == .asynchronous ? .runnable : .sleeping
    #expect(world.kernel.environments[0].state == expected.rawValue)
    #expect(world.kernel.environments[0].savedInstructionPointer == 0x40_0777)
    #expect(world.kernel.current == 1)
    Audit.check(world)
  }

  @Test("who is not accepted, lacks the right, or names nobody is refused and runs on")
  func refused() throws {
    let name = CapabilityName.environment(2, generation: 1)
    let world = server(accepts: name, length: 5)
    let kernel = world.kernel
    func call(_ slot: UInt64, _ handle: UInt64, mode: TransferMode = .synchronous) -> CallError? {
      do throws(CallError) {
        _ = try kernel.transfer(slot: slot, environment: handle, mode: mode)
        return nil
      } catch { return error }
    }
    for mode: TransferMode in [.asynchronous, .synchronous, .final] {
      #expect(call(3, world.handle(1), mode: mode) == .notAccepted)
      #expect(call(0, world.handle(1), mode: mode) == .notPermitted)
      #expect(call(9, world.handle(1), mode: mode) == .noSuchCapability)
      #expect(call(16, world.handle(1), mode: mode) == .noSuchCapability)
      #expect(call(3, world.handle(2), mode: mode) == .busy, "it runs")
      #expect(call(3, world.handle(0), mode: mode) == .busy, "itself")
      for handle in [world.handle(1) + 256, 0x13f, 1 << 32 | world.handle(1), .max, Handle.own, 63] {
        #expect(call(3, handle, mode: mode) == .noSuchResource)
      }
    }
    #expect(kernel.current == 0)
    kernel.capabilities[32 + 9] = Capability(name: 0, length: 0, rights: .call)
    world.run(2)
    #expect(call(9, world.handle(1)) == nil, "whom it accepts")
    Audit.check(world)
  }

  @Test("a shorter guard is not accepted in the place of a longer one")
  func shortGuard() throws {
    let world = server(accepts: CapabilityName.environment(0, generation: 1), length: 5)
    let short = world.kernel.environmentGuard(slot: 3, environment: world.handle(0), name: 1 << 56, length: 1)
    #expect(short.error == nil)
    #expect(throws: CallError.notAccepted) {
      try world.kernel.transfer(slot: 3, environment: world.handle(1), mode: .synchronous)
    }
  }

  @Test("entries that nobody bound, or unbound, are not transferred to")
  func unbound() throws {
    let world = server()
    world.run(2)
    #expect(world.sleep(events: 0, deadline: 0))
    world.run(0)
    for mode: TransferMode in [.asynchronous, .synchronous, .final] {
      #expect(throws: CallError.notAccepted) {
        try world.kernel.transfer(slot: 3, environment: world.handle(2), mode: mode)
      }
    }
    #expect(world.kernel.transferBind(entry: AddressMap.userEnd, stack: 0, name: 0, length: 0).error == .badAddress)
    #expect(world.kernel.transferBind(entry: 0, stack: AddressMap.userEnd + 1, name: 0, length: 0).error == .badAddress)
    #expect(world.kernel.transferBind(entry: 0, stack: 0, name: 0, length: 9).error == .badArgument)
  }

  @Test("callers of an environment that ends go on behind their calls")
  func calleeEnds() throws {
    let world = server()
    _ = try world.kernel.transfer(slot: 3, environment: world.handle(1), mode: .synchronous)
    world.kernel.end(1, status: 0)
    #expect(world.kernel.environments[0].state == EnvironmentState.runnable.rawValue)
    #expect(world.kernel.environments[0].awaited == 0)
    Audit.check(world)
  }

  @Test("a directed yield goes to who can run and does not")
  func yieldTo() throws {
    let world = server()
    let kernel = world.kernel
    #expect(throws: CallError.busy) { try kernel.yieldTo(world.handle(1)) }
    #expect(throws: CallError.busy) { try kernel.yieldTo(world.handle(0)) }
    for handle in [world.handle(2) + 256, Handle.own, .max, 63] {
      #expect(throws: CallError.noSuchResource) { try kernel.yieldTo(handle) }
    }
    let end = kernel.processor.value.sliceEnd
    #expect(try kernel.yieldTo(world.handle(2), instruction: 0x40_0321, stack: 8) == 2)
    #expect(kernel.current == 2 && kernel.processor.value.sliceEnd == end)
    #expect(kernel.environments[0].savedInstructionPointer == 0x40_0321)
    Audit.check(world)
    kernel.end(2, status: 0)
    world.run(0)
    #expect(throws: CallError.noSuchResource) { try kernel.yieldTo(Handle.of(2, generation: 1)) }
  }

  @Test("waking counts an event, with the right to call")
  func wake() throws {
    let world = server()
    #expect(world.kernel.wake(slot: 0, environment: world.handle(1)).error == .notPermitted)
    #expect(world.kernel.wake(slot: 3, environment: world.handle(1) + 256).error == .noSuchResource)
    #expect(world.kernel.wake(slot: 3, environment: world.handle(1)).error == nil)
    #expect(world.page(1).events == 1)
    world.kernel.giveUp(instruction: 0, stack: 0)
    #expect(world.runNext() == 1)
  }
}
