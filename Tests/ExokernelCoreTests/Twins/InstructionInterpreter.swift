/// Executes the instructions of the kernel's entries, byte for byte as the linked image has them: the few kinds that
/// assembly files use there, with operands of 32 and 64 bits (Intel SDM volume 2). Anything else is an error, never a
/// guess.
struct InstructionInterpreter {
  /// Where `run` stopped.
  enum Stop: Equatable {
    /// At a call: the return address was pushed, the target's first instruction is next.
    case call(target: UInt64)
    /// At an IRETQ, whose frame lies at the stack pointer.
    case interruptReturn
  }

  /// An instruction that is not among the few, or an address where there is nothing.
  enum Failure: Error, CustomStringConvertible {
    case unknown(opcode: [UInt8], at: UInt64)
    case noMemory(at: UInt64)
    case endless

    var description: String {
      switch self {
      case .unknown(let opcode, let place):
        "no instruction that is known at \(hex(place)): \(opcode.map { hex(UInt64($0)) })"
      case .noMemory(let address): "no memory at \(hex(address))"
      case .endless: "does not come to an end"
      }
    }
  }

  /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
  var registers = [UInt64](repeating: 0, count: 16)
  var instruction: UInt64 = 0
  /// What RDTSC reads.
  var timeStamp: UInt64 = 0
  /// What WRMSR wrote, in order.
  var written: [ModelSpecificWrite] = []
  /// Where a virtual address lies on the host; nil where nothing is mapped.
  let memory: (UInt64) -> UnsafeMutableRawPointer?

  private var isZero = false
  private var isCarry = false
  private var isSign = false
  private var isOverflow = false

  init(memory: @escaping (UInt64) -> UnsafeMutableRawPointer?) { self.memory = memory }

  var stack: UInt64 {
    get { registers[4] }
    set { registers[4] = newValue }
  }

  func load(_ address: UInt64) throws(Failure) -> UInt64 { try load(address, as: UInt64.self) }

  /// Lets the function that was called return.
  mutating func finishCall() throws(Failure) { instruction = try pop() }

  /// Executes up to a call or an IRETQ.
  mutating func run() throws(Failure) -> Stop {
    for _ in 0..<1000 {
      if let stop = try step() { return stop }
    }
    throw .endless
  }

  // Memory.

  private func load<Value: FixedWidthInteger & BitwiseCopyable>(_ address: UInt64, as _: Value.Type) throws(Failure)
    -> Value
  {
    guard let place = memory(address) else { throw .noMemory(at: address) }
    return place.loadUnaligned(as: Value.self)
  }
  private func store(_ address: UInt64, _ value: UInt64, isWide: Bool) throws(Failure) {
    guard let place = memory(address) else { throw .noMemory(at: address) }
    if isWide {
      place.storeBytes(of: value, as: UInt64.self)
    } else {
      place.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
    }
  }
  private mutating func push(_ value: UInt64) throws(Failure) {
    stack &-= 8
    try store(stack, value, isWide: true)
  }
  private mutating func pop() throws(Failure) -> UInt64 {
    defer { stack &+= 8 }
    return try load(stack)
  }

  // Decoding.

  private mutating func fetch<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) throws(Failure) -> Value {
    let value = try load(instruction, as: type)
    instruction &+= UInt64(MemoryLayout<Value>.size)
    return value
  }
  private mutating func fetchSigned8() throws(Failure) -> UInt64 {
    UInt64(truncatingIfNeeded: Int64(try fetch(Int8.self)))
  }
  private mutating func fetchSigned32() throws(Failure) -> UInt64 {
    UInt64(truncatingIfNeeded: Int64(try fetch(Int32.self)))
  }

  private enum Place {
    case register(Int)
    case memory(UInt64)
  }

  /// The two operands that follow an opcode: the register, or what it extends the opcode by; and the register or
  /// memory.
  private mutating func operands(_ prefix: UInt8) throws(Failure) -> (register: Int, place: Place) {
    let byte = try fetch(UInt8.self)
    let register = Int(byte >> 3 & 7) | (prefix & 4 != 0 ? 8 : 0)
    let mode = byte >> 6
    var base = Int(byte & 7)
    if mode == 3 { return (register, .register(base | (prefix & 1 != 0 ? 8 : 0))) }
    var address: UInt64 = 0
    var hasBase = true
    if base == 4 {
      let scaled = try fetch(UInt8.self)
      let index = Int(scaled >> 3 & 7) | (prefix & 2 != 0 ? 8 : 0)
      if index != 4 { address &+= registers[index] << UInt64(scaled >> 6) }
      base = Int(scaled & 7)
      if base == 5, mode == 0 { hasBase = false }
    } else if base == 5, mode == 0 {
      // Relative to the next instruction; no instruction with an immediate operand addresses memory like this in the
      // entries.
      let displacement = try fetchSigned32()
      return (register, .memory(instruction &+ displacement))
    }
    if hasBase { address &+= registers[base | (prefix & 1 != 0 ? 8 : 0)] }
    if mode == 1 { address &+= try fetchSigned8() }
    if mode == 2 || !hasBase { address &+= try fetchSigned32() }
    return (register, .memory(address))
  }

  private func value(_ place: Place, isWide: Bool) throws(Failure) -> UInt64 {
    switch place {
    case .register(let number): isWide ? registers[number] : registers[number] & 0xffff_ffff
    case .memory(let address): isWide ? try load(address) : UInt64(try load(address, as: UInt32.self))
    }
  }
  private mutating func set(_ place: Place, _ value: UInt64, isWide: Bool) throws(Failure) {
    switch place {
    case .register(let number): registers[number] = isWide ? value : value & 0xffff_ffff
    case .memory(let address): try store(address, value, isWide: isWide)
    }
  }

  // Arithmetic.

  /// Sets the flags as for `result`, without carry and overflow.
  private mutating func setFlags(_ result: UInt64, isWide: Bool) {
    isZero = isWide ? result == 0 : UInt32(truncatingIfNeeded: result) == 0
    isSign = result >> (isWide ? 63 : 31) & 1 != 0
    isCarry = false
    isOverflow = false
  }

  /// One of the eight operations that opcodes number from 0: add, or, (with carry, twice,) and, subtract, exclusive or,
  /// compare.
  private mutating func combine(_ operation: UInt8, _ left: UInt64, _ right: UInt64, isWide: Bool) throws(Failure)
    -> UInt64?
  {
    let top: UInt64 = isWide ? 63 : 31
    let mask: UInt64 = isWide ? .max : 0xffff_ffff
    let (left, right) = (left & mask, right & mask)
    switch operation {
    case 0:
      let result = (left &+ right) & mask
      setFlags(result, isWide: isWide)
      isCarry = result < left
      isOverflow = ~(left ^ right) & (left ^ result) >> top & 1 != 0
      return result
    case 1, 4, 6:
      let result = operation == 1 ? left | right : operation == 4 ? left & right : left ^ right
      setFlags(result, isWide: isWide)
      return result
    case 5, 7:
      let result = (left &- right) & mask
      setFlags(result, isWide: isWide)
      isCarry = left < right
      isOverflow = (left ^ right) & (left ^ result) >> top & 1 != 0
      return operation == 5 ? result : nil
    default: throw .unknown(opcode: [operation << 3], at: instruction)
    }
  }

  /// A condition by the low four bits of a jump's opcode.
  private func holds(_ condition: UInt8) throws(Failure) -> Bool {
    let isTrue: Bool
    switch condition >> 1 {
    case 0: isTrue = isOverflow
    case 1: isTrue = isCarry
    case 2: isTrue = isZero
    case 3: isTrue = isCarry || isZero
    case 4: isTrue = isSign
    case 6: isTrue = isSign != isOverflow
    case 7: isTrue = isZero || isSign != isOverflow
    default: throw .unknown(opcode: [0x70 | condition], at: instruction)
    }
    return isTrue != (condition & 1 != 0)
  }

  // One instruction.

  private mutating func step() throws(Failure) -> Stop? {
    let start = instruction
    var opcode = try fetch(UInt8.self)
    // LOCK: nobody else executes.
    if opcode == 0xf0 { opcode = try fetch(UInt8.self) }
    var prefix: UInt8 = 0
    if opcode & 0xf0 == 0x40 {
      prefix = opcode & 15
      opcode = try fetch(UInt8.self)
    }
    let isWide = prefix & 8 != 0
    let extended = Int(opcode & 7) | (prefix & 1 != 0 ? 8 : 0)
    switch opcode {
    case 0x0f: try stepExtended(prefix, isWide: isWide, from: start)
    case 0x50...0x57: try push(registers[extended])
    case 0x58...0x5f: registers[extended] = try pop()
    case 0x68: try push(try fetchSigned32())
    case 0x6a: try push(try fetchSigned8())
    case 0x70...0x7f:
      let distance = try fetchSigned8()
      if try holds(opcode & 15) { instruction &+= distance }
    case 0x81, 0x83:
      let (operation, place) = try operands(prefix)
      let right = opcode == 0x81 ? try fetchSigned32() : try fetchSigned8()
      let left = try value(place, isWide: isWide)
      if let result = try combine(UInt8(operation & 7), left, right, isWide: isWide) {
        try set(place, result, isWide: isWide)
      }
    case 0x85:
      let (register, place) = try operands(prefix)
      setFlags(try value(place, isWide: isWide) & registers[register], isWide: isWide)
    case 0x89:
      let (register, place) = try operands(prefix)
      try set(place, registers[register], isWide: isWide)
    case 0x8b:
      let (register, place) = try operands(prefix)
      try set(.register(register), try value(place, isWide: isWide), isWide: isWide)
    case 0x8f:
      // The address is that after the stack pointer has moved.
      let popped = try pop()
      let (_, place) = try operands(prefix)
      try set(place, popped, isWide: true)
    case 0xb8...0xbf: registers[extended] = isWide ? try fetch(UInt64.self) : UInt64(try fetch(UInt32.self))
    case 0xc1:
      let (operation, place) = try operands(prefix)
      let distance = UInt64(try fetch(UInt8.self))
      let before = try value(place, isWide: isWide)
      guard operation & 7 == 4 || operation & 7 == 5 else { throw .unknown(opcode: [opcode], at: start) }
      let result = operation & 7 == 4 ? before << distance : before >> distance
      setFlags(result, isWide: isWide)
      try set(place, result, isWide: isWide)
    case 0xc7:
      let (_, place) = try operands(prefix)
      try set(place, try fetchSigned32(), isWide: isWide)
    case 0xcf where isWide: return .interruptReturn
    case 0xe8:
      let distance = try fetchSigned32()
      try push(instruction)
      instruction &+= distance
      return .call(target: instruction)
    case 0xe9:
      let distance = try fetchSigned32()
      instruction &+= distance
    case 0xeb:
      let distance = try fetchSigned8()
      instruction &+= distance
    case 0xfc: break
    case 0xff: return try stepOnOne(prefix, isWide: isWide, from: start)
    case 0x00...0x3f where opcode & 7 == 5:
      if let result = try combine(opcode >> 3, registers[0], try fetchSigned32(), isWide: isWide) {
        try set(.register(0), result, isWide: isWide)
      }
    case 0x00...0x3f where opcode & 5 == 1:
      let (register, place) = try operands(prefix)
      let target = opcode & 2 != 0 ? Place.register(register) : place
      let other = opcode & 2 != 0 ? place : Place.register(register)
      let (left, right) = (try value(target, isWide: isWide), try value(other, isWide: isWide))
      if let result = try combine(opcode >> 3, left, right, isWide: isWide) {
        try set(target, result, isWide: isWide)
      }
    default: throw .unknown(opcode: [opcode], at: start)
    }
    return nil
  }

  /// Increment, call, jump or push of one operand.
  private mutating func stepOnOne(_ prefix: UInt8, isWide: Bool, from start: UInt64) throws(Failure) -> Stop? {
    let (operation, place) = try operands(prefix)
    switch operation & 7 {
    case 0:
      let carry = isCarry
      let result = try combine(0, try value(place, isWide: isWide), 1, isWide: isWide) ?? 0
      isCarry = carry
      try set(place, result, isWide: isWide)
    case 2:
      let target = try value(place, isWide: true)
      try push(instruction)
      instruction = target
      return .call(target: target)
    case 4: instruction = try value(place, isWide: true)
    case 6: try push(try value(place, isWide: true))
    default: throw .unknown(opcode: [0xff], at: start)
    }
    return nil
  }

  /// Opcodes of two bytes.
  private mutating func stepExtended(_ prefix: UInt8, isWide: Bool, from start: UInt64) throws(Failure) {
    let opcode = try fetch(UInt8.self)
    switch opcode {
    case 0x1f: _ = try operands(prefix)
    case 0x30:
      let value = registers[2] << 32 | registers[0] & 0xffff_ffff
      written.append(ModelSpecificWrite(number: UInt32(truncatingIfNeeded: registers[1]), value: value))
    case 0x31:
      registers[0] = timeStamp & 0xffff_ffff
      registers[2] = timeStamp >> 32
    case 0x80...0x8f:
      let distance = try fetchSigned32()
      if try holds(opcode & 15) { instruction &+= distance }
    case 0xc1:
      let (register, place) = try operands(prefix)
      let before = try value(place, isWide: isWide)
      let sum = try combine(0, before, registers[register], isWide: isWide) ?? 0
      try set(.register(register), before, isWide: isWide)
      try set(place, sum, isWide: isWide)
    default: throw .unknown(opcode: [0x0f, opcode], at: start)
    }
  }
}

/// A WRMSR.
struct ModelSpecificWrite: Equatable {
  var number: UInt32
  var value: UInt64
}

private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
