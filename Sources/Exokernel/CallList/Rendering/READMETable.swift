/// The table of calls in the kernel's README.
enum READMETable {
  static let path = "Sources/Exokernel/README.md"
  static let begin = "<!-- calls: \(Rendering.notice.dropLast()) -->"
  static let end = "<!-- end of calls -->"

  /// `readme` with the table of `list` between the two marks.
  static func replaced(in readme: String, _ list: [CallDescription]) throws(Rendering.Failure) -> String {
    guard let start = readme.firstRange(of: "\(begin)\n"), let stop = readme.firstRange(of: "\(end)\n"),
      start.upperBound <= stop.lowerBound
    else { throw .marks }
    return readme[..<start.upperBound] + table(list) + readme[stop.lowerBound...]
  }

  private static func table(_ list: [CallDescription]) -> String {
    var text = "| | call | checks | bound | budget |\n|---|---|---|---|---|\n"
    for call in list {
      let cells = ["\(call.number)", call.signature, call.cost.checks, call.cost.bound, call.cost.budget]
      text += "| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |\n"
    }
    return text
  }
}
