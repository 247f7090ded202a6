import Testing

@testable import DownloadedCode

/// The two words of `register = value`.
func wide(_ register: UInt8, _ value: UInt64) -> [Instruction] {
  [
    Instruction(opcode: 0x18, destination: register, immediate: Int32(truncatingIfNeeded: value)),
    Instruction(opcode: 0, immediate: Int32(truncatingIfNeeded: value >> 32)),
  ]
}

let interestingValues: [UInt64] = [
  0, 1, 2, 7, 31, 32, 63, 64, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
  0x1_0000_0000, 0x0123_4567_89ab_cdef, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_8000_0000,
  0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff,
]

@Suite("Instruction semantics")
struct InstructionSemanticsTests {
  @Test("every arithmetic opcode agrees with the reference machine on all pairs of interesting values")
  func arithmetic() throws {
    try GuardedPages.withPages { () throws in
      var opcodes = 0
      for operation in UInt8(0)...12 {
        for flavour in UInt8(0)..<4 {
          let opcode = operation << 4 | (flavour & 1 == 0 ? 4 : 7) | (flavour & 2 == 0 ? 0 : 8)
          let usesRegister = flavour & 2 != 0
          for modifier in Int16(0)...32 {
            for (valueIndex, left) in interestingValues.enumerated() {
              for right in interestingValues {
                var instruction = Instruction(
                  opcode: opcode, destination: 3, source: usesRegister ? 4 : 0, offset: modifier,
                  immediate: usesRegister ? 0 : Int32(truncatingIfNeeded: right))
                if operation == 8 { instruction = Instruction(opcode: opcode, destination: 3, offset: modifier) }
                let program =
                  wide(3, left) + wide(4, right)
                  + [instruction, .arithmetic(.move, .r0, .r3), .exit]
                guard let filter = try? BoundFilter(program) else { break }
                if valueIndex == 0 && right == 0 { opcodes += 1 }
                let expected = try ReferenceMachine.run(program.map(\.word), packet: [])
                guard filter.run([]) == expected else {
                  Issue.record("\(opcode) modifier \(modifier): \(left), \(right): \(filter.run([])) not \(expected)")
                  return
                }
              }
            }
          }
        }
      }
      // Eleven operations and two signed ones in four flavours, two negations, four moves and five sign extensions.
      #expect(opcodes == (11 + 2) * 4 + 2 + 4 + 5)
    }
  }

  @Test("byte swaps and truncations", arguments: [Int32(16), 32, 64])
  func byteSwap(width: Int32) throws {
    try GuardedPages.withPages { () throws in
      for opcode in [UInt8(0xd4), 0xdc, 0xd7] {
        for value in interestingValues {
          let program =
            wide(3, value)
            + [Instruction(opcode: opcode, destination: 3, immediate: width), .arithmetic(.move, .r0, .r3), .exit]
          let expected = try ReferenceMachine.run(program.map(\.word), packet: [])
          #expect(try BoundFilter(program).run([]) == expected)
        }
      }
    }
  }

  @Test("every conditional jump agrees with the reference machine on all pairs of interesting values")
  func jumps() throws {
    try GuardedPages.withPages { () throws in
      for operation in [UInt8(1), 2, 3, 4, 5, 6, 7, 10, 11, 12, 13] {
        for group in [UInt8(5), 6] {
          for sourceBit in [UInt8(0), 8] {
            for left in interestingValues {
              for right in interestingValues {
                let jump = Instruction(
                  opcode: operation << 4 | sourceBit | group, destination: 3, source: sourceBit == 0 ? 0 : 4, offset: 2,
                  immediate: sourceBit == 0 ? Int32(truncatingIfNeeded: right) : 0)
                let program =
                  wide(3, left) + wide(4, right)
                  + [jump, .arithmetic(.move, .r0, 5), .exit, .arithmetic(.move, .r0, 6), .exit]
                let expected = try ReferenceMachine.run(program.map(\.word), packet: [])
                let verdict = try BoundFilter(program).run([])
                guard verdict == expected else {
                  Issue.record("opcode \(jump.opcode): \(left), \(right): \(verdict) not \(expected)")
                  return
                }
              }
            }
          }
        }
      }
    }
  }

  @Test("known results of RFC 9669's special cases")
  func specialCases() throws {
    func result(_ opcode: UInt8, _ left: UInt64, _ right: UInt64, modifier: Int16 = 0) throws -> UInt64 {
      try GuardedPages.withPages { () throws in
        try BoundFilter(
          wide(3, left) + wide(4, right)
            + [
              Instruction(opcode: opcode, destination: 3, source: 4, offset: modifier), .arithmetic(.move, .r0, .r3),
              .exit,
            ]
        ).run([])
      }
    }
    #expect(try result(0x3f, 5, 0) == 0)
    #expect(try result(0x9f, 5, 0) == 5)
    #expect(try result(0x9c, 0x1_0000_0005, 0) == 5)
    #expect(try result(0x3f, 1 << 63, UInt64.max, modifier: 1) == 1 << 63)
    #expect(try result(0x3c, 1 << 31, UInt64.max, modifier: 1) == 1 << 31)
    #expect(try result(0x9f, 1 << 63, UInt64.max, modifier: 1) == 0)
    #expect(try result(0x9f, UInt64(bitPattern: -13), 3, modifier: 1) == UInt64(bitPattern: -1))
    #expect(try result(0x6f, 1, 65) == 2)
    #expect(try result(0xcc, 0x8000_0000, 33) == 0xc000_0000)
    #expect(try result(0xbf, 0, 0x80, modifier: 8) == UInt64(bitPattern: -128))
    #expect(try result(0xbc, 0, 0x80, modifier: 8) == 0xffff_ff80)
    #expect(try result(0x0c, 0xffff_ffff, 1) == 0)
  }

  @Test("unconditional jumps, 16-bit and 32-bit")
  func unconditional() throws {
    for jump in [Instruction(opcode: 0x05, offset: 1), Instruction(opcode: 0x06, immediate: 1)] {
      let program: [Instruction] = [
        .arithmetic(.move, .r0, 7), .jump(.equal, .r2, 0, to: 1), jump, .exit, .arithmetic(.add, .r0, 1), .exit,
      ]
      try GuardedPages.withPages { () throws in
        let filter = try BoundFilter(program)
        #expect(filter.run([]) == 7)
        #expect(filter.run([1]) == 8)
      }
    }
  }

  @Test("packet loads read every place of the packet and reject every other", arguments: [true, false])
  func packetLoads(constantPlace: Bool) throws {
    let packet = (0..<40).map { UInt8(truncatingIfNeeded: $0 * 7 + 129) }
    try GuardedPages.withPages { () throws in
      for opcode in [UInt8(0x61), 0x69, 0x71, 0x79, 0x81, 0x89, 0x91] {
        for offset in Int16(-4)...44 {
          for length in [0, 1, 2, 3, 7, 8, 39, 40] {
            let load = Instruction(opcode: opcode, destination: 0, source: constantPlace ? 1 : 5, offset: offset)
            let program: [Instruction] =
              [.arithmetic(.move, .r5, 0), .arithmetic(.add, .r5, .r1), load, .arithmetic(.or, .r0, 1), .exit]
            if constantPlace && offset < 0 {
              #expect(throws: VerifierError(reason: .packetOffsetNegative, index: 2)) { try BoundFilter(program) }
              continue
            }
            let part = Array(packet.prefix(length))
            #expect(try BoundFilter(program).run(part) == ReferenceMachine.run(program.map(\.word), packet: part))
          }
        }
      }
    }
  }

  @Test("computed addresses cannot wrap into the packet")
  func computedAddresses() throws {
    try GuardedPages.withPages { () throws in
      for base in interestingValues + [UInt64(bitPattern: -1), UInt64(bitPattern: -8), 9, 10, 11] {
        for offset in [Int16.min, -8, -1, 0, 1, 8, Int16.max] {
          for opcode in [UInt8(0x61), 0x69, 0x71, 0x79] {
            let program =
              wide(5, base)
              + [
                Instruction(opcode: opcode, destination: 0, source: 5, offset: offset), .arithmetic(.or, .r0, 1), .exit,
              ]
            let packet = Array(UInt8(1)...10)
            #expect(try BoundFilter(program).run(packet) == ReferenceMachine.run(program.map(\.word), packet: packet))
          }
        }
      }
    }
  }

  @Test("the stack keeps what is stored, in every size")
  func stack() throws {
    try GuardedPages.withPages { () throws in
      for size in [MemorySize.byte, .halfWord, .word, .doubleWord] {
        for first in stride(from: -64, through: -size.byteCount, by: 3) {
          let program =
            wide(3, 0x8182_8384_8586_8788) + [
              Instruction(opcode: 0x7a, destination: 10, offset: -64, immediate: -2),
              Instruction(opcode: 0x62 | size.rawValue << 3, destination: 10, offset: Int16(first), immediate: -3),
              .store(size, .r10, Int16(first), .r3),
              .load(.r0, size, .r10, Int16(first)),
              .load(.r4, .doubleWord, .r10, -64),
              .arithmetic(.exclusiveOr, .r0, .r4),
            ]
            + (size == .doubleWord
              ? [] : [Instruction(opcode: 0x81 | size.rawValue << 3, destination: 5, source: 10, offset: Int16(first))])
            + (size == .doubleWord ? [] : [.arithmetic(.add, .r0, .r5)]) + [.exit]
          #expect(try BoundFilter(program).run([]) == ReferenceMachine.run(program.map(\.word), packet: []))
        }
      }
    }
  }

  @Test("the packet's place is 0 and its length is in r2")
  func entryRegisters() throws {
    try GuardedPages.withPages { () throws in
      #expect(try BoundFilter([.arithmetic(.move, .r0, .r1), .exit]).run([1, 2, 3]) == 0)
      #expect(try BoundFilter([.arithmetic(.move, .r0, .r2), .exit]).run([1, 2, 3]) == 3)
    }
  }

  @Test("a negative length is an empty packet")
  func negativeLength() throws {
    let filter = try BoundFilter([.load(.r0, .byte, .r1, 0), .arithmetic(.or, .r0, 1), .exit])
    var scratch = FilterScratch()
    let byte: [UInt8] = [1]
    byte.withUnsafeBytes { #expect(filter.program.run(packet: $0.baseAddress!, length: -1, scratch: &scratch) == 0) }
  }
}
