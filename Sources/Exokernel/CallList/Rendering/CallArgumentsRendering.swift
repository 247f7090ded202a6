extension Rendering {
  /// The registers that arguments are in, in their order.
  static let registers = ["rdi", "rsi", "rdx", "rcx", "r8"]

  /// The structures of calls with several values in one register, for both sides.
  static func callArguments(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      // Each structure holds registers, and takes them apart where a value is asked for: so nothing is decoded that
      // nobody looks at. The values are plain integers, whatever the caller has put there, and whoever uses one checks
      // it.

      """
    for value in PackedValue.all {
      text += structure(value.name, doc: value.doc, arguments: [value.argument], registers: ["rawValue"])
    }
    for call in list where call.isPacked {
      text += structure(
        "\(call.typeName)Arguments", doc: "The arguments of `CallNumber.\(call.name)`, some of which share a register.",
        arguments: call.arguments, registers: registers)
    }
    return text
  }

  private static func structure(_ name: String, doc: String, arguments: [Argument], registers: [String]) -> String {
    let pairs = Array(zip(registers, arguments))
    var text = "\n" + Layout.comment(doc, indent: 0)
    text += "@frozen public struct \(name): BitwiseCopyable, Sendable {\n"
    for (register, argument) in pairs {
      text += "  /// \(argument.signature).\n  public let \(register): UInt64\n"
    }
    // From registers.
    text += "\n  /// What the registers hold.\n"
    text += Layout.list(
      "@inline(__always) public init(", pairs.map { "\($0.0): UInt64" }, ") {", indent: 2)
    for (register, _) in pairs { text += "    self.\(register) = \(register)\n" }
    text += "  }\n"
    // From values.
    let fields = arguments.flatMap(\.fields)
    text += "\n  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.\n"
    text += Layout.list(
      "@inline(__always) public init(", fields.map { "\($0.name): UInt64" }, ") {", indent: 2)
    for (register, argument) in pairs {
      let parts = argument.fields.map { field in
        let shift = field.bits.lowerBound
        let isTop = field.bits.upperBound == 64
        let value = isTop ? field.name : "\(field.name) & \(mask(field.bits.count))"
        return shift == 0 ? value : isTop ? "\(value) &<< \(shift)" : "(\(value)) &<< \(shift)"
      }
      text += "    \(register) = \(parts.joined(separator: " | "))\n"
    }
    text += "  }\n"
    for (register, argument) in pairs {
      for field in argument.fields {
        let shift = field.bits.lowerBound
        var value = shift == 0 ? register : "\(register) &>> \(shift)"
        if field.bits.upperBound != 64 { value += " & \(mask(field.bits.count))" }
        text += "\n" + Layout.comment(field.unit.doc.capitalized + ".", indent: 2)
        text += "  @inline(__always) public var \(field.name): UInt64 { \(value) }\n"
      }
    }
    return text + "}\n"
  }

  /// So many ones.
  private static func mask(_ count: Int) -> String {
    let digits = String(repeating: "f", count: count / 4)
    let first = ["", "1", "3", "7"][count % 4]
    let all = Array(first + digits)
    // Groups of four digits, from the right, as everywhere.
    var grouped = ""
    for (index, digit) in all.enumerated() {
      if index != 0, (all.count - index) % 4 == 0 { grouped += "_" }
      grouped.append(digit)
    }
    return "0x\(grouped)"
  }
}
