/// The state of one run: the program's registers and stack, the packet, and the place in the program.
///
/// Operands are read when they are named, and only then: in guest ring 0 every instruction may cost half a microsecond.
@safe struct ExecutionState {
  /// Registers r0 to r9, then the stack; uninitialised, as the verifier proved that it is written before it is read.
  private let memory: UnsafeMutableRawPointer
  private let packet: UnsafeRawPointer
  private let length: UInt64
  private var place: UnsafeRawPointer

  /// Bytes of memory a run needs, aligned to 8.
  static var memoryByteCount: Int { FilterProgram.registersByteCount + FilterProgram.stackByteCount }

  @inline(__always)
  init(
    steps: UnsafePointer<DecodedInstruction>, memory: UnsafeMutableRawPointer, packet: UnsafeRawPointer, length: UInt64
  ) {
    unsafe self.memory = memory
    unsafe self.packet = packet
    self.length = length
    unsafe place = UnsafeRawPointer(steps)
    unsafe memory.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    unsafe memory.storeBytes(of: length, toByteOffset: 16, as: UInt64.self)
  }

  // Safe, for everything below: `place` stays within the verified steps, whose register numbers are below 10, whose
  // stack places are inside the memory and whose jumps lead forward to steps; packet accesses are checked here.

  /// The step whose operation `next` returned; `place` is already past it.
  @inline(__always)
  private var step: UnsafePointer<DecodedInstruction> {
    unsafe (place - MemoryLayout<DecodedInstruction>.stride).assumingMemoryBound(to: DecodedInstruction.self)
  }

  /// Takes the next step. The place moves on first, so that most steps have nothing to do afterwards.
  @inline(__always)
  mutating func next() -> Operation {
    let operation = unsafe place.assumingMemoryBound(to: DecodedInstruction.self).pointee.operation
    unsafe place += MemoryLayout<DecodedInstruction>.stride
    return operation
  }

  /// Goes on at the jump's target.
  @inline(__always)
  mutating func jump() { unsafe place += Int(step.pointee.jump) }

  /// The verdict as it stands.
  @inline(__always)
  var r0: UInt64 { unsafe memory.load(as: UInt64.self) }

  /// The destination register.
  @inline(__always)
  var d: UInt64 {
    get { unsafe memory.load(fromByteOffset: Int(step.pointee.destination) &* 8, as: UInt64.self) }
    nonmutating set {
      unsafe memory.storeBytes(of: newValue, toByteOffset: Int(step.pointee.destination) &* 8, as: UInt64.self)
    }
  }

  /// The destination register's low half; writing clears the high half.
  @inline(__always)
  var d32: UInt32 {
    get { UInt32(truncatingIfNeeded: d) }
    nonmutating set { d = UInt64(newValue) }
  }

  /// The source register.
  @inline(__always)
  var x: UInt64 { unsafe memory.load(fromByteOffset: Int(step.pointee.source) &* 8, as: UInt64.self) }

  /// The source register's low half.
  @inline(__always)
  var x32: UInt32 { UInt32(truncatingIfNeeded: x) }

  /// The immediate, extended to 64 bits.
  @inline(__always)
  var k: UInt64 { unsafe step.pointee.immediate }

  /// The immediate's low half.
  @inline(__always)
  var k32: UInt32 { UInt32(truncatingIfNeeded: k) }

  /// The immediate's high half: a fused step's mask.
  @inline(__always)
  var mask: UInt32 { UInt32(truncatingIfNeeded: k &>> 32) }

  /// Loads from the packet at a constant place; nil outside it.
  @inline(__always)
  func packet<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) -> Value? {
    let end = UInt64(unsafe step.pointee.offset)
    guard end <= length else { return nil }
    let start = Int(truncatingIfNeeded: end) &- MemoryLayout<Value>.size
    return unsafe packet.loadUnaligned(fromByteOffset: start, as: Value.self)
  }

  /// Loads from the packet at source register plus offset; nil outside it.
  @inline(__always)
  func computed<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) -> Value? {
    let start = x &+ k
    guard start <= length, length &- start >= UInt64(MemoryLayout<Value>.size) else { return nil }
    return unsafe packet.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: start), as: Value.self)
  }

  /// Loads from the stack.
  @inline(__always)
  func stack<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) -> Value {
    unsafe memory.loadUnaligned(fromByteOffset: Int(step.pointee.offset), as: Value.self)
  }

  /// Stores the low bytes of `value` to the stack.
  @inline(__always)
  func storeStack<Value: FixedWidthInteger & BitwiseCopyable>(_ value: UInt64, as _: Value.Type) {
    unsafe memory.storeBytes(
      of: Value(truncatingIfNeeded: value), toByteOffset: Int(step.pointee.offset), as: Value.self)
  }
}

// MARK: Division, RFC 9669 section 4.1: by zero gives 0, modulo zero keeps the dividend, and nothing traps

extension FixedWidthInteger {
  /// The quotient, wrapping; 0 if `divisor` is 0.
  @inline(__always)
  func filterQuotient(_ divisor: Self) -> Self {
    divisor == 0 ? 0 : dividedReportingOverflow(by: divisor).partialValue
  }

  /// The remainder with the dividend's sign; the dividend if `divisor` is 0.
  @inline(__always)
  func filterRemainder(_ divisor: Self) -> Self {
    divisor == 0 ? self : remainderReportingOverflow(dividingBy: divisor).partialValue
  }
}

/// `value` as a signed number.
@inline(__always)
func signed(_ value: UInt64) -> Int64 { Int64(bitPattern: value) }

/// `value` as a signed number.
@inline(__always)
func signed(_ value: UInt32) -> Int32 { Int32(bitPattern: value) }

/// The bits of `value`.
@inline(__always)
func bits(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) }

/// The bits of `value`.
@inline(__always)
func bits(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) }

/// `value` extended by its sign to 64 bits.
@inline(__always)
func extended<Value: FixedWidthInteger & SignedInteger>(_ value: Value) -> UInt64 { UInt64(truncatingIfNeeded: value) }
