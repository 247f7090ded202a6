import RandomFixtures
import Testing

@testable import DownloadedCode

/// Makes programs that are mostly valid: every register is written at the start, jumps go forward.
struct ProgramGenerator {
  var random: SeededGenerator

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &random)]
  }
  private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  private mutating func register() -> UInt8 { UInt8.random(in: 0...9, using: &random) }

  private mutating func immediate() -> Int32 {
    chance(70)
      ? pick([0, 1, 2, 4, 8, 15, 16, 31, 0x45, 0x80, 0xff, 0x800, 0xffff, -1, -2, Int32.min, Int32.max])
      : Int32(truncatingIfNeeded: random.next())
  }

  mutating func program() -> [UInt64] {
    let count = Int.random(in: 3...40, using: &random)
    var result: [Instruction] = []
    for number in [UInt8(0), 3, 4, 5, 6, 7, 8, 9] where !chance(3) {
      result.append(Instruction(opcode: 0xb7, destination: number, immediate: immediate()))
    }
    if chance(70) { result.append(.store(.doubleWord, .r10, -8, .r2)) }
    let body = result.count
    while result.count < body + count {
      switch Int.random(in: 0..<10, using: &random) {
      case 0, 1, 2: result.append(arithmetic())
      case 3: result.append(jump(left: body + count - result.count))
      case 4, 5: result.append(load())
      case 6: result.append(stackAccess())
      case 7: result += filterSequence(left: body + count - result.count)
      case 8: result.append(contentsOf: wide(register(), random.next() >> UInt64.random(in: 0...63, using: &random)))
      default: result.append(Instruction(opcode: 0xbf, destination: register(), source: 1))
      }
    }
    result.append(.exit)
    if chance(10) {
      let index = Int.random(in: result.indices, using: &random)
      result[index].word ^= 1 << UInt64.random(in: 0...63, using: &random)
    }
    return result.map(\.word)
  }

  private mutating func arithmetic() -> Instruction {
    let operation = UInt8.random(in: 0...13, using: &random)
    let group: UInt8 = chance(50) ? 4 : 7
    if operation == 13 {
      let opcode: UInt8 = group == 4 && chance(50) ? 0xdc : 0xd0 | group
      return Instruction(opcode: opcode, destination: register(), immediate: pick([16, 32, 64]))
    }
    let modifier: Int16 = (operation == 3 || operation == 9) && chance(50) ? 1 : 0
    if operation == 8 { return Instruction(opcode: 0x80 | group, destination: register()) }
    if chance(50) {
      let extension8: Int16 = operation == 11 && chance(40) ? pick([8, 16]) : modifier
      return Instruction(
        opcode: operation << 4 | 8 | group, destination: register(), source: register(), offset: extension8)
    }
    return Instruction(
      opcode: operation << 4 | group, destination: register(), offset: modifier, immediate: immediate())
  }

  private mutating func jump(left: Int) -> Instruction {
    let operation = pick([UInt8(1), 2, 3, 4, 5, 6, 7, 10, 11, 12, 13])
    let opcode = operation << 4 | (chance(50) ? 5 : 6)
    let offset = Int16.random(in: 0...Int16(max(0, min(left, 8))), using: &random)
    if chance(50) {
      return Instruction(opcode: opcode | 8, destination: register(), source: register(), offset: offset)
    }
    return Instruction(opcode: opcode, destination: register(), offset: offset, immediate: immediate())
  }

  private mutating func load() -> Instruction {
    let opcode = pick([UInt8(0x61), 0x69, 0x71, 0x79, 0x81, 0x89, 0x91])
    let offset = chance(80) ? Int16.random(in: 0...40, using: &random) : Int16(truncatingIfNeeded: random.next() >> 8)
    return Instruction(opcode: opcode, destination: register(), source: chance(70) ? 1 : register(), offset: offset)
  }

  private mutating func stackAccess() -> Instruction {
    let code = UInt8.random(in: 0...3, using: &random)
    if chance(40) { return Instruction(opcode: 0x61 | code << 3, destination: register(), source: 10, offset: -8) }
    let offset = -8 * Int16.random(in: 1...8, using: &random)
    if chance(50) { return Instruction(opcode: 0x63 | code << 3, destination: 10, source: register(), offset: offset) }
    return Instruction(opcode: 0x62 | code << 3, destination: 10, offset: offset, immediate: immediate())
  }

  /// What the verifier fuses, nearly: sometimes with the wrong width, register, or a later use.
  private mutating func filterSequence(left: Int) -> [Instruction] {
    let number = register()
    let other = chance(90) ? number : register()
    let (opcode, width) = pick([(UInt8(0x71), Int32(0)), (0x69, 16), (0x61, 32)])
    var result = [
      Instruction(opcode: opcode, destination: number, source: 1, offset: Int16.random(in: 0...36, using: &random))
    ]
    if chance(60) {
      let bits = width == 0 || chance(10) ? pick([Int32(16), 32]) : width
      result.append(Instruction(opcode: chance(80) ? 0xdc : 0xd7, destination: other, immediate: bits))
    }
    if chance(50) {
      result.append(Instruction(opcode: chance(50) ? 0x57 : 0x54, destination: number, immediate: immediate()))
    }
    let operation = pick([UInt8(1), 4, 5])
    let offset = Int16.random(in: 0...Int16(max(0, min(left - 4, 6))), using: &random)
    result.append(
      Instruction(
        opcode: operation << 4 | (chance(50) ? 5 : 6), destination: other, offset: offset, immediate: immediate()))
    if chance(80) { result.append(Instruction(opcode: 0xb7, destination: number, immediate: immediate())) }
    return result
  }

  mutating func packet() -> [UInt8] {
    let length = chance(30) ? Int.random(in: 0...12, using: &random) : Int.random(in: 13...64, using: &random)
    return (0..<length).map { _ in
      chance(60) ? pick([0, 1, 6, 8, 0x45, 0x80, 0xff]) : UInt8(truncatingIfNeeded: random.next())
    }
  }
}

@Suite("Random programs")
struct RandomProgramTests {
  @Test(
    "verified programs do what the reference machine does and touch nothing else",
    arguments: [1, 2, UInt64.random(in: 3...UInt64.max)])
  func agreement(seed: UInt64) throws {
    print("random programs, seed \(seed)")
    try GuardedPages.withPages { () throws in
      var generator = ProgramGenerator(random: SeededGenerator(seed: seed))
      var verified = 0
      var fused = 0
      var differingVerdicts: Set<UInt64> = []
      for _ in 0..<3000 {
        let words = generator.program()
        guard let filter = try? BoundFilter(words) else { continue }
        verified += 1
        fused += filter.operations.contains { $0.rawValue > Operation.exitImmediate.rawValue } ? 1 : 0
        for _ in 0..<4 {
          let packet = generator.packet()
          let expected = try ReferenceMachine.run(words, packet: packet)
          let verdict = filter.run(packet)
          differingVerdicts.insert(verdict)
          guard verdict == expected else {
            Issue.record(
              "seed \(seed): \(verdict) not \(expected) for \(words), packet \(packet), steps \(filter.operations)")
            return
          }
        }
      }
      // The test must test: enough programs pass, many are fused, verdicts vary.
      #expect(verified > 300)
      #expect(fused > 50)
      #expect(differingVerdicts.count > 100)
    }
  }

  @Test(
    "random words never harm the verifier, and what it accepts runs", arguments: [UInt64.random(in: 0...UInt64.max)])
  func garbage(seed: UInt64) throws {
    print("random words, seed \(seed)")
    try GuardedPages.withPages { () throws in
      var random = SeededGenerator(seed: seed)
      for _ in 0..<20_000 {
        var words = (0..<Int.random(in: 1...70, using: &random)).map { _ in random.next() & random.next() }
        // Half of the opcodes are made plausible, so that the check gets further than the first word.
        for index in words.indices where random.next() & 1 == 0 {
          words[index] = words[index] & ~0xff | [0xb7, 0x07, 0x15, 0x71, 0x95, 0x18, 0x7b][Int(random.next() % 7)]
        }
        if let filter = try? BoundFilter(words) {
          #expect(try filter.run([1, 2, 3]) == ReferenceMachine.run(words, packet: [1, 2, 3]))
        }
      }
    }
  }
}
