extension FilterProgram {
  /// Runs the program over the `length` bytes at `packet` and returns its verdict, 0 for "not mine".
  ///
  /// Ends after at most `stepCount` steps, reads no byte outside the packet, and never fails. A negative `length`
  /// counts as 0.
  public func run(packet: UnsafeRawPointer, length: Int, scratch: inout FilterScratch) -> UInt64 {
    // Safe: the scratch holds `ExecutionState.memoryByteCount` bytes and outlives the run.
    unsafe withUnsafeMutableBytes(of: &scratch) { memory in
      unsafe Self.interpret(
        ExecutionState(
          steps: steps, memory: memory.baseAddress.unsafelyUnwrapped, packet: packet,
          length: UInt64(truncatingIfNeeded: length < 0 ? 0 : length)))
    }
  }

  /// The steps until the program ends. Each goes forward, and the verifier saw that the last one ends.
  @inline(__always)
  private static func interpret(_ state: consuming ExecutionState) -> UInt64 {
    var m = state
    while true {
      switch m.next() {
      case .reject: return 0
      case .exit: return m.r0
      case .exitImmediate: return m.k

      case .move64K: m.d = m.k
      case .move64X: m.d = m.x
      case .move32X: m.d32 = m.x32
      case .signExtend8To64: m.d = extended(Int8(truncatingIfNeeded: m.x))
      case .signExtend16To64: m.d = extended(Int16(truncatingIfNeeded: m.x))
      case .signExtend32To64: m.d = extended(Int32(truncatingIfNeeded: m.x))
      case .signExtend8To32: m.d32 = bits(Int32(Int8(truncatingIfNeeded: m.x)))
      case .signExtend16To32: m.d32 = bits(Int32(Int16(truncatingIfNeeded: m.x)))

      case .add64K: m.d &+= m.k
      case .add64X: m.d &+= m.x
      case .add32K: m.d32 &+= m.k32
      case .add32X: m.d32 &+= m.x32
      case .subtract64K: m.d &-= m.k
      case .subtract64X: m.d &-= m.x
      case .subtract32K: m.d32 &-= m.k32
      case .subtract32X: m.d32 &-= m.x32
      case .multiply64K: m.d &*= m.k
      case .multiply64X: m.d &*= m.x
      case .multiply32K: m.d32 &*= m.k32
      case .multiply32X: m.d32 &*= m.x32
      case .or64K: m.d |= m.k
      case .or64X: m.d |= m.x
      case .or32K: m.d32 |= m.k32
      case .or32X: m.d32 |= m.x32
      case .and64K: m.d &= m.k
      case .and64X: m.d &= m.x
      case .and32K: m.d32 &= m.k32
      case .and32X: m.d32 &= m.x32
      case .exclusiveOr64K: m.d ^= m.k
      case .exclusiveOr64X: m.d ^= m.x
      case .exclusiveOr32K: m.d32 ^= m.k32
      case .exclusiveOr32X: m.d32 ^= m.x32
      case .shiftLeft64K: m.d &<<= m.k
      case .shiftLeft64X: m.d &<<= m.x
      case .shiftLeft32K: m.d32 &<<= m.k32
      case .shiftLeft32X: m.d32 &<<= m.x32
      case .shiftRight64K: m.d &>>= m.k
      case .shiftRight64X: m.d &>>= m.x
      case .shiftRight32K: m.d32 &>>= m.k32
      case .shiftRight32X: m.d32 &>>= m.x32
      case .arithmeticShiftRight64K: m.d = bits(signed(m.d) &>> signed(m.k))
      case .arithmeticShiftRight64X: m.d = bits(signed(m.d) &>> signed(m.x))
      case .arithmeticShiftRight32K: m.d32 = bits(signed(m.d32) &>> signed(m.k32))
      case .arithmeticShiftRight32X: m.d32 = bits(signed(m.d32) &>> signed(m.x32))
      case .divide64K: m.d = m.d.filterQuotient(m.k)
      case .divide64X: m.d = m.d.filterQuotient(m.x)
      case .divide32K: m.d32 = m.d32.filterQuotient(m.k32)
      case .divide32X: m.d32 = m.d32.filterQuotient(m.x32)
      case .modulo64K: m.d = m.d.filterRemainder(m.k)
      case .modulo64X: m.d = m.d.filterRemainder(m.x)
      case .modulo32K: m.d32 = m.d32.filterRemainder(m.k32)
      case .modulo32X: m.d32 = m.d32.filterRemainder(m.x32)
      case .signedDivide64K: m.d = bits(signed(m.d).filterQuotient(signed(m.k)))
      case .signedDivide64X: m.d = bits(signed(m.d).filterQuotient(signed(m.x)))
      case .signedDivide32K: m.d32 = bits(signed(m.d32).filterQuotient(signed(m.k32)))
      case .signedDivide32X: m.d32 = bits(signed(m.d32).filterQuotient(signed(m.x32)))
      case .signedModulo64K: m.d = bits(signed(m.d).filterRemainder(signed(m.k)))
      case .signedModulo64X: m.d = bits(signed(m.d).filterRemainder(signed(m.x)))
      case .signedModulo32K: m.d32 = bits(signed(m.d32).filterRemainder(signed(m.k32)))
      case .signedModulo32X: m.d32 = bits(signed(m.d32).filterRemainder(signed(m.x32)))
      case .negate64: m.d = 0 &- m.d
      case .negate32: m.d32 = 0 &- m.d32
      case .truncate16: m.d &= 0xffff
      case .truncate32: m.d &= 0xffff_ffff
      case .truncate64: break
      case .swap16: m.d = UInt64(UInt16(truncatingIfNeeded: m.d).byteSwapped)
      case .swap32: m.d = UInt64(m.d32.byteSwapped)
      case .swap64: m.d = m.d.byteSwapped

      case .jump: m.jump()
      case .equal64K: if m.d == m.k { m.jump() }
      case .equal64X: if m.d == m.x { m.jump() }
      case .equal32K: if m.d32 == m.k32 { m.jump() }
      case .equal32X: if m.d32 == m.x32 { m.jump() }
      case .notEqual64K: if m.d != m.k { m.jump() }
      case .notEqual64X: if m.d != m.x { m.jump() }
      case .notEqual32K: if m.d32 != m.k32 { m.jump() }
      case .notEqual32X: if m.d32 != m.x32 { m.jump() }
      case .anyBitSet64K: if m.d & m.k != 0 { m.jump() }
      case .anyBitSet64X: if m.d & m.x != 0 { m.jump() }
      case .anyBitSet32K: if m.d32 & m.k32 != 0 { m.jump() }
      case .anyBitSet32X: if m.d32 & m.x32 != 0 { m.jump() }
      case .greater64K: if m.d > m.k { m.jump() }
      case .greater64X: if m.d > m.x { m.jump() }
      case .greater32K: if m.d32 > m.k32 { m.jump() }
      case .greater32X: if m.d32 > m.x32 { m.jump() }
      case .greaterOrEqual64K: if m.d >= m.k { m.jump() }
      case .greaterOrEqual64X: if m.d >= m.x { m.jump() }
      case .greaterOrEqual32K: if m.d32 >= m.k32 { m.jump() }
      case .greaterOrEqual32X: if m.d32 >= m.x32 { m.jump() }
      case .less64K: if m.d < m.k { m.jump() }
      case .less64X: if m.d < m.x { m.jump() }
      case .less32K: if m.d32 < m.k32 { m.jump() }
      case .less32X: if m.d32 < m.x32 { m.jump() }
      case .lessOrEqual64K: if m.d <= m.k { m.jump() }
      case .lessOrEqual64X: if m.d <= m.x { m.jump() }
      case .lessOrEqual32K: if m.d32 <= m.k32 { m.jump() }
      case .lessOrEqual32X: if m.d32 <= m.x32 { m.jump() }
      case .signedGreater64K: if signed(m.d) > signed(m.k) { m.jump() }
      case .signedGreater64X: if signed(m.d) > signed(m.x) { m.jump() }
      case .signedGreater32K: if signed(m.d32) > signed(m.k32) { m.jump() }
      case .signedGreater32X: if signed(m.d32) > signed(m.x32) { m.jump() }
      case .signedGreaterOrEqual64K: if signed(m.d) >= signed(m.k) { m.jump() }
      case .signedGreaterOrEqual64X: if signed(m.d) >= signed(m.x) { m.jump() }
      case .signedGreaterOrEqual32K: if signed(m.d32) >= signed(m.k32) { m.jump() }
      case .signedGreaterOrEqual32X: if signed(m.d32) >= signed(m.x32) { m.jump() }
      case .signedLess64K: if signed(m.d) < signed(m.k) { m.jump() }
      case .signedLess64X: if signed(m.d) < signed(m.x) { m.jump() }
      case .signedLess32K: if signed(m.d32) < signed(m.k32) { m.jump() }
      case .signedLess32X: if signed(m.d32) < signed(m.x32) { m.jump() }
      case .signedLessOrEqual64K: if signed(m.d) <= signed(m.k) { m.jump() }
      case .signedLessOrEqual64X: if signed(m.d) <= signed(m.x) { m.jump() }
      case .signedLessOrEqual32K: if signed(m.d32) <= signed(m.k32) { m.jump() }
      case .signedLessOrEqual32X: if signed(m.d32) <= signed(m.x32) { m.jump() }

      case .packet8:
        guard let value = m.packet(UInt8.self) else { return 0 }
        m.d = UInt64(value)
      case .packet16:
        guard let value = m.packet(UInt16.self) else { return 0 }
        m.d = UInt64(value)
      case .packet32:
        guard let value = m.packet(UInt32.self) else { return 0 }
        m.d = UInt64(value)
      case .packet64:
        guard let value = m.packet(UInt64.self) else { return 0 }
        m.d = value
      case .packetSigned8:
        guard let value = m.packet(Int8.self) else { return 0 }
        m.d = extended(value)
      case .packetSigned16:
        guard let value = m.packet(Int16.self) else { return 0 }
        m.d = extended(value)
      case .packetSigned32:
        guard let value = m.packet(Int32.self) else { return 0 }
        m.d = extended(value)
      case .computed8:
        guard let value = m.computed(UInt8.self) else { return 0 }
        m.d = UInt64(value)
      case .computed16:
        guard let value = m.computed(UInt16.self) else { return 0 }
        m.d = UInt64(value)
      case .computed32:
        guard let value = m.computed(UInt32.self) else { return 0 }
        m.d = UInt64(value)
      case .computed64:
        guard let value = m.computed(UInt64.self) else { return 0 }
        m.d = value
      case .computedSigned8:
        guard let value = m.computed(Int8.self) else { return 0 }
        m.d = extended(value)
      case .computedSigned16:
        guard let value = m.computed(Int16.self) else { return 0 }
        m.d = extended(value)
      case .computedSigned32:
        guard let value = m.computed(Int32.self) else { return 0 }
        m.d = extended(value)
      case .stack8: m.d = UInt64(m.stack(UInt8.self))
      case .stack16: m.d = UInt64(m.stack(UInt16.self))
      case .stack32: m.d = UInt64(m.stack(UInt32.self))
      case .stack64: m.d = m.stack(UInt64.self)
      case .stackSigned8: m.d = extended(m.stack(Int8.self))
      case .stackSigned16: m.d = extended(m.stack(Int16.self))
      case .stackSigned32: m.d = extended(m.stack(Int32.self))
      case .storeStack8K: m.storeStack(m.k, as: UInt8.self)
      case .storeStack16K: m.storeStack(m.k, as: UInt16.self)
      case .storeStack32K: m.storeStack(m.k, as: UInt32.self)
      case .storeStack64K: m.storeStack(m.k, as: UInt64.self)
      case .storeStack8X: m.storeStack(m.x, as: UInt8.self)
      case .storeStack16X: m.storeStack(m.x, as: UInt16.self)
      case .storeStack32X: m.storeStack(m.x, as: UInt32.self)
      case .storeStack64X: m.storeStack(m.x, as: UInt64.self)

      case .packet8Equal:
        guard let value = m.packet(UInt8.self) else { return 0 }
        if value == UInt8(truncatingIfNeeded: m.k) { m.jump() }
      case .packet16Equal:
        guard let value = m.packet(UInt16.self) else { return 0 }
        if value == UInt16(truncatingIfNeeded: m.k) { m.jump() }
      case .packet32Equal:
        guard let value = m.packet(UInt32.self) else { return 0 }
        if value == m.k32 { m.jump() }
      case .packet8NotEqual:
        guard let value = m.packet(UInt8.self) else { return 0 }
        if value != UInt8(truncatingIfNeeded: m.k) { m.jump() }
      case .packet16NotEqual:
        guard let value = m.packet(UInt16.self) else { return 0 }
        if value != UInt16(truncatingIfNeeded: m.k) { m.jump() }
      case .packet32NotEqual:
        guard let value = m.packet(UInt32.self) else { return 0 }
        if value != m.k32 { m.jump() }
      case .packet8MaskedEqual:
        guard let value = m.packet(UInt8.self) else { return 0 }
        if value & UInt8(truncatingIfNeeded: m.mask) == UInt8(truncatingIfNeeded: m.k) { m.jump() }
      case .packet16MaskedEqual:
        guard let value = m.packet(UInt16.self) else { return 0 }
        if value & UInt16(truncatingIfNeeded: m.mask) == UInt16(truncatingIfNeeded: m.k) { m.jump() }
      case .packet32MaskedEqual:
        guard let value = m.packet(UInt32.self) else { return 0 }
        if value & m.mask == m.k32 { m.jump() }
      case .packet8MaskedNotEqual:
        guard let value = m.packet(UInt8.self) else { return 0 }
        if value & UInt8(truncatingIfNeeded: m.mask) != UInt8(truncatingIfNeeded: m.k) { m.jump() }
      case .packet16MaskedNotEqual:
        guard let value = m.packet(UInt16.self) else { return 0 }
        if value & UInt16(truncatingIfNeeded: m.mask) != UInt16(truncatingIfNeeded: m.k) { m.jump() }
      case .packet32MaskedNotEqual:
        guard let value = m.packet(UInt32.self) else { return 0 }
        if value & m.mask != m.k32 { m.jump() }
      }
    }
  }
}
