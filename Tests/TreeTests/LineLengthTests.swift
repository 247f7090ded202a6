import Testing

@Suite("Lines")
struct LineLengthTests {
  /// The width that .swift-format keeps Swift code to. It leaves comments and text inside strings alone, and does not
  /// know other files.
  private static let limit = 120

  @Test("no comment of a Swift file and no line of an assembly file or a header passes 120 columns")
  func columns() throws {
    let files =
      SourceTree.files(under: "Sources", extensions: ["swift", "S", "inc", "h"])
      + SourceTree.files(under: "Tests", extensions: ["swift", "h"])
    #expect(files.count > 450)
    for path in files {
      let lines = try SourceTree.text(path).split(separator: "\n", omittingEmptySubsequences: false)
      // The bytes are counted first, which is quicker.
      for (index, line) in lines.enumerated() where line.utf8.count > Self.limit && line.count > Self.limit {
        let isComment = line.drop { $0 == " " }.hasPrefix("//")
        #expect(path.hasSuffix(".swift") && !isComment, "\(path):\(index + 1) has \(line.count) columns")
      }
    }
  }
}
