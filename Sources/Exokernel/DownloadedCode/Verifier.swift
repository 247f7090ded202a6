/// Proves that a program ends and stays within its machine, and compiles it to steps. Jumps go forward only, so every
/// pass is one walk over the words and the work is bounded by `FilterProgram.capacity`.
///
/// Proven: known opcodes, reserved fields zero, jumps forward and inside, no fall off the end, no unreachable word, no
/// register or stack byte read before it is written on every path, stack accesses in bounds, no store elsewhere. Left
/// to the interpreter: the bounds of packet loads, because the length is known only then, and division by zero, which
/// RFC 9669 defines.
@safe struct Verifier {
  /// What is known before the instruction at an index; later passes reuse the fields.
  struct Facts: BitwiseCopyable {
    /// Registers written on every path here. After `check`: registers read. After `findLiveRegisters`: registers still
    /// needed.
    var registers: UInt16 = 0
    /// Registers holding the packet's start on every path here. After `check`: registers written. After `fuse`: the
    /// step's index.
    var bases: UInt16 = 0
    /// Stack bytes written on every path here.
    var stack: UInt64 = 0
    /// Index of the instruction that follows, 0 for none.
    var next: UInt8 = 0
    /// Index of the instruction jumped to, 0 for none.
    var target: UInt8 = 0
  }

  /// The facts of all words. They lie outside the verifier: an array inside would be copied whole at every look at it.
  @safe struct FactsTable {
    private let base: UnsafeMutablePointer<Facts>

    /// A table at `base`, which holds `FilterProgram.capacity` elements as long as the table is used.
    init(base: UnsafeMutablePointer<Facts>) { unsafe self.base = base }

    // Safe: every index comes from a walk over the words or a target checked against their count.
    @inline(__always) subscript(index: Int) -> Facts {
      get { unsafe base[index] }
      nonmutating set { unsafe base[index] = newValue }
    }
  }

  private let steps: UnsafeMutablePointer<DecodedInstruction>
  private let count: Int
  private let facts: FactsTable
  /// Indexes that some instruction goes to, one bit each.
  private var reached: UInt64 = 1
  /// Indexes that some instruction jumps to, one bit each.
  private var targets: UInt64 = 0
  /// Indexes of second words of 64-bit immediates, one bit each.
  private var secondHalves: UInt64 = 0

  /// A verifier of `count` words (at most `FilterProgram.capacity`) with as many elements at `steps`, and empty facts.
  init(steps: UnsafeMutablePointer<DecodedInstruction>, count: Int, facts: FactsTable) {
    unsafe self.steps = steps
    self.count = count
    self.facts = facts
    facts[0].registers = 0b110
    facts[0].bases = 0b10
  }

  private func bit(_ index: Int) -> UInt64 { 1 &<< UInt64(truncatingIfNeeded: index) }

  // Safe: every index comes from a walk over 0..<count or a target checked against count.
  private func step(_ index: Int) -> DecodedInstruction { unsafe steps[index] }

  // MARK: First pass: check and decode

  /// Checks every word and leaves the decoded instructions in `steps`, at the words' indexes.
  mutating func check(_ code: Span<UInt64>) throws(VerifierError) {
    var index = 0
    while index < count {
      let instruction = Instruction(word: code[index])
      var following: Instruction?
      if instruction.opcode == 0x18 && index &+ 1 < count {
        following = Instruction(word: code[index &+ 1])
      }
      let isWide: Bool
      do throws(VerifierError.Reason) {
        isWide = try check(instruction, next: following, at: index)
      } catch {
        throw VerifierError(reason: error, index: index)
      }
      index &+= isWide ? 2 : 1
    }
  }

  /// Checks one instruction and carries what is known over to the ones after it; returns whether it takes two words.
  private mutating func check(
    _ instruction: Instruction, next following: Instruction?, at index: Int
  ) throws(VerifierError.Reason) -> Bool {
    guard reached & bit(index) != 0 else { throw .unreachable }
    var known = facts[index]
    var effects = DecodedEffects()
    var decoded = try Decoder(packetBases: known.bases, index: index)
      .decode(instruction, next: following, effects: &effects)
    guard effects.reads & ~known.registers == 0 else { throw .registerNotInitialised }
    guard effects.stackReads & ~known.stack == 0 else { throw .stackNotInitialised }

    let copiesBase = effects.copiesSource && known.bases & effects.reads != 0
    known.registers |= effects.writes
    known.bases = known.bases & ~effects.writes | (copiesBase ? effects.writes : 0)
    known.stack |= effects.stackWrites
    facts[index].registers = effects.reads
    facts[index].bases = effects.writes

    if effects.isWide {
      // Only instructions before this one could jump between its words, and they are all checked.
      guard targets & bit(index &+ 1) == 0 else { throw .jumpIntoWideInstruction }
      secondHalves |= bit(index &+ 1)
    }
    if effects.target >= 0 {
      guard effects.target < count else { throw .jumpOutsideProgram }
      decoded.jump = UInt16(truncatingIfNeeded: effects.target)
      facts[index].target = UInt8(truncatingIfNeeded: effects.target)
      targets |= bit(effects.target)
      carry(known, to: effects.target)
    }
    if effects.fallsThrough {
      let next = index &+ (effects.isWide ? 2 : 1)
      guard next < count else { throw .fallsOffTheEnd }
      facts[index].next = UInt8(truncatingIfNeeded: next)
      carry(known, to: next)
    }
    // Safe: index < count.
    unsafe steps[index] = decoded
    return effects.isWide
  }

  /// Keeps at `index` what is known on this path too.
  private mutating func carry(_ known: Facts, to index: Int) {
    if reached & bit(index) == 0 {
      reached |= bit(index)
      facts[index].registers = known.registers
      facts[index].bases = known.bases
      facts[index].stack = known.stack
    } else {
      facts[index].registers &= known.registers
      facts[index].bases &= known.bases
      facts[index].stack &= known.stack
    }
  }

  // MARK: Second pass: which registers are still needed

  /// Walks backwards and notes before each instruction the registers that some path from there reads before writing.
  mutating func findLiveRegisters() {
    var index = count &- 1
    while index >= 0 {
      if secondHalves & bit(index) == 0 {
        facts[index].registers |= liveAfter(index) & ~facts[index].bases
      }
      index &-= 1
    }
  }

  private func liveAfter(_ index: Int) -> UInt16 {
    var live: UInt16 = 0
    if facts[index].next != 0 { live |= facts[Int(facts[index].next)].registers }
    if facts[index].target != 0 { live |= facts[Int(facts[index].target)].registers }
    return live
  }

  // MARK: Third pass: fuse and compact

  /// Replaces sequences by fused steps and closes the gaps; returns how many steps remain.
  mutating func fuse() -> Int {
    var index = 0
    var stepCount = 0
    while index < count {
      if secondHalves & bit(index) != 0 {
        index &+= 1
        continue
      }
      var end = index
      let fused = fusedLoadAndJump(from: index, last: &end) ?? fusedExit(from: index, last: &end) ?? step(index)
      facts[index].bases = UInt16(truncatingIfNeeded: stepCount)
      // Safe: stepCount <= index < count, and the words up to `end` have been read.
      unsafe steps[stepCount] = fused
      stepCount &+= 1
      index = end &+ 1
    }
    return stepCount
  }

  /// The index of the instruction that always follows the one at `index` and is entered in no other way.
  private func onlySuccessor(of index: Int) -> Int? {
    let next = Int(facts[index].next)
    return next != 0 && facts[index].target == 0 && targets & bit(next) == 0 ? next : nil
  }

  private func fusedExit(from index: Int, last: inout Int) -> DecodedInstruction? {
    var result = step(index)
    guard result.operation == .move64K, result.destination == 0, let next = onlySuccessor(of: index),
      step(next).operation == .exit
    else { return nil }
    result.operation = .exitImmediate
    last = next
    return result
  }

  /// Load from a constant place of the packet, optionally swap to host order, optionally mask, then compare with an
  /// immediate and jump, when the loaded value is not needed afterwards. The comparison is turned round to work on the
  /// bytes as they lie.
  private func fusedLoadAndJump(from first: Int, last: inout Int) -> DecodedInstruction? {
    let load = step(first)
    let bits: UInt64
    switch load.operation {
    case .packet8: bits = 0xff
    case .packet16: bits = 0xffff
    case .packet32: bits = 0xffff_ffff
    default: return nil
    }
    guard var index = onlySuccessor(of: first) else { return nil }
    let swaps =
      step(index).operation == .swap16 && bits == 0xffff || step(index).operation == .swap32 && bits == 0xffff_ffff
    if swaps {
      guard step(index).destination == load.destination, let next = onlySuccessor(of: index) else { return nil }
      index = next
    }
    var mask = bits
    if step(index).operation == .and64K || step(index).operation == .and32K {
      guard step(index).destination == load.destination, let next = onlySuccessor(of: index) else { return nil }
      mask &= step(index).immediate
      index = next
    }
    let jump = step(index)
    guard jump.destination == load.destination, liveAfter(index) & (1 &<< UInt16(load.destination)) == 0
    else { return nil }
    var value = jump.immediate
    let isEqual: Bool
    switch jump.operation {
    case .equal64K, .equal32K: isEqual = true
    case .notEqual64K, .notEqual32K: isEqual = false
    case .anyBitSet64K, .anyBitSet32K:
      isEqual = false
      mask &= value
      value = 0
    default: return nil
    }
    // A value wider than what was loaded is never equal: rare enough to stay unfused.
    guard value <= bits else { return nil }

    var result = DecodedInstruction(.reject)
    switch (bits, mask == bits) {
    case (0xff, true): result.operation = isEqual ? .packet8Equal : .packet8NotEqual
    case (0xff, false): result.operation = isEqual ? .packet8MaskedEqual : .packet8MaskedNotEqual
    case (0xffff, true): result.operation = isEqual ? .packet16Equal : .packet16NotEqual
    case (0xffff, false): result.operation = isEqual ? .packet16MaskedEqual : .packet16MaskedNotEqual
    case (_, true): result.operation = isEqual ? .packet32Equal : .packet32NotEqual
    case (_, false): result.operation = isEqual ? .packet32MaskedEqual : .packet32MaskedNotEqual
    }
    func inMemoryOrder(_ value: UInt64) -> UInt64 {
      guard swaps else { return value }
      if bits == 0xffff { return UInt64(UInt16(truncatingIfNeeded: value).byteSwapped) }
      return UInt64(UInt32(truncatingIfNeeded: value).byteSwapped)
    }
    result.offset = load.offset
    result.jump = jump.jump
    result.immediate = inMemoryOrder(value) | (mask == bits ? 0 : inMemoryOrder(mask) &<< 32)
    last = index
    return result
  }

  // MARK: Fourth pass: jumps

  /// Turns the jumps' targets, still indexes of words, into distances in bytes of steps.
  mutating func resolveJumps(stepCount: Int) {
    for index in 0..<stepCount {
      let target = Int(step(index).jump)
      if target == 0 { continue }
      let distance = (Int(facts[target].bases) &- index &- 1) &* MemoryLayout<DecodedInstruction>.stride
      // Safe: index < stepCount <= count.
      unsafe steps[index].jump = UInt16(truncatingIfNeeded: distance)
    }
  }
}
