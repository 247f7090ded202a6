import Testing

@Suite("Rules for sources that no compiler checks")
struct SourceRuleTests {
  /// True for a line that assigns to a field of `FrameRecord`, or to a whole record. `guardName`, `identity` and the
  /// links are fields of other records, too: these count where a frame's record is named on the left.
  private static func writesFrame(_ line: Substring) -> Bool {
    line.matches(of: #/ (?:&?[-+|&^])?= /#).contains { found in
      // What is written to stands behind the last brace, and is no declaration.
      let target = line[..<found.range.lowerBound].split(separator: "{").last ?? ""
      if target.contains(#/\b(let|var|case)\b/#) { return false }
      if target.contains(#/\.(references|pins|dirty|application)$/#) { return true }
      if target.contains(#/\bframes(\[.*\]|\.cell\(.*\)\.value|\.pointer\(.*\)\.pointee)(\.\w+)*$/#) { return true }
      // A cell or pointer of a frame, by the names that it has in the files on memory.
      return target.contains(#/\b(record\.value|pointee)\.(guardName|identity)(\.\w+)?$/#)
    }
  }

  @Test("the fields of frames' records are written in Frames.swift only")
  func frames() throws {
    var ownWrites = 0
    for path in SourceTree.files(under: "Sources/Exokernel", extensions: ["swift"]) {
      // The record's own initialiser.
      if path == "Sources/Exokernel/ABI/FrameRecord.swift" { continue }
      let isOwner = path == "Sources/Exokernel/Core/Memory/Frames.swift"
      for (number, line) in try SourceTree.text(path).split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      where Self.writesFrame(line) {
        if isOwner { ownWrites += 1 } else { Issue.record("\(path):\(number + 1): \(line)") }
      }
    }
    #expect(ownWrites >= 8, "assignments are not recognised any more")
  }

  @Test(
    "an assignment to a frame's field is recognised",
    arguments: [
      "    frames[index].references &+= 1", "    unsafe next.pointee.pins &-= 1", "    record.value.dirty = 0",
      "    frames[index].identity.allowed = 3", "    frames[frame] = FrameRecord(", "    frames[a[1]].guardName = name",
      "    frames.cell(at: frame).value.next = 0", "    record.value.guardName = 1",
      "    if head != 0 { frames[head].previous = frame }", "    for index in all { frames[index].pins &-= 1 }",
    ])
  func recognised(line: String) { #expect(Self.writesFrame(line[...])) }

  @Test(
    "other lines are not taken for one",
    arguments: [
      "    let pins = frames[index].pins", "    guard frames[index].pins == 0 else { return }",
      "    environments[index].guardName = name", "    identity.kind = kind.rawValue",
      "    var next = frames[frame].next",
      "    binding.comparisons[index].next |= next", "    sliceNodes[base &+ index].next = next",
    ])
  func notRecognised(line: String) { #expect(!Self.writesFrame(line[...])) }
}
