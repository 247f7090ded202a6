import Testing

@testable import DownloadedCode

@Suite("Verifier")
struct VerifierTests {
  private func reason(_ instructions: [Instruction]) -> VerifierError? {
    do throws(VerifierError) {
      _ = try BoundFilter(instructions)
      return nil
    } catch {
      return error
    }
  }

  private let accept: [Instruction] = [.arithmetic(.move, .r0, 1), .exit]

  /// Expects `instruction`, put before a proper end, to be refused for `expected` at its place.
  private func expect(
    _ instruction: Instruction, _ expected: VerifierError.Reason, _ location: SourceLocation = #_sourceLocation
  ) {
    let error = reason([instruction] + accept)
    #expect(
      error == VerifierError(reason: expected, index: 0), "opcode \(instruction.opcode)", sourceLocation: location)
  }

  @Test("an empty program is refused")
  func empty() { #expect(reason([])?.reason == .emptyProgram) }

  @Test("a program fills the capacity but does not pass it")
  func length() {
    let filling = Array(repeating: Instruction.arithmetic(.move, .r3, 1), count: 62)
    #expect(reason(filling + accept) == nil)
    #expect(reason(filling + [.arithmetic(.move, .r3, 1)] + accept)?.reason == .programTooLong)
  }

  @Test("storage that is too small is refused")
  func smallStorage() {
    let storage = UnsafeMutableBufferPointer<DecodedInstruction>.allocate(capacity: 1)
    defer { storage.deallocate() }
    let words = accept.map(\.word)
    #expect(throws: VerifierError(reason: .programTooLong, index: 2)) {
      try FilterProgram.verify(words.span, into: storage)
    }
    #expect(throws: VerifierError(reason: .programTooLong, index: 2)) {
      try FilterProgram.verify(words.span, into: UnsafeMutableBufferPointer(start: nil, count: 0))
    }
  }

  @Test("every opcode outside the subset is refused, and every one inside can be verified")
  func opcodes() {
    var accepted = 0
    for opcode in UInt8.min...UInt8.max {
      // Forms the fields can take; an opcode is supported if one of them is.
      let isSupported = [
        Instruction(opcode: opcode, destination: 1), Instruction(opcode: opcode, destination: 1, source: 2),
        Instruction(opcode: opcode, destination: 1, immediate: 16), Instruction(opcode: opcode),
        Instruction(opcode: opcode, destination: 10, source: 1, offset: -8),
        Instruction(opcode: opcode, destination: 10, offset: -8),
      ].contains { form in
        let program =
          [Instruction.arithmetic(.move, .r0, 0), form] + (opcode == 0x18 ? [Instruction(word: 0)] : [])
          + (opcode == 0x95 ? [] : accept)
        return reason(program) == nil
      }
      accepted += isSupported ? 1 : 0
      let group = opcode & 7
      let high = opcode >> 4
      let expected =
        switch group {
        case 0: opcode == 0x18
        case 1: opcode >> 5 == 3 || (opcode >> 5 == 4 && opcode >> 3 & 3 != 3)
        case 2, 3: opcode >> 5 == 3
        case 4, 7: high <= 13 && !(high == 8 && opcode & 8 != 0) && !(high == 13 && group == 7 && opcode & 8 != 0)
        default: high <= 13 && high != 8 && !(high == 0 && opcode & 8 != 0) && !(high == 9 && opcode != 0x95)
        }
      #expect(isSupported == expected, "opcode \(opcode)")
    }
    #expect(accepted == 1 + 7 + 8 + 53 + 47)
  }

  @Test("calls, atomics and symbolic immediates are refused by name")
  func unsupported() {
    expect(Instruction(opcode: 0x85, immediate: 1), .callNotSupported)
    expect(Instruction(opcode: 0x8d), .callNotSupported)
    expect(Instruction(opcode: 0xc3, destination: 10, source: 1, offset: -4), .atomicNotSupported)
    expect(Instruction(opcode: 0xdb, destination: 10, source: 1, offset: -8), .atomicNotSupported)
    for kind in UInt8(1)...6 {
      expect(Instruction(opcode: 0x18, destination: 3, source: kind), .symbolicImmediateNotSupported)
    }
    expect(Instruction(opcode: 0x20), .unsupportedOpcode)
    expect(Instruction(opcode: 0xe7, destination: 3), .unsupportedOpcode)
    expect(Instruction(opcode: 0xe5, destination: 3), .unsupportedOpcode)
    expect(Instruction(opcode: 0x96), .unsupportedOpcode)
  }

  @Test("registers above r10 do not exist")
  func registers() {
    for register in UInt8(11)...15 {
      expect(Instruction(opcode: 0xb7, destination: register), .noSuchRegister)
      expect(Instruction(opcode: 0xbf, destination: 3, source: register), .noSuchRegister)
      expect(Instruction(opcode: 0x71, destination: 3, source: register), .noSuchRegister)
      expect(Instruction(opcode: 0x1d, destination: 3, source: register), .noSuchRegister)
    }
  }

  @Test("r10 is neither written, copied, compared nor stored")
  func framePointer() {
    expect(Instruction(opcode: 0xb7, destination: 10), .framePointerEscapes)
    expect(Instruction(opcode: 0x07, destination: 10, immediate: 1), .framePointerEscapes)
    expect(Instruction(opcode: 0xd4, destination: 10, immediate: 16), .framePointerEscapes)
    expect(Instruction(opcode: 0xbf, destination: 3, source: 10), .framePointerEscapes)
    expect(Instruction(opcode: 0x0f, destination: 1, source: 10), .framePointerEscapes)
    expect(Instruction(opcode: 0x1d, destination: 1, source: 10), .framePointerEscapes)
    expect(Instruction(opcode: 0x15, destination: 10), .framePointerEscapes)
    expect(Instruction(opcode: 0x71, destination: 10, source: 1), .framePointerEscapes)
    expect(Instruction(opcode: 0x7b, destination: 10, source: 10, offset: -8), .framePointerEscapes)
    expect(Instruction(opcode: 0x18, destination: 10), .framePointerEscapes)
  }

  @Test("registers are written before they are read, on every path")
  func initialisation() {
    for register in [UInt8(0), 3, 4, 5, 6, 7, 8, 9] {
      expect(Instruction(opcode: 0x07, destination: register), .registerNotInitialised)
      expect(Instruction(opcode: 0xbf, destination: 3, source: register), .registerNotInitialised)
      expect(Instruction(opcode: 0x15, destination: register), .registerNotInitialised)
      expect(Instruction(opcode: 0x1d, destination: 1, source: register), .registerNotInitialised)
      expect(Instruction(opcode: 0x71, destination: 3, source: register), .registerNotInitialised)
      expect(Instruction(opcode: 0x7b, destination: 10, source: register, offset: -8), .registerNotInitialised)
      expect(Instruction(opcode: 0xd7, destination: register, immediate: 16), .registerNotInitialised)
      expect(Instruction(opcode: 0x87, destination: register), .registerNotInitialised)
    }
    #expect(reason([.exit]) == VerifierError(reason: .registerNotInitialised, index: 0))
    // Written on one of two paths only.
    let one: [Instruction] = [.jump(.equal, .r2, 0, to: 1), .arithmetic(.move, .r0, 1), .exit]
    #expect(reason(one) == VerifierError(reason: .registerNotInitialised, index: 2))
    let both: [Instruction] = [
      .jump(.equal, .r2, 0, to: 2), .arithmetic(.move, .r0, 1), Instruction(opcode: 5, offset: 1),
      .arithmetic(.move, .r0, 2), .exit,
    ]
    #expect(reason(both) == nil)
  }

  @Test("reserved fields are zero")
  func reservedFields() {
    expect(Instruction(opcode: 0xb7, destination: 3, source: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0xbf, destination: 3, source: 1, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x07, destination: 1, offset: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x37, destination: 1, offset: 2), .reservedFieldSet)
    expect(Instruction(opcode: 0xb7, destination: 3, offset: 8), .reservedFieldSet)
    expect(Instruction(opcode: 0xbf, destination: 3, source: 1, offset: 24), .reservedFieldSet)
    expect(Instruction(opcode: 0xbc, destination: 3, source: 1, offset: 32), .reservedFieldSet)
    expect(Instruction(opcode: 0x87, destination: 1, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x8f, destination: 1, source: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0xdf, destination: 1, immediate: 16), .reservedFieldSet)
    expect(Instruction(opcode: 0xd4, destination: 1, source: 1, immediate: 16), .reservedFieldSet)
    expect(Instruction(opcode: 0xd4, destination: 1, offset: 1, immediate: 16), .reservedFieldSet)
    expect(Instruction(opcode: 0x61, destination: 3, source: 1, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x7b, destination: 10, source: 1, offset: -8, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x7a, destination: 10, source: 1, offset: -8), .reservedFieldSet)
    expect(Instruction(opcode: 0x05, destination: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x05, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x06, offset: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x15, destination: 1, source: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x1d, destination: 1, source: 1, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x95, immediate: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x95, offset: 1), .reservedFieldSet)
    expect(Instruction(opcode: 0x18, destination: 3, offset: 1), .reservedFieldSet)
  }

  @Test("byte swaps are of 16, 32 or 64 bits")
  func byteSwapWidths() {
    for width in [Int32(0), 8, 17, 24, 48, 128, -16] {
      expect(Instruction(opcode: 0xd4, destination: 1, immediate: width), .byteSwapWidthInvalid)
      expect(Instruction(opcode: 0xd7, destination: 1, immediate: width), .byteSwapWidthInvalid)
    }
  }

  @Test("jumps go forward and stay inside")
  func jumps() {
    for offset in [Int16(-1), -2, Int16.min] {
      expect(.jump(.equal, .r1, 0, to: offset), .jumpNotForward)
      expect(Instruction(opcode: 0x05, offset: offset), .jumpNotForward)
    }
    expect(Instruction(opcode: 0x06, immediate: Int32.min), .jumpNotForward)
    for offset in [Int16(2), 3, 62, 63, Int16.max] {
      expect(.jump(.equal, .r1, 0, to: offset), .jumpOutsideProgram)
      expect(Instruction(opcode: 0x05, offset: offset), .jumpOutsideProgram)
    }
    expect(Instruction(opcode: 0x06, immediate: Int32.max), .jumpOutsideProgram)
  }

  @Test("64-bit immediates are whole and entered at their start")
  func wideImmediates() {
    #expect(reason([Instruction(opcode: 0x18, destination: 0)])?.reason == .wideInstructionIncomplete)
    expect(Instruction(opcode: 0x18, destination: 3), .wideInstructionIncomplete)
    let second = [
      Instruction(opcode: 0, destination: 1), Instruction(opcode: 0, source: 1), Instruction(opcode: 0, offset: 1),
    ]
    for word in second {
      #expect(reason([Instruction(opcode: 0x18), word, .exit])?.reason == .wideInstructionIncomplete)
    }
    let into = [Instruction.jump(.equal, .r1, 0, to: 1)] + wide(0, 1) + [.exit]
    #expect(reason(into) == VerifierError(reason: .jumpIntoWideInstruction, index: 1))
    #expect(reason(wide(0, 1) + [.exit]) == nil)
    // The end of a program right after a 64-bit immediate.
    #expect(reason(wide(0, 1)) == VerifierError(reason: .fallsOffTheEnd, index: 0))
  }

  @Test("a program ends with exit on every path")
  func ends() {
    #expect(reason([.arithmetic(.move, .r0, 1)]) == VerifierError(reason: .fallsOffTheEnd, index: 0))
    let branch: [Instruction] = [.arithmetic(.move, .r0, 1), .jump(.equal, .r1, 0, to: 0)]
    #expect(reason(branch)?.reason == .jumpOutsideProgram)
  }

  @Test("instructions that no path reaches are refused")
  func unreachable() {
    #expect(reason(accept + accept) == VerifierError(reason: .unreachable, index: 2))
    let skipped: [Instruction] = [.arithmetic(.move, .r0, 1), Instruction(opcode: 5, offset: 1), .exit, .exit]
    #expect(reason(skipped) == VerifierError(reason: .unreachable, index: 2))
  }

  @Test("stack accesses stay in the 64 bytes below r10")
  func stackBounds() {
    for (size, code) in [(1, UInt8(2)), (2, 1), (4, 0), (8, 3)] {
      for offset in [Int16.min, -73, -65, Int16(-size + 1), 0, 1, Int16.max] {
        expect(Instruction(opcode: 0x63 | code << 3, destination: 10, source: 1, offset: offset), .stackOutOfBounds)
        expect(Instruction(opcode: 0x62 | code << 3, destination: 10, offset: offset), .stackOutOfBounds)
        expect(Instruction(opcode: 0x61 | code << 3, destination: 3, source: 10, offset: offset), .stackOutOfBounds)
      }
    }
  }

  @Test("stack bytes are written before they are read, on every path")
  func stackInitialisation() {
    expect(.load(.r3, .byte, .r10, -1), .stackNotInitialised)
    let partly: [Instruction] = [.store(.word, .r10, -8, .r1), .load(.r3, .doubleWord, .r10, -8)]
    #expect(reason(partly + accept) == VerifierError(reason: .stackNotInitialised, index: 1))
    let oneByteShort: [Instruction] = [.store(.doubleWord, .r10, -8, .r1), .load(.r3, .word, .r10, -9)]
    #expect(reason(oneByteShort + accept) == VerifierError(reason: .stackNotInitialised, index: 1))
    let onOnePath: [Instruction] = [
      .jump(.equal, .r2, 0, to: 1), .store(.byte, .r10, -1, .r1), .load(.r3, .byte, .r10, -1),
    ]
    #expect(reason(onOnePath + accept) == VerifierError(reason: .stackNotInitialised, index: 2))
    let whole: [Instruction] = [
      .store(.word, .r10, -8, .r1), .store(.word, .r10, -4, .r1), .load(.r3, .doubleWord, .r10, -8),
    ]
    #expect(reason(whole + accept) == nil)
  }

  @Test("only the stack can be stored to")
  func stores() {
    expect(.store(.byte, .r1, 0, .r2), .storeOutsideStack)
    expect(Instruction(opcode: 0x72, destination: 2), .storeOutsideStack)
  }

  @Test("a refused program leaves storage that rejects every packet, and so does zeroed storage")
  func refusedStorage() {
    let storage = UnsafeMutableBufferPointer<DecodedInstruction>.allocate(capacity: 64)
    defer { storage.deallocate() }
    storage.initialize(repeating: DecodedInstruction())
    let words = (accept + accept).map(\.word)
    #expect(throws: VerifierError.self) { try FilterProgram.verify(words.span, into: storage) }
    #expect(storage[0].operation == .reject)
    #expect(Operation.reject.rawValue == 0)
    #expect(MemoryLayout<DecodedInstruction>.stride == 16)
    #expect(MemoryLayout<FilterScratch>.size == ExecutionState.memoryByteCount)
  }

  @Test("errors name the instruction and the reason")
  func descriptions() {
    let error = VerifierError(reason: .callNotSupported, index: 12)
    #expect(
      error.description == "filter instruction 12: calls are not supported; let the compiler inline (always_inline)")
  }
}
