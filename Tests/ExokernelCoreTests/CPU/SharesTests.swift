import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Overrun slices are paid for")
struct SharesTests {
  /// Runs `ticks` slices of two environments; the first one stays `overrun` time units past each of its slices, in a
  /// critical section. Tells the time that each had.
  private func simulate(overrun: UInt64, rounds: Int) -> [UInt64] {
    let world = World(programs: 2)
    let kernel = world.kernel
    var times: [UInt64] = [0, 0]
    for environment: UInt32 in 0...1 {
      world.run(environment)
      _ = kernel.upcallBind(fault: 0, epilogue: 0x40_0100)
    }
    world.run(0)
    for _ in 0..<rounds {
      let environment = kernel.current
      let start = world.machine.now
      world.machine.now = max(kernel.processor.value.sliceEnd, start)
      kernel.page(of: environment).value.criticalSection = environment == 0 && overrun > 0 ? 1 : 0
      switch kernel.sliceEnded(at: 0x40_0000) {
      case .epilogue: break
      case .goOn:
        #expect(environment == 0 && kernel.processor.value.epiloguePending == 2)
        #expect(world.page(0).epilogueDue == 1)
        world.machine.now += overrun
      case .abort: Issue.record("ended")
      }
      times[Int(environment)] += world.machine.now - start
      kernel.giveUp(instruction: 0x40_0000, stack: 0)
      world.runNext()
    }
    Audit.check(world)
    return times
  }

  @Test(
    "shares stay within one percent, however far the other one overruns", arguments: [0, 1, 10, 50, 90, 99, 150, 250])
  func shares(percent: UInt64) {
    let world = World(programs: 1)
    let length = world.kernel.header.value.sliceLength
    let times = simulate(overrun: length * percent / 100, rounds: 4000)
    let share = Double(times[1]) / Double(times[0] + times[1])
    #expect(share > 0.49, "the other one had \(share)")
  }

  @Test("a critical section puts the epilogue off, and the end of it is told of")
  func criticalSection() throws {
    let world = World(programs: 2)
    world.run(0)
    let kernel = world.kernel
    _ = kernel.upcallBind(fault: 0, epilogue: 0x40_0100)
    kernel.page(of: 0).value.criticalSection = 1
    world.machine.now = kernel.processor.value.sliceEnd
    try #require(kernel.sliceEnded(at: 0x40_0000) == .goOn)
    #expect(world.page(0).epilogueDue == 1 && kernel.processor.value.epiloguePending == 2)
    world.machine.now += 700
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    #expect(kernel.debt(of: 0) == 700)
    world.run(1)
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    world.run(0)
    #expect(kernel.debt(of: 0) == 0)
    #expect(kernel.processor.value.sliceEnd == world.machine.now + kernel.header.value.sliceLength - 700)
  }

  @Test("who overran whole slices is passed over until they are paid, but runs where nobody else wants to")
  func passedOver() {
    let world = World(programs: 2)
    let kernel = world.kernel
    let length = kernel.header.value.sliceLength
    world.run(1)
    world.run(0)
    kernel.giveUp(instruction: 0, stack: 0)
    kernel.setDebt(of: 0, 3 * length)
    var order: [UInt32] = []
    for _ in 0..<5 {
      order.append(world.runNext()!)
      kernel.giveUp(instruction: 0, stack: 0)
    }
    #expect(order == [1, 1, 1, 1, 0] || order == [1, 1, 1, 0, 1])
    kernel.setDebt(of: 0, 5 * length)
    world.run(1)
    #expect(world.sleep(events: 0, deadline: 0))
    #expect(world.runNext() == 0)
  }

  @Test("the gate page's own instructions are not interrupted")
  func gateWindow() {
    let world = World(programs: 2)
    world.run(0)
    _ = world.kernel.upcallBind(fault: 0, epilogue: 0x40_0100)
    for (instruction, isPutOff) in [
      (AddressMap.gateWindow - 1, false), (AddressMap.gateWindow, true),
      (AddressMap.gateWindow + AddressMap.gateWindowSize - 1, true),
      (AddressMap.gateWindow + AddressMap.gateWindowSize, false),
    ] {
      world.run(0)
      #expect((world.kernel.sliceEnded(at: instruction) == .goOn) == isPutOff)
    }
  }

  @Test("positions are given to whom has room, and the last one is kept, whatever was given to children")
  func given() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let child = try world.spawn(quotas: [20, 2, 0, 0, 0, 0])
    #expect(kernel.sliceFree(slot: 0, position: 0).error == .busy, "a child's quota is no position of one's own")
    #expect(kernel.sliceGive(slot: 0, position: 0, environment: world.handle(child) | 5 << 32).error == .busy)
    for position: UInt64 in [30, 31] { _ = try kernel.sliceAllocate(slot: 0, position: position).value() }
    #expect(
      kernel.sliceGive(slot: 0, position: 30, environment: world.handle(child)).error == .notPermitted,
      "without the right to control the receiver")
    #expect(
      kernel.sliceGive(slot: 9, position: 30, environment: world.handle(child) | 5 << 32).error == .noSuchCapability)
    #expect(kernel.sliceGive(slot: 5, position: 30, environment: world.handle(child) | 5 << 32).error == .notPermitted)
    #expect(
      kernel.sliceGive(slot: 0, position: 32, environment: world.handle(child) | 5 << 32).error == .noSuchResource)
    #expect(
      kernel.sliceGive(slot: 0, position: 1 << 8, environment: world.handle(child) | 5 << 32).error == .noSuchResource)
    #expect(
      kernel.sliceGive(slot: 0, position: 30, environment: world.handle(child) + 256 | 5 << 32).error == .noSuchResource
    )
    #expect(kernel.sliceGive(slot: 0, position: 30, environment: world.handle(child) | 5 << 32).error == nil)
    #expect(kernel.slices[30].ownerPlusOne == child + 1)
    #expect(kernel.sliceGive(slot: 0, position: 31, environment: world.handle(child) | 5 << 32).error == .exhausted)
    #expect(kernel.sliceFree(slot: 0, position: 30).error == .notPermitted, "the guard is the receiver's")
    #expect(kernel.sliceFree(slot: 5, position: 30).error == nil)
    #expect(kernel.sliceGive(slot: 0, position: 31, environment: Handle.own).error == nil)
    Audit.check(world)
  }

  @Test("a position on an idle processor wakes it")
  func idleProcessor() throws {
    let world = World(programs: 1, processors: 2)
    world.machine.processor = 1
    world.kernel.armForIdle()
    world.machine.processor = 0
    world.run(0)
    #expect(try world.kernel.sliceAllocate(slot: 0, position: CallNumber.any).value() == 1 << 8)
    #expect(world.machine.interrupts == [1])
    #expect(world.kernel.sliceAllocate(slot: 0, position: 2 << 8).error == .noSuchResource)
    Audit.check(world)
  }
}
