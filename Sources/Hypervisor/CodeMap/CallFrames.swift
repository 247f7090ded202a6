/// The call frame information of an ELF file (DWARF 4, section 6.4; .eh_frame as the Linux Standard Base describes it),
/// executed.
struct CallFrames {
  private let sections: ELFSections
  private let name: String
  private let sectionAddress: UInt64
  private let isExceptionFrame: Bool

  /// The section .debug_frame, or .eh_frame where there is none.
  init(_ sections: ELFSections) {
    isExceptionFrame = sections[".debug_frame"].isEmpty
    self.sections = sections
    name = isExceptionFrame ? ".eh_frame" : ".debug_frame"
    sectionAddress = sections.addresses[name] ?? 0
  }

  /// What entries have in common.
  private struct Common {
    var codeAlignment: UInt64 = 1
    var dataAlignment: Int64 = 1
    var isInterrupt = false
    var hasAugmentation = false
    var pointerEncoding: UInt8 = 0
    var instructions = ByteReader([])
  }

  /// Rows of all entries, without those of code that the linker has left out.
  func rules() -> [UnwindRule] {
    var rules: [UnwindRule] = []
    var reader = sections.reader(name)
    while !reader.isAtEnd {
      let start = reader.offset
      let length: UInt32 = reader.integer()
      guard length != 0, length < 0xffff_fff0 else { break }
      let body = reader.offset
      let end = body + Int(length)
      let identity: UInt32 = reader.integer()
      if identity != (isExceptionFrame ? 0 : 0xffff_ffff) {
        let place = isExceptionFrame ? body - Int(identity) : Int(identity)
        var entry = reader.limited(to: end)
        if place < start, let common = common(at: place) { run(&entry, common, &rules) }
      }
      reader.move(to: end)
    }
    return rules
  }

  private func common(at place: Int) -> Common? {
    var reader = sections.reader(name, at: place)
    let length: UInt32 = reader.integer()
    let end = reader.offset + Int(length)
    reader.skip(4)
    var common = Common()
    let version: UInt8 = reader.integer()
    let augmentation = reader.text()
    if version >= 4 { reader.skip(2) }
    common.codeAlignment = reader.unsigned()
    common.dataAlignment = reader.signed()
    _ = version == 1 ? UInt64(reader.integer(UInt8.self)) : reader.unsigned()
    common.isInterrupt = augmentation.contains("S")
    common.hasAugmentation = augmentation.hasPrefix("z")
    if common.hasAugmentation {
      let dataLength = reader.unsigned()
      var data = reader
      for letter in augmentation.dropFirst() {
        switch letter {
        case "R": common.pointerEncoding = data.integer()
        case "L": data.skip(1)
        case "S": break
        default: return nil
        }
      }
      reader.skip(dataLength)
    }
    common.instructions = reader.limited(to: end)
    return common
  }

  private func run(_ reader: inout ByteReader, _ common: Common, _ rules: inout [UnwindRule]) {
    guard let start = pointer(&reader, common.pointerEncoding, isRelative: true),
      let size = pointer(&reader, common.pointerEncoding, isRelative: false), start != 0
    else { return }
    if common.hasAugmentation { reader.skip(reader.unsigned()) }
    var machine = CallFrameState(
      rule: UnwindRule(address: start, frame: nil, saved: [], isInterrupt: common.isInterrupt),
      codeAlignment: common.codeAlignment, dataAlignment: common.dataAlignment, work: sections.work)
    var initial = common.instructions
    let first = rules.count
    machine.execute(&initial) { _ in }
    machine.initial = machine.rule
    machine.execute(&reader) { rules.append($0) }
    rules.append(machine.rule)
    // Only .eh_frame says it by a letter; but nothing other than an interrupt keeps the stack pointer.
    for index in first..<rules.count where rules[index].saved.contains(where: { $0.register == 7 }) {
      rules[index].isInterrupt = true
    }
    rules.append(UnwindRule(address: start &+ size, frame: nil, saved: [], isInterrupt: false))
  }

  /// An address as it is encoded in .eh_frame, or plain in .debug_frame; nil where the encoding is none that static
  /// programs have.
  private func pointer(_ reader: inout ByteReader, _ encoding: UInt8, isRelative: Bool) -> UInt64? {
    let place = sectionAddress &+ UInt64(reader.offset)
    let value: UInt64
    switch encoding & 0xf {
    case 0, 4, 0xc: value = reader.integer()
    case 3: value = UInt64(reader.integer(UInt32.self))
    case 0xb: value = UInt64(bitPattern: Int64(reader.integer(Int32.self)))
    default: return nil
    }
    return isRelative && encoding & 0x70 == 0x10 ? value &+ place : value
  }
}

/// The rows of one entry while its instructions are executed (DWARF 4, section 6.4.2).
private struct CallFrameState {
  var rule: UnwindRule
  /// What the common instructions have made: where DW_CFA_restore goes back to.
  var initial: UnwindRule?
  private var remembered: [UnwindRule] = []
  private let codeAlignment: UInt64
  private let dataAlignment: Int64
  private let work: ReadingWork

  init(rule: UnwindRule, codeAlignment: UInt64, dataAlignment: Int64, work: ReadingWork) {
    self.rule = rule
    self.work = work
    self.codeAlignment = codeAlignment
    self.dataAlignment = dataAlignment
  }

  /// Executes to the end; `onRow` gets each row that is complete because the address moves on.
  mutating func execute(_ reader: inout ByteReader, _ onRow: (UnwindRule) -> Void) {
    while !reader.isAtEnd {
      let code: UInt8 = reader.integer()
      let low = UInt64(code & 0x3f)
      switch code >> 6 {
      case 1: advance(low, onRow)
      case 2: save(Int(low), Int64(truncatingIfNeeded: reader.unsigned()) &* dataAlignment)
      case 3: restore(Int(low))
      default:
        switch code {
        case 0x00: break
        case 0x02: advance(UInt64(reader.integer(UInt8.self)), onRow)
        case 0x03: advance(UInt64(reader.integer(UInt16.self)), onRow)
        case 0x04: advance(UInt64(reader.integer(UInt32.self)), onRow)
        case 0x05:
          let register = number(&reader)
          save(register, Int64(truncatingIfNeeded: reader.unsigned()) &* dataAlignment)
        case 0x06: restore(number(&reader))
        case 0x07, 0x08: forget(number(&reader))
        case 0x0a:
          spendRow()
          remembered.append(rule)
        case 0x0b:
          guard var row = remembered.popLast() else { return }
          row.address = rule.address
          rule = row
        case 0x0c:
          let register = number(&reader)
          rule.frame = .init(register: register, offset: Int64(truncatingIfNeeded: reader.unsigned()))
        case 0x0d:
          let register = number(&reader)
          rule.frame?.register = register
        case 0x0e: rule.frame?.offset = Int64(truncatingIfNeeded: reader.unsigned())
        case 0x11:
          let register = number(&reader)
          save(register, reader.signed() &* dataAlignment)
        case 0x12:
          let register = number(&reader)
          rule.frame = .init(register: register, offset: reader.signed() &* dataAlignment)
        case 0x13: rule.frame?.offset = reader.signed() &* dataAlignment
        case 0x2e: _ = reader.unsigned()
        default:
          // Expressions and what else nobody here writes: from here on the caller is not known.
          rule.frame = nil
          return
        }
      }
    }
  }

  private func number(_ reader: inout ByteReader) -> Int { Int(truncatingIfNeeded: reader.unsigned() & 0xff) }

  private mutating func advance(_ delta: UInt64, _ onRow: (UnwindRule) -> Void) {
    spendRow()
    onRow(rule)
    rule.address = rule.address &+ delta &* codeAlignment
  }

  /// A row is kept, with its registers.
  private func spendRow() { work.spend(24 + 4 * rule.saved.count) }

  private mutating func save(_ register: Int, _ offset: Int64) {
    forget(register)
    // Nobody follows the others, of which a number can name many.
    guard register <= UnwindRule.lastRegister else { return }
    work.spend(rule.saved.count)
    rule.saved.append(.init(register: register, offset: offset))
    rule.saved.sort { $0.register < $1.register }
  }

  private mutating func forget(_ register: Int) { rule.saved.removeAll { $0.register == register } }

  private mutating func restore(_ register: Int) {
    forget(register)
    if let saved = initial?.saved.first(where: { $0.register == register }) { save(register, saved.offset) }
  }
}
