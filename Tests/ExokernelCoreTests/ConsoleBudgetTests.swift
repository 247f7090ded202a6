import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("The console's budget")
struct ConsoleBudgetTests {
  /// Lines of `[1 p] ` and 58 bytes, 65 with their end, until one is dropped; returns how many were written.
  private func flood(_ world: World) -> Int {
    world.machine.put(world.pageAddress(1) + EnvironmentPage.consoleOffset, bytes: Array(repeating: 0x78, count: 58))
    for written in 0..<10_000 where world.kernel.consoleWrite(count: 58).rawValue != 0 { return written }
    return 10_000
  }

  private var linesOfABudget: Int { Int(Kernel<FakeMachine>.consoleBudget) / 65 }

  @Test("what an environment writes beyond it in a slice is dropped, counted, and told when the next period has begun")
  func dropped() {
    let world = World()
    world.run(1)
    #expect(flood(world) == linesOfABudget)
    #expect(world.machine.takeConsole().utf8.count == linesOfABudget * 65)
    // The call tells how much was dropped; the record exposes the sum.
    for _ in 0..<10 { #expect(world.kernel.consoleWrite(count: 58).rawValue == 65) }
    let dropped = world.kernel.environments[1].consoleDropped
    #expect(dropped == 11 * 65)
    #expect(world.machine.takeConsole() == "")
    world.machine.now += world.kernel.header.value.sliceLength
    #expect(world.kernel.consoleWrite(count: 1).rawValue == 0)
    #expect(world.machine.takeConsole() == "[1 p] \(dropped) bytes dropped\n[1 p] x\n")
    world.machine.now += world.kernel.header.value.sliceLength
    _ = world.kernel.consoleWrite(count: 1)
    #expect(world.machine.takeConsole() == "[1 p] x\n")
  }

  @Test("it is renewed by time, not by yielding in a circle")
  func yielding() {
    let world = World()
    world.run(1)
    #expect(flood(world) == linesOfABudget)
    for _ in 0..<20 {
      world.run(0)
      world.run(1)
      #expect(world.kernel.consoleWrite(count: 58).rawValue == 65)
    }
    #expect(world.kernel.environments[1].slicesRun > 20)
  }

  @Test("one environment's flood leaves another's lines alone")
  func neighbour() {
    let world = World()
    world.run(1)
    _ = flood(world)
    _ = world.machine.takeConsole()
    world.run(0)
    world.machine.put(world.pageAddress(0) + EnvironmentPage.consoleOffset, bytes: [0x79])
    #expect(world.kernel.consoleWrite(count: 1).rawValue == 0)
    #expect(world.machine.takeConsole() == "[0 p] y\n")
  }

  @Test("what was dropped is told at the end of the environment, and its successor begins anew")
  func end() throws {
    let world = World()
    world.run(1)
    _ = flood(world)
    _ = world.machine.takeConsole()
    world.kernel.end(1, status: 0)
    #expect(world.machine.takeConsole() == "[1 p] 65 bytes dropped\n")
    world.reapAll()
    let successor = try world.load()
    #expect(successor == 1)
    world.kernel.start(successor, at: 0x40_0000, stack: 0)
    world.run(successor)
    #expect(world.kernel.environments[successor].consoleDropped == 0)
    #expect(flood(world) > 0)
  }

  @Test("a drawing beyond it is refused, not torn: it may be drawn again when the period is over")
  func drawing() {
    let world = World()
    world.run(0)
    world.machine.put(world.pageAddress(0) + EnvironmentPage.consoleOffset, bytes: Array(repeating: 0x78, count: 224))
    var drawn = 0
    while world.kernel.consoleDraw(slot: 3, count: 224).error == nil, drawn < 1000 { drawn += 1 }
    #expect(drawn == Int(Kernel<FakeMachine>.consoleBudget) / 224)
    #expect(world.kernel.consoleDraw(slot: 3, count: 224).error == .again)
    world.machine.now += world.kernel.header.value.sliceLength
    _ = world.machine.takeConsole()
    #expect(world.kernel.consoleDraw(slot: 3, count: 224).error == nil)
    #expect(world.machine.takeConsole() == String(repeating: "x", count: 224))
  }
}
