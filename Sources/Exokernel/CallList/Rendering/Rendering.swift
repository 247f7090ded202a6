/// Everything that is made of the list.
public enum Rendering {
  /// Says in a file that it is made.
  static let notice = "Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit."

  /// Why no files can be made of a list.
  public enum Failure: Error, CustomStringConvertible {
    /// Numbers are not 0, 1, 2...; the call table has no holes.
    case numbers(String)
    /// A function of the library names a parameter that is no value of the call's, or leaves one out.
    case stub(String)
    /// A call has more arguments than registers, or names a value that it does not have.
    case arguments(String)
    /// The README has no place for the table.
    case marks

    /// What is wrong with the list, or with the README.
    public var description: String {
      switch self {
      case .numbers(let call): "the numbers of the calls are not 0, 1, 2 and so on: see \(call)"
      case .stub(let call): "the parameters of the library's function for \(call) are not the call's values"
      case .arguments(let call): "\(call) has more than five arguments, two of one name, or names one it does not have"
      case .marks: "the README lacks the lines '\(READMETable.begin)' and '\(READMETable.end)'"
      }
    }
  }

  /// The text of each file that is made of `list`, by its path in the package. `readme` is the kernel's README, of
  /// which the table is made anew and the rest stays.
  public static func renderAll(_ list: [CallDescription], readme: String) throws(Failure) -> [String: String] {
    try check(list)
    return [
      "Sources/Exokernel/ABI/Generated/CallNumber.swift": callNumbers(list),
      "Sources/Exokernel/ABI/Generated/CallArguments.swift": callArguments(list),
      "Sources/Exokernel/Assembly/call_numbers.inc": assemblyNumbers(list),
      "Sources/Exokernel/Core/Generated/DecodeAndPerform.swift": border(list),
      "Sources/Exokernel/RingZero/Entry/Generated/call_table.S": callTable(list),
      "Sources/Exokernel/RingZero/Entry/Generated/CallGlue.swift": glue(list),
      "Sources/GuestLibOS/LibOS/Calls/Generated/KernelCall+Generated.swift": stubs(list),
      "Sources/GuestLibOS/Apps/Fuzz/Generated/CallShapes.swift": fuzzShapes(list),
      "Tests/ExokernelCoreTests/Generated/CallDispatch.swift": dispatch(list),
      READMETable.path: try READMETable.replaced(in: readme, list),
    ]
  }

  /// What the files take for granted.
  private static func check(_ list: [CallDescription]) throws(Failure) {
    for (index, call) in list.enumerated() {
      guard call.number == index else { throw .numbers(call.name) }
      let names = call.fields.map(\.field.name)
      guard call.arguments.count <= 5, Set(names).count == names.count else { throw .arguments(call.name) }
      switch call.fuzz.danger {
      case .address(let name), .frame(let name), .rights(let name):
        guard names.contains(name) else { throw .arguments(call.name) }
      case .none, .always: break
      }
      if case .generated(_, let parameters, _, _) = call.stub {
        guard Set(parameters.map { StubParameter($0).name }) == Set(names), parameters.count == names.count else {
          throw .stub(call.name)
        }
      }
    }
  }
}

/// How Swift text is laid out, so that `swift format lint` has nothing to say.
enum Layout {
  /// Longest line.
  static let width = 120

  /// `text` in lines of `prefix` and words.
  static func wrapped(_ text: String, prefix: String, following: String? = nil) -> String {
    var lines: [String] = []
    var line = prefix
    var isEmpty = true
    for word in text.split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = following ?? prefix
        isEmpty = true
      }
      line += isEmpty ? word : " \(word)"
      isEmpty = false
    }
    lines.append(line)
    return lines.joined(separator: "\n") + "\n"
  }

  /// A documentation comment.
  static func comment(_ text: String, indent: Int) -> String {
    wrapped(text, prefix: String(repeating: " ", count: indent) + "/// ")
  }

  /// `head(items)tail`, on one line if it fits, or with the items on lines of their own.
  static func list(_ head: String, _ items: [String], _ tail: String, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    let line = "\(margin)\(head)\(items.joined(separator: ", "))\(tail)"
    if line.count <= width { return line + "\n" }
    let inner = margin + "  "
    let middle = wrapped(
      items.enumerated().map { $0 + 1 < items.count ? "\($1)," : $1 }.map {
        $0.replacing(" ", with: "\u{a0}")
      }.joined(separator: " "), prefix: inner
    ).replacing("\u{a0}", with: " ")
    // The last element of a literal has a comma, too, where it ends its line.
    let comma = head.hasSuffix("[") ? "," : ""
    return "\(margin)\(head)\n\(middle.dropLast())\(comma)\n\(margin)\(tail)\n"
  }
}

extension String {
  /// With a capital.
  var capitalized: String { prefix(1).uppercased() + dropFirst() }
}
