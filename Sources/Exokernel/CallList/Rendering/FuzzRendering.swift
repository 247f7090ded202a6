extension Rendering {
  /// What the fuzz program knows of each call.
  static func fuzzShapes(_ list: [CallDescription]) -> String {
    var units: [String] = []
    for name in Unit.all.map(\.caseName) where !units.contains(name) { units.append(name) }
    var text = """
      // \(notice)

      import ExokernelABI

      /// What an argument of a call means, and so what is almost right for it.
      enum ArgumentKind {

      """
    text += Layout.wrapped(
      "none, " + units.joined(separator: ", "), prefix: "  case ", following: "  case "
    ).replacing(",\n", with: "\n")
    text += """
      }

      /// What a call returns where it is accepted, each of which has bounds.
      enum ResultKind {

      """
    var results: [String] = []
    for call in list where !results.contains(call.result.rawValue) { results.append(call.result.rawValue) }
    text += Layout.wrapped(results.joined(separator: ", "), prefix: "  case ").replacing(",\n", with: "\n")
    text += """
      }

      /// What the capability in a slot is presented for.
      enum GuardedObject {
        case \(Guarded.allCases.map(\.rawValue).joined(separator: ", "))
      }

      /// The values that a call takes.
      typealias CallShape = InlineArray<\(mostFields(list)), ArgumentShape>

      extension CallNumber {
        /// The values that it takes; the rest is `none`.
        var shape: CallShape {
          switch self {

      """
    for call in list { text += shape(call, places: mostFields(list)) }
    text += "    }\n  }\n\n  /// What it returns where it is accepted.\n  var result: ResultKind {\n    switch self {\n"
    text += cases(list) { ".\($0.result.rawValue)" }
    text += "    }\n  }\n\n  /// What the capability that it takes is presented for.\n"
    text += "  var presentedFor: GuardedObject {\n    switch self {\n"
    text += cases(list) { ".\($0.presentedFor.rawValue)" }
    text += "    }\n  }\n\n"
    text += "  /// One in so many of these calls is made: those that take the kernel or the console long, or end the "
    text += "caller.\n"
    text += "  var rarity: UInt64 {\n    switch self {\n"
    text += cases(list) { "\($0.fuzz.rarity)" }
    text += "    }\n  }\n\n  /// What it may do to the program that makes it.\n"
    text += "  var danger: CallDanger {\n    switch self {\n"
    text += cases(list) { danger($0) }
    return text + "    }\n  }\n}\n"
  }

  private static func mostFields(_ list: [CallDescription]) -> Int { list.map(\.fields.count).max() ?? 0 }

  private static func shape(_ call: CallDescription, places: Int) -> String {
    var items = call.fields.map { register, field in
      if field.bits == 0..<64 { return "ArgumentShape(.\(field.unit.caseName), in: \(register))" }
      let mask = field.bits.count == 64 ? ".max" : "1 &<< \(field.bits.count) &- 1"
      return
        "ArgumentShape(.\(field.unit.caseName), in: \(register), shift: \(field.bits.lowerBound), mask: \(mask))"
    }
    items += Array(repeating: ".none", count: places - items.count)
    return "    case .\(call.name):\n" + Layout.list("[", items, "]", indent: 6)
  }

  /// The cases of a switch, one for each value, so that no call goes without one.
  private static func cases(_ list: [CallDescription], _ value: (CallDescription) -> String) -> String {
    var order: [String] = []
    var calls: [String: [String]] = [:]
    for call in list {
      let value = value(call)
      if calls[value] == nil { order.append(value) }
      calls[value, default: []].append(".\(call.name)")
    }
    return order.map { value in
      let names = (calls[value] ?? []).joined(separator: ", ")
      let line = "    case \(names): \(value)"
      if line.count <= Layout.width { return line + "\n" }
      return Layout.wrapped(names, prefix: "    case ", following: "      ").dropLast() + ":\n      \(value)\n"
    }.joined()
  }

  private static func danger(_ call: CallDescription) -> String {
    func register(_ name: String) -> Int { call.fields.first { $0.field.name == name }?.register ?? 0 }
    return switch call.fuzz.danger {
    case .none: ".none"
    case .always: ".always"
    case .address(let name): ".address(\(register(name)))"
    case .frame(let name): ".frame(\(register(name)))"
    case .rights(let name): ".rights(\(register(name)))"
    }
  }
}

extension CallDescription {
  /// What the capability in its slot is presented for; `own` where it takes none.
  var presentedFor: Guarded {
    for (_, field) in fields { if case .slot(let object) = field.unit { return object } }
    return .own
  }
}
