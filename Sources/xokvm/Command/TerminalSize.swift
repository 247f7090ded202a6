#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How large a terminal is, which no guest can see.
enum TerminalSize {
  /// Rows of the terminal that `descriptor` is; nil where it is none, or does not know.
  static func rows(_ descriptor: Int32) -> Int? {
    var size = winsize()
    // Safe: the structure lives for the duration of the call.
    guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
    return Int(size.ws_row)
  }
}

extension ProgramArgument {
  /// The program with the terminal's height among its arguments, where it is the one that draws, and was not given
  /// another.
  func fitting(rows: Int?) -> ProgramArgument {
    guard name == "books", let rows, !arguments.contains("rows=") else { return self }
    return ProgramArgument(name: name, arguments: (arguments.isEmpty ? "" : arguments + ",") + "rows=\(rows)")
  }
}
