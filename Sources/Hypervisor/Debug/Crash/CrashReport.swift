import CodeMap

/// What is said of a crash, in lines for the console: where, called from where, with which registers.
struct CrashReport {
  /// The frames, the innermost first; the first one is where it crashed.
  let frames: [FrameRegisters]
  private let walk: StackWalk

  /// A report on `frames` of `walk`.
  init(frames: [FrameRegisters], walk: StackWalk) {
    self.frames = frames
    self.walk = walk
  }

  /// Most callers that are named.
  private static let callerLimit = 12

  /// The lines, each ended.
  var text: String {
    guard let first = frames.first else { return "" }
    var places: [String] = []
    for frame in frames {
      places += self.places(of: frame)
      if places.count > Self.callerLimit { break }
    }
    var line = "  at " + (places.first ?? "")
    for place in places.dropFirst().prefix(Self.callerLimit) { line += ", called from " + place }
    if places.count > Self.callerLimit + 1 { line += ", and so on" }
    return line + "\n" + registers(first)
  }

  /// Each as `file:line function`, or as much of that as is known.
  private func places(of frame: FrameRegisters) -> [String] {
    let code = walk.code(at: frame.address)
    let places = code.map.places(at: code.address)
    guard !places.isEmpty else { return [hexadecimal(frame.instruction)] }
    return places.map { place in
      let function = printable(place.function ?? "")
      guard let file = place.file else {
        // Code without lines: the distance into the function has to do.
        let start = code.map.functions.last { $0.range.contains(code.address) }?.range.lowerBound ?? code.address
        return place.line == 0 ? "\(function)+\(hexadecimal(code.address &- start))" : function
      }
      return "\(printable(file)):\(place.line) \(function)"
    }
  }

  /// Four registers a line; those that nobody has kept are left out.
  private func registers(_ frame: FrameRegisters) -> String {
    let order = [0, 3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    let known = order.compactMap { number in
      frame.values[number].map { value in
        let digits = String(value, radix: 16)
        let name = FrameRegisters.names[number]
        return String(repeating: " ", count: 3 - name.utf8.count) + name + " "
          + String(repeating: "0", count: 16 - digits.utf8.count) + digits
      }
    }
    return stride(from: 0, to: known.count, by: 4).map { start in
      "  " + known[start..<min(start + 4, known.count)].joined(separator: "  ") + "\n"
    }.joined()
  }
}

/// A name that a file or a guest has made, as it is written onto a console: a terminal obeys none of it, and it is a
/// part of one line, of 120 characters and three points at most.
func printable(_ name: String) -> String {
  let limit = 120
  let scalars = name.unicodeScalars.prefix(limit).map { scalar -> Character in
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: "?"
    default: Character(scalar)
    }
  }
  return String(scalars) + (name.unicodeScalars.dropFirst(limit).isEmpty ? "" : "...")
}

/// A number as it is written in reports.
func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
