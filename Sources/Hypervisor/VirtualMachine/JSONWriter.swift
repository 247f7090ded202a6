/// Writes JSON (RFC 8259) as text, indented by two spaces, members in the order given.
public struct JSONWriter {
  /// What was written so far.
  public private(set) var text = ""
  private var depth = 0
  private var isFirst = true

  /// A writer that has written nothing.
  public init() {}

  /// An object: the whole text, or an element of an array.
  public mutating func object(_ body: (inout JSONWriter) -> Void) {
    if depth > 0 { separate() }
    nest("{", "}", body)
  }

  /// A member that is an object.
  public mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    nest("{", "}", body)
  }

  /// A member that is an array, whose elements `body` writes.
  public mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    nest("[", "]", body)
  }

  /// A member that is an integer, or null.
  public mutating func member<Integer: BinaryInteger>(_ name: String, _ value: Integer?) {
    key(name)
    text += value.map { String($0) } ?? "null"
  }

  /// A member that is a number with decimals; what JSON cannot express becomes null.
  public mutating func member(_ name: String, _ value: Double) {
    key(name)
    text += value.isFinite ? value.description : "null"
  }

  /// A member that is a string.
  public mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  private mutating func nest(_ open: String, _ close: String, _ body: (inout JSONWriter) -> Void) {
    text += open
    depth += 1
    isFirst = true
    body(&self)
    depth -= 1
    if !isFirst { newLine() }
    text += close
    isFirst = false
    if depth == 0 { text += "\n" }
  }

  private mutating func key(_ name: String) {
    separate()
    string(name)
    text += ": "
  }

  private mutating func separate() {
    if !isFirst { text += "," }
    isFirst = false
    newLine()
  }

  private mutating func newLine() {
    text += "\n"
    for _ in 0..<depth { text += "  " }
  }

  private mutating func string(_ value: String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case _ where scalar.value < 0x20:
        text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
