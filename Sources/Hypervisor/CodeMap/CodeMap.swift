/// What is known of an image's code: which function, file and line an address belongs to, and how to find the caller.
///
/// Made from an ELF file's DWARF information (`init(elf:)`), by the monitor for programs of the user's own and by the
/// guest builder for those that the command carries, which keeps it in a compact form (`encoded`, `init(encoded:)`)
/// beside the stripped images.
public struct CodeMap: Equatable, Sendable {
  /// Code of one function.
  public struct Function: Equatable, Sendable {
    /// Its addresses.
    public var range: Range<UInt64>
    /// Index of its name.
    public var name: Int
  }

  /// From `address` on, code of one line.
  public struct Line: Equatable, Sendable {
    /// The first address.
    public var address: UInt64
    /// Index of the file's name.
    public var file: Int
    /// The line's number; 0 where the code belongs to no line, or no code follows.
    public var line: Int
  }

  /// Code of a call that was inlined.
  public struct InlinedCall: Equatable, Sendable {
    /// Its addresses.
    public var range: Range<UInt64>
    /// Index of the called function's name; -1 where it has none.
    public var name: Int
    /// Index of the name of the file where the call is.
    public var callFile: Int
    /// The call's line.
    public var callLine: Int
    /// How many calls it is inside of.
    public var depth: Int
  }

  /// Names of functions and files, without folders.
  public var names: [String] = []
  /// Functions, by their start.
  public var functions: [Function] = []
  /// Lines, by their address.
  public var lines: [Line] = []
  /// Inlined calls, by their start, outer ones first.
  public var inlinedCalls: [InlinedCall] = []
  /// Rules of unwinding, by their address.
  public var unwindRules: [UnwindRule] = []

  /// A map that knows nothing.
  public init() {}

  /// A function and a place in it.
  public struct Place: Equatable, Sendable {
    /// The function's name; nil where it has none.
    public var function: String?
    /// The file's name; nil where it is unknown.
    public var file: String?
    /// The line's number.
    public var line: Int

    /// A place.
    public init(function: String?, file: String?, line: Int) {
      self.function = function
      self.file = file
      self.line = line
    }
  }

  /// Where the instruction at `address` is: the innermost of the inlined calls first, the function that holds the code
  /// last. Empty where nothing is known. Inlined code without a line of its own (the compiler's) is left out.
  public func places(at address: UInt64) -> [Place] {
    guard let function = functions.last(atOrBefore: address, { $0.range.lowerBound }), function.range.contains(address)
    else { return [] }
    var places: [Place] = []
    let calls = inlinedCalls(at: address, in: function)
    var (file, line) = place(at: address, notBefore: calls.isEmpty ? function.range.lowerBound : address)
    for call in calls.reversed() {
      if line != 0, call.name >= 0 { places.append(Place(function: names[call.name], file: file, line: line)) }
      file = known(names[call.callFile])
      line = call.callLine
    }
    places.append(Place(function: names[function.name], file: line == 0 ? nil : file, line: line))
    return places
  }

  /// File and line of the row at `address`. Where that is code of the compiler's own, it counts for the line before it,
  /// down to `first`.
  private func place(at address: UInt64, notBefore first: UInt64) -> (file: String?, line: Int) {
    var index = lines.partition { $0.address > address }
    while index > 0 {
      let row = lines[index - 1]
      if row.line != 0 { return (known(names[row.file]), row.line) }
      guard row.address > first else { break }
      index -= 1
    }
    return (nil, 0)
  }

  /// Nil for what stands in a file's place where the compiler does not tell it: calls in code that it has taken over
  /// from another module.
  private func known(_ file: String) -> String? { file == "<compiler-generated>" ? nil : file }

  /// How to find the caller of the code at `address`; nil where that is not known.
  public func unwindRule(at address: UInt64) -> UnwindRule? {
    guard let rule = unwindRules.last(atOrBefore: address, { $0.address }), rule.frame != nil else { return nil }
    return rule
  }

  /// Most inlined calls of one function that are looked at, and most that are told of one address, the innermost: no
  /// compiler makes as many, but a file may name any number.
  private static let searchLimit = 1 << 14
  private static let placeLimit = 64

  private func inlinedCalls(at address: UInt64, in function: Function) -> [InlinedCall] {
    // Calls lie inside their function, so those before it need not be looked at.
    let first = inlinedCalls.partition { $0.range.lowerBound >= function.range.lowerBound }
    let last = inlinedCalls.partition { $0.range.lowerBound > address }
    guard first < last else { return [] }
    return Array(
      inlinedCalls[first..<last].suffix(Self.searchLimit).filter { $0.range.contains(address) }
        .sorted { $0.depth < $1.depth }.suffix(Self.placeLimit))
  }
}

extension Array {
  /// Index of the first element for which `isBehind` holds; all elements after it are so, too.
  func partition(_ isBehind: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The last element whose `key` is at most `address`; the elements are in the order of their keys.
  func last(atOrBefore address: UInt64, _ key: (Element) -> UInt64) -> Element? {
    let index = partition { key($0) > address }
    return index == 0 ? nil : self[index - 1]
  }
}
