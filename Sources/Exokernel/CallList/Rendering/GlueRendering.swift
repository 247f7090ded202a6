extension Rendering {
  /// The functions that the call table names, but those that are written by hand.
  static func glue(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      import CRingZero
      import ExokernelABI
      import ExokernelCore

      // The call table's entries: entries.S calls them with the environment's registers as arguments, and returns what
      // they return in rax. Calls that give the processor up, end their caller, or go on as another environment are in
      // SwitchingCalls.swift.

      """
    for call in list {
      if case .handWritten = call.glue { continue }
      let names = call.isPacked ? Array(registers.prefix(call.arguments.count)) : call.fields.map(\.field.name)
      text += "\n@c(call_\(call.symbol))\n"
      text += Layout.list(
        "func call\(call.typeName)(", names.map { "_ \($0): UInt64" }, ") -> Int64 {", indent: 0)
      let labels = names.map { "\($0): \($0)" }
      if call.isPacked {
        text += Layout.list(
          "let arguments = \(call.typeName)Arguments(", labels, ")", indent: 2)
        text += "  return kernel.\(call.name)(arguments).rawValue\n}\n"
      } else {
        text += Layout.list("kernel.\(call.name)(", labels, ").rawValue", indent: 2) + "}\n"
      }
    }
    return text
  }
}
