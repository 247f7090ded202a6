extension Rendering {
  /// The kernel's functions of the calls' names: each decodes, which checks everything and may refuse, and then
  /// performs, which cannot fail. Calls whose usual case has a way of its own, and those that are more than a function,
  /// are written by hand.
  static func border(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      import ExokernelABI

      // Each call is two functions that its author writes: `decode` checks everything, and throws what the call is
      // refused with, before anything was changed; `perform` gets what was decoded, changes the state, and cannot fail.
      extension Kernel {

      """
    var isFirst = true
    for call in list {
      guard case .generated = call.glue else { continue }
      if !isFirst { text += "\n" }
      isFirst = false
      text += "  /// `CallNumber.\(call.name)`.\n"
      let names = call.fields.map(\.field.name)
      let parameters = call.isPacked ? ["_ call: \(call.typeName)Arguments"] : names.map { "\($0): UInt64" }
      let arguments = call.isPacked ? ["call"] : names.map { "\($0): \($0)" }
      // Each is called in one place, ring 0's glue, and becomes a part of that.
      let head = "@inline(__always) public func \(call.name)("
      text += Layout.list(head, parameters, ") -> CallResult {", indent: 2)
      text += "    do throws(CallError) {\n"
      text += Layout.list("let decoded = try decode\(call.typeName)(", arguments, ")", indent: 6)
      let perform = "perform\(call.typeName)(decoded)"
      let hasValue = call.result != .nothing
      text += hasValue ? "      return CallResult(\(perform))\n" : "      \(perform)\n      return .success\n"
      text += "    } catch {\n      return refuse(error)\n    }\n  }\n"
    }
    return text + "}\n"
  }
}
