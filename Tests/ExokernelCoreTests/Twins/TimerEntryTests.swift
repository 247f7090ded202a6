import ExokernelABI
import RandomFixtures
import Testing

@testable import ExokernelCore

/// The end of a slice is decided twice: by `entry_timer` in entries.S, in the usual case, and by `sliceEnded` in every
/// case. Here the bytes of the linked kernel are executed, on states that both see.
@Suite("The timer's entry and sliceEnded")
final class TimerEntryTests {
  private let image: KernelImage
  private let world: World
  private var generator = SeededGenerator(seed: 0)
  private var machine: FakeMachine { world.machine }
  private var kernel: Kernel<FakeMachine> { world.kernel }

  init() throws {
    image = try KernelImage()
    world = World(programs: 3, memory: 2 << 20, processors: 2)
  }

  private func chance(_ part: UInt64) -> Bool { generator.next() % part == 0 }
  private func pick<Value>(_ values: [Value]) -> Value { values[Int(generator.next() % UInt64(values.count))] }

  /// An instruction pointer: the program's, or somewhere about the gate page.
  private func instruction() -> UInt64 {
    let window = AddressMap.gateWindow
    guard chance(3) else { return generator.next() % AddressMap.userEnd }
    return pick([
      AddressMap.gatePage, window - 1, window, window + 100, window + AddressMap.gateWindowSize - 1,
      window + AddressMap.gateWindowSize, AddressMap.gatePage + 4096,
      AddressMap.gatePage | generator.next() & 0xffff_ffff,
    ])
  }

  /// Makes the running environment's state one of many that the end of a slice may meet; most parts are as usual, so
  /// that most paths are met.
  private func scramble(now: UInt64) {
    let state = kernel.processor
    state.value.timer = chance(8) ? now + 1 + generator.next() % 1000 : now - generator.next() % 1000
    state.value.epiloguePending = chance(8) ? pick([1, 2]) : 0
    state.value.overrun = state.value.epiloguePending != 0 && chance(2) ? pick([1, 30, 31, 32]) : 0
    state.value.isAlone = chance(8) ? 1 : 0
    state.value.sliceEnd = now &- generator.next() % 100_000
    kernel.kernelPrivate.value.needsChores = chance(8) ? 1 : 0
    kernel.header.value.sliceLength = 1 + generator.next() % (1 << 40)
    let record = kernel.currentRecord
    record.value.epilogueEntry = chance(8) ? 0 : 1 + generator.next() % (AddressMap.userEnd - 1)
    let page = kernel.page(of: record)
    page.value.faultPending = chance(8) ? 1 : 0
    page.value.criticalSection = chance(8) ? UInt32(truncatingIfNeeded: generator.next()) : 0
    page.value.epilogueDue = generator.next() % 2
    page.value.epilogueReturn = generator.next()
  }

  /// True for states that the short path is meant for.
  private func isUsual(_ instruction: UInt64, _ codeSegment: UInt64, now: UInt64) -> Bool {
    let state = kernel.processor.value
    let page = kernel.page(of: kernel.currentRecord).value
    return codeSegment == 0x33 && now >= state.timer && kernel.kernelPrivate.value.needsChores == 0
      && state.epiloguePending == 0
      && state.overrun == 0 && state.isAlone == 0 && kernel.currentRecord.value.epilogueEntry != 0
      && page.faultPending == 0 && page.criticalSection == 0
      && instruction &- AddressMap.gateWindow >= AddressMap.gateWindowSize
  }

  @Test("leave the same behind, or the entry leaves it to sliceEnded", arguments: [UInt64.random(in: 0 ... .max), 1])
  func twins(seed: UInt64) throws {
    generator = SeededGenerator(seed: seed)
    var usual = 0
    var unusual = 0
    for round in 0..<1500 {
      let name: Comment = "seed \(seed), round \(round)"
      world.run(pick([0, 1, 2]))
      machine.now = 1 << 32 + generator.next() % (1 << 50)
      scramble(now: machine.now)
      let frame = [
        instruction(), chance(8) ? pick([0x10, 0x23]) : 0x33, generator.next(), generator.next(), UInt64(0x2b),
      ]
      let isUsual = isUsual(frame[0], frame[1], now: machine.now)
      let before = MachineSnapshot(of: machine)

      let stack = ProcessorStack(of: machine.processor)
      var processor = try image.interpreter(on: machine, stack: stack)
      for index in 0..<16 { processor.registers[index] = generator.next() }
      processor.stack = stack.push(frame)
      processor.timeStamp = machine.now
      processor.instruction = try image.address(of: "entry_timer")
      let registers = processor.registers
      let stop = try processor.run()

      #expect((stop == .interruptReturn) == isUsual, name)
      switch stop {
      case .interruptReturn:
        usual += 1
        #expect(processor.registers == registers, name)
        let left = stack.words(from: processor.stack)
        try #require(processor.written.count == 2, name)
        let deadline = processor.written[1].value
        #expect(
          processor.written == [
            ModelSpecificWrite(number: 0x80b, value: 0), ModelSpecificWrite(number: 0x6e0, value: deadline),
          ], name)
        machine.armTimer(at: deadline)
        let after = MachineSnapshot(of: machine)
        before.restore(machine)
        let end = kernel.sliceEnded(at: frame[0], now: machine.now)
        #expect(end == .epilogue(entry: left[0]), name)
        #expect(left[1...] == frame[1...], name)
        // Ring 0 remembers what it sets the timer to.
        kernel.processor.value.timer = machine.timer ?? 0
        #expect(after.difference(machine) == nil, name)
      case .call(let target):
        unusual += 1
        #expect(target == (try image.address(of: "kernel_timer")), name)
        #expect(processor.written == [ModelSpecificWrite(number: 0x80b, value: 0)], name)
        // What the function is told: the registers, then vector and error code, then the processor's frame.
        let told = Array(stack.words(from: processor.registers[7]))
        let order = [11, 10, 9, 8, 7, 6, 2, 1, 0]
        #expect(told == order.map { registers[$0] } + [0xe0, 0] + frame, name)
        // Where the function goes no further than to look, nothing may have changed; where it asks `sliceEnded`,
        // nothing that matters there.
        let mayAsk =
          frame[1] & 3 != 0 && machine.now >= kernel.processor.value.timer
          && kernel.kernelPrivate.value.needsChores == 0
        guard mayAsk else {
          #expect(before.difference(machine) == nil, name)
          continue
        }
        let state = kernel.processor.value
        let isFirst = state.epiloguePending == 0 && state.overrun == 0 && state.isAlone == 0
        let isUsualFor64Bits = self.isUsual(frame[0], 0x33, now: machine.now)
        let end = kernel.sliceEnded(at: frame[0], now: machine.now)
        // The entry is not more careful than the function: what it leaves is deferred, but for 32-bit code.
        if isFirst { #expect((end != .goOn) == isUsualFor64Bits, name) }
        let after = MachineSnapshot(of: machine)
        before.restore(machine)
        #expect(kernel.sliceEnded(at: frame[0], now: machine.now) == end, name)
        #expect(after.difference(machine) == nil, name)
      }
      before.restore(machine)
    }
    #expect(usual > 150 && unusual > 150, "seed \(seed): \(usual) usual ends, \(unusual) others")
  }
}
