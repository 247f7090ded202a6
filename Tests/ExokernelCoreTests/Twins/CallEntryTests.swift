import ExokernelABI
import RandomFixtures
import Testing

@testable import ExokernelCore

/// Calls come in by `int $4` or SYSCALL, with the kernel's lock or, where there is one processor, without: four entries
/// in entries.S, which must do the same. Here the bytes of the linked kernel are executed.
@Suite("The entries of calls")
final class CallEntryTests {
  private let image: KernelImage
  private let world = World(programs: 1, memory: 2 << 20, processors: 4)
  private var generator = SeededGenerator(seed: 0)

  init() throws { image = try KernelImage() }

  /// What an entry leads to: the function and the arguments that it is called with, and what ring 3 finds in the end.
  private struct Outcome: Equatable {
    var target: UInt64?
    var arguments: [UInt64] = []
    var registers: [UInt64]
    var frame: [UInt64]
  }

  /// Executes a call with `registers` in ring 3, by the entry at `place` of processor `number`; `function` is what the
  /// call's function does to the registers that it may change.
  private func call(
    _ place: UInt64, bySyscall: Bool, on number: UInt32, registers: [UInt64], instruction: UInt64, flags: UInt64,
    function: [UInt64]
  ) throws -> Outcome {
    world.machine.processor = number
    let stack = ProcessorStack(of: number)
    var processor = try image.interpreter(on: world.machine, stack: stack)
    processor.registers = registers
    let frame = [instruction, 0x33, flags, registers[4], 0x2b]
    if bySyscall {
      // The gate page keeps rcx in r10. The stack segment lies at the end of the stack since the boot.
      processor.registers[10] = registers[1]
      processor.registers[1] = instruction
      processor.registers[11] = flags
      _ = stack.push([0x2b])
    } else {
      processor.stack = stack.push(frame)
    }
    processor.instruction = place
    var target: UInt64?
    var arguments: [UInt64] = []
    var stop = try processor.run()
    if case .call(let found) = stop {
      target = found
      arguments = [7, 6, 2, 1, 8].map { processor.registers[$0] }
      for (index, register) in [0, 1, 2, 6, 7, 8, 9, 10, 11].enumerated() {
        processor.registers[register] = function[index]
      }
      try processor.finishCall()
      stop = try processor.run()
    }
    #expect(stop == .interruptReturn)
    let left = stack.words(from: processor.stack)
    processor.stack = 0
    return Outcome(target: target, arguments: arguments, registers: processor.registers, frame: left)
  }

  @Test("do the same by int $4 and SYSCALL, with and without the lock", arguments: [UInt64.random(in: 0 ... .max), 1])
  func twins(seed: UInt64) throws {
    generator = SeededGenerator(seed: seed)
    let table = try image.address(of: "call_table")
    let (tickets, served) = (try image.address(of: "lock_tickets"), try image.address(of: "lock_served"))
    let syscall = try image.address(of: "entry_syscall")
    let ways: [(place: UInt64, bySyscall: Bool, on: UInt32)] =
      [
        (try image.address(of: "entry_call_alone"), false, 0), (try image.address(of: "entry_syscall_alone"), true, 0),
        (try image.address(of: "entry_call"), false, 3),
      ] + (0..<4).map { (syscall + UInt64($0) * 64, true, $0) }
    var known = 0
    for round in 0..<300 {
      let name: Comment = "seed \(seed), round \(round)"
      var registers = (0..<16).map { _ in generator.next() }
      registers[0] = generator.next() % 8 == 0 ? generator.next() : generator.next() % (CallNumber.count + 4)
      let function = (0..<9).map { _ in generator.next() }
      let (instruction, flags) = (generator.next(), generator.next())
      let outcomes = try ways.map { way in
        try call(
          way.place, bySyscall: way.bySyscall, on: way.on, registers: registers, instruction: instruction, flags: flags,
          function: function)
      }
      for outcome in outcomes { #expect(outcome == outcomes[0], name) }
      #expect(
        image.place(tickets)?.load(as: UInt32.self) == image.place(served)?.load(as: UInt32.self),
        "the lock was not given back: \(name)")

      let isKnown = registers[0] < CallNumber.count
      known += isKnown ? 1 : 0
      let first = outcomes[0]
      #expect(first.frame == [instruction, 0x33, flags, registers[4], 0x2b], name)
      #expect((first.target != nil) == isKnown, name)
      if isKnown {
        #expect(first.target == image.place(table + registers[0] * 8)?.load(as: UInt64.self), name)
        #expect(first.arguments == [7, 6, 2, 1, 8].map { registers[$0] }, name)
      }
      #expect(first.registers[0] == (isKnown ? function[0] : .max), name)
      // Nothing of the kernel's is left in what a call may change, and nothing else was changed.
      for register in [1, 2, 6, 7, 8, 9, 10, 11] { #expect(first.registers[register] == 0, name) }
      for register in [3, 5, 12, 13, 14, 15] { #expect(first.registers[register] == registers[register], name) }
    }
    #expect(known > 100 && known < 300)
  }
}
