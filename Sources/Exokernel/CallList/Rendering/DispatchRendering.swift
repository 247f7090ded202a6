extension Rendering {
  /// Calls by their numbers, for the tests of the kernel's core.
  static func dispatch(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      import ExokernelABI

      @testable import ExokernelCore

      // Calls of the kernel's functions by number and registers, as ring 0's glue makes them.
      extension Kernel {
        /// Makes call `number`; nil for one that is more than the kernel's function of its name.
        func call(_ number: CallNumber, _ registers: [UInt64]) -> CallResult? {
          switch number {

      """
    for call in list {
      if case .handWritten = call.glue { continue }
      text += "    case .\(call.name):\n" + dispatched(call.name, call, indent: 6)
    }
    text += handWritten(list) { if case .handWritten = $0.glue { true } else { false } }
    text += """
            nil
          }
        }

        /// Makes the first half of call `number`, which checks; false for one that has no such half.
        func decode(_ number: CallNumber, _ registers: [UInt64]) throws(CallError) -> Bool {
          switch number {

      """
    for call in list {
      guard case .generated = call.glue else { continue }
      text += "    case .\(call.name):\n" + dispatched("_ = try decode\(call.typeName)", call, indent: 6)
    }
    text += handWritten(list) { if case .generated = $0.glue { false } else { true } }
    return text + "      return false\n    }\n    return true\n  }\n}\n"
  }

  private static func dispatched(_ head: String, _ call: CallDescription, indent: Int) -> String {
    if call.isPacked {
      let items = registers.prefix(call.arguments.count).enumerated().map { "\($1): registers[\($0)]" }
      let margin = String(repeating: " ", count: indent)
      return "\(margin)\(head)(\n"
        + Layout.list("\(call.typeName)Arguments(", items, "))", indent: indent + 2)
    }
    let items = call.fields.map { "\($0.field.name): registers[\($0.register)]" }
    return Layout.list("\(head)(", items, ")", indent: indent)
  }

  private static func handWritten(_ list: [CallDescription], _ isNamed: (CallDescription) -> Bool) -> String {
    let names = list.filter(isNamed).map { ".\($0.name)" }.joined(separator: ", ") + ":"
    return Layout.wrapped(names, prefix: "    case ", following: "      ")
  }
}
