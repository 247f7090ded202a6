@testable import DownloadedCode

/// The RFC's machine, written from RFC 9669 without regard to speed: it decodes each word when it executes it and
/// checks everything. What the real interpreter does must equal what this does.
struct ReferenceMachine {
  /// What must never happen in a verified program.
  enum Violation: Error, Equatable {
    case badWord(Int), uninitialisedRegister(Int), stack(Int), endless
  }

  private var registers: [UInt64?] = Array(repeating: nil, count: 11)
  private var stack: [UInt8?] = Array(repeating: nil, count: 64)
  private let packet: [UInt8]
  private let code: [UInt64]

  init(_ code: [UInt64], packet: [UInt8]) {
    self.code = code
    self.packet = packet
    registers[1] = 0
    registers[2] = UInt64(packet.count)
  }

  private struct OutsidePacket: Error {}

  /// The verdict.
  static func run(_ code: [UInt64], packet: [UInt8]) throws -> UInt64 {
    var machine = ReferenceMachine(code, packet: packet)
    do { return try machine.execute() } catch is OutsidePacket { return 0 }
  }

  private func read(_ register: Int, at index: Int) throws -> UInt64 {
    guard register < 10, let value = registers[register] else { throw Violation.uninitialisedRegister(index) }
    return value
  }

  private mutating func execute() throws -> UInt64 {
    var index = 0
    for _ in 0...code.count {
      guard code.indices.contains(index) else { throw Violation.badWord(index) }
      let word = code[index]
      let opcode = Int(word & 0xff)
      let destination = Int(word >> 8 & 15)
      let source = Int(word >> 12 & 15)
      let offset = Int(Int16(truncatingIfNeeded: word >> 16))
      let immediate = Int64(Int32(truncatingIfNeeded: word >> 32))
      let usesRegister = opcode & 8 != 0
      switch opcode & 7 {
      case 0:
        guard opcode == 0x18 else { throw Violation.badWord(index) }
        registers[destination] = word >> 32 | code[index + 1] & 0xffff_ffff_0000_0000
        index += 1
      case 1:
        let bytes = [4, 2, 1, 8][opcode >> 3 & 3]
        let raw: UInt64
        if source == 10 {
          raw = try loadStack(offset, bytes, at: index)
        } else {
          raw = try loadPacket(try read(source, at: index), offset, bytes)
        }
        let shift = UInt64(64 - 8 * bytes)
        registers[destination] = opcode >> 5 == 4 ? UInt64(bitPattern: Int64(bitPattern: raw << shift) >> shift) : raw
      case 2, 3:
        guard destination == 10 else { throw Violation.badWord(index) }
        let value = opcode & 7 == 2 ? UInt64(bitPattern: immediate) : try read(source, at: index)
        for byte in 0..<[4, 2, 1, 8][opcode >> 3 & 3] {
          guard stack.indices.contains(64 + offset + byte) else { throw Violation.stack(index) }
          stack[64 + offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        }
      case 4, 7:
        let is64 = opcode & 7 == 7
        let old = opcode >> 4 == 11 ? 0 : try read(destination, at: index)
        let operand = usesRegister && opcode >> 4 != 13 ? try read(source, at: index) : UInt64(bitPattern: immediate)
        registers[destination] =
          opcode >> 4 == 13
          ? try Self.swap(old, Int(immediate), toBig: is64 || usesRegister)
          : is64
            ? try Self.arithmetic(opcode >> 4, Int64(bitPattern: old), Int64(bitPattern: operand), offset)
            : try Self.arithmetic(
              opcode >> 4, Int32(truncatingIfNeeded: old), Int32(truncatingIfNeeded: operand), offset)
      default:
        let is64 = opcode & 7 == 5
        switch opcode >> 4 {
        case 9: return try read(0, at: index)
        case 0: index += is64 ? offset : Int(immediate)
        default:
          let left = try read(destination, at: index)
          let right = usesRegister ? try read(source, at: index) : UInt64(bitPattern: immediate)
          let holds =
            is64
            ? try Self.compare(opcode >> 4, Int64(bitPattern: left), Int64(bitPattern: right))
            : try Self.compare(opcode >> 4, Int32(truncatingIfNeeded: left), Int32(truncatingIfNeeded: right))
          if holds { index += offset }
        }
      }
      index += 1
    }
    throw Violation.endless
  }

  private func loadPacket(_ base: UInt64, _ offset: Int, _ bytes: Int) throws -> UInt64 {
    let address = base &+ UInt64(bitPattern: Int64(offset))
    guard let start = Int(exactly: address), start <= packet.count, start + bytes <= packet.count
    else { throw OutsidePacket() }
    return packet[start..<(start + bytes)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func loadStack(_ offset: Int, _ bytes: Int, at index: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for byte in (0..<bytes).reversed() {
      guard stack.indices.contains(64 + offset + byte), let loaded = stack[64 + offset + byte]
      else { throw Violation.stack(index) }
      value = value << 8 | UInt64(loaded)
    }
    return value
  }

  private static func swap(_ value: UInt64, _ width: Int, toBig: Bool) throws -> UInt64 {
    let bytes = (0..<(width / 8)).map { value >> UInt64(8 * $0) & 0xff }
    return (toBig ? bytes : bytes.reversed()).reduce(0) { $0 << 8 | $1 }
  }

  private static func compare<Value: FixedWidthInteger & SignedInteger>(
    _ operation: Int, _ left: Value, _ right: Value
  ) throws -> Bool {
    let unsignedLeft = Value.Magnitude(truncatingIfNeeded: left)
    let unsignedRight = Value.Magnitude(truncatingIfNeeded: right)
    switch operation {
    case 1: return left == right
    case 2: return unsignedLeft > unsignedRight
    case 3: return unsignedLeft >= unsignedRight
    case 4: return left & right != 0
    case 5: return left != right
    case 6: return left > right
    case 7: return left >= right
    case 10: return unsignedLeft < unsignedRight
    case 11: return unsignedLeft <= unsignedRight
    case 12: return left < right
    case 13: return left <= right
    default: throw Violation.badWord(operation)
    }
  }

  private static func arithmetic<Value: FixedWidthInteger & SignedInteger>(
    _ operation: Int, _ left: Value, _ right: Value, _ modifier: Int
  ) throws -> UInt64 {
    typealias Unsigned = Value.Magnitude
    let unsignedLeft = Unsigned(truncatingIfNeeded: left)
    let unsignedRight = Unsigned(truncatingIfNeeded: right)
    let shift = Int(unsignedRight % Unsigned(Value.bitWidth))
    let result: Unsigned
    switch operation {
    case 0: result = unsignedLeft &+ unsignedRight
    case 1: result = unsignedLeft &- unsignedRight
    case 2: result = unsignedLeft &* unsignedRight
    case 3 where right == 0: result = 0
    case 3 where modifier == 0: result = unsignedLeft / unsignedRight
    case 3: result = left == .min && right == -1 ? unsignedLeft : Unsigned(truncatingIfNeeded: left / right)
    case 4: result = unsignedLeft | unsignedRight
    case 5: result = unsignedLeft & unsignedRight
    case 6: result = unsignedLeft << shift
    case 7: result = unsignedLeft >> shift
    case 8: result = 0 &- unsignedLeft
    case 9 where right == 0: result = unsignedLeft
    case 9 where modifier == 0: result = unsignedLeft % unsignedRight
    case 9: result = left == .min && right == -1 ? 0 : Unsigned(truncatingIfNeeded: left % right)
    case 10: result = unsignedLeft ^ unsignedRight
    case 11 where modifier == 8: result = Unsigned(truncatingIfNeeded: Int8(truncatingIfNeeded: right))
    case 11 where modifier == 16: result = Unsigned(truncatingIfNeeded: Int16(truncatingIfNeeded: right))
    case 11 where modifier == 32: result = Unsigned(truncatingIfNeeded: Int32(truncatingIfNeeded: right))
    case 11: result = unsignedRight
    case 12: result = Unsigned(truncatingIfNeeded: left >> shift)
    default: throw Violation.badWord(operation)
    }
    return UInt64(truncatingIfNeeded: result)
  }
}
