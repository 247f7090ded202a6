/// A parameter of one of the library's functions: "label name = default", or "name".
struct StubParameter {
  /// The words before the name, with a space behind them where there are any.
  let label: String
  let name: String
  /// What is there where nothing is said.
  let initial: String?

  init(_ text: String) {
    let halves = text.split(separator: " = ", maxSplits: 1)
    let words = halves[0].split(separator: " ")
    name = String(words[words.count - 1])
    label = words.count > 1 ? "\(words[0]) " : ""
    initial = halves.count > 1 ? String(halves[1]) : nil
  }
}

extension Rendering {
  /// The library's functions, but those that are written by hand.
  static func stubs(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      import CLibOS
      import ExokernelABI

      // The kernel's calls as Swift functions; KernelCall.swift has those that need more than a call. Each throws the
      // kernel's refusal.
      extension KernelCall {

      """
    var isFirst = true
    for call in list {
      guard case .generated(let name, let parameters, let repeats, let isDiscardable) = call.stub else { continue }
      if !isFirst { text += "\n" }
      isFirst = false
      text += stub(
        call, name, parameters.map(StubParameter.init), repeats: repeats, isDiscardable: isDiscardable)
    }
    return text + "}\n"
  }

  private static func stub(
    _ call: CallDescription, _ name: String, _ parameters: [StubParameter], repeats: Bool, isDiscardable: Bool
  ) -> String {
    let fields = Dictionary(uniqueKeysWithValues: call.fields.map { ($0.field.name, $0.field) })
    let again = repeats ? " Calls again, in later slices, where the kernel says `again`." : ""
    var text = Layout.comment("\(call.doc.capitalized)\(again)", indent: 2)
    text += "  ///\n"
    if !parameters.isEmpty {
      text += "  /// - Parameters:\n"
      for parameter in parameters {
        guard let field = fields[parameter.name] else { continue }
        text += Layout.wrapped(
          "\(field.name): \(field.unit.doc)", prefix: "  ///   - ", following: "  ///     ")
      }
    }
    text += "  /// - Throws: why `CallNumber.\(call.name)` is refused.\n"
    let returnsValue = call.result != .nothing
    if isDiscardable { text += "  @discardableResult\n" }
    let types = parameters.map { parameter in
      let type = fields[parameter.name]?.unit.libraryType.rawValue ?? "UInt64"
      return "\(parameter.label)\(parameter.name): \(type)\(parameter.initial.map { " = \($0)" } ?? "")"
    }
    text += Layout.list(
      "public static func \(name)(", types, ") throws(CallError)\(returnsValue ? " -> UInt64" : "") {", indent: 2)
    var values = call.fields.map { $0.field }.map { (label: $0.name, value: word($0)) }
    if call.isPacked {
      text += Layout.list(
        "let registers = \(call.typeName)Arguments(", values.map { "\($0.label): \($0.value)" }, ")", indent: 4)
      values = registers.prefix(call.arguments.count).map { ($0, "registers.\($0)") }
    }
    let inside = [".\(call.name)"] + values.map(\.value)
    let head = repeats ? "try untilFound { call(" : "try call("
    let tail = repeats ? ") }" : ").value()"
    let assignment = returnsValue ? (call.isPacked ? "return " : "") : "_ = "
    text += Layout.list(assignment + head, inside, tail, indent: 4)
    return text + "  }\n"
  }

  /// A parameter as the kernel gets it.
  private static func word(_ field: Argument.Field) -> String {
    switch field.unit.libraryType {
    case .integer: field.name
    case .signed: "UInt64(bitPattern: \(field.name))"
    case .flag: "\(field.name) ? 1 : 0"
    case .rights: "UInt64(\(field.name).rawValue)"
    case .resourceKind: "\(field.name).rawValue"
    }
  }
}
