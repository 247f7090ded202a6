import RandomFixtures
import FileSystems
import StorageFixtures
import Testing

struct MalformedArchiveTests {
  /// One file of 700 bytes at block 0, then what `body` adds at block 3.
  private func archive(_ body: (inout TarWriter) -> Void) -> [UInt8] {
    var tar = TarWriter()
    tar.file("good", randomBytes(700))
    body(&tar)
    return tar.finished()
  }

  private func expect(
    _ bytes: [UInt8], block: UInt64, _ expected: UstarProblem, limits: ArchiveLimits = ArchiveLimits()
  ) {
    #expect(problem(bytes, limits: limits) == UstarError(block: BlockNumber(block), problem: expected))
  }

  @Test("a file that is no archive is called that")
  func notAnArchive() {
    expect(randomBytes(4096), block: 0, .notAnArchive)
    expect(Array("hello".utf8) + [UInt8](repeating: 0, count: 1019), block: 0, .notAnArchive)
    expect([], block: 0, .missingEnd)
    expect(randomBytes(100), block: 0, .missingEnd)
  }

  @Test("a wrong checksum is found")
  func checksum() {
    let bytes = archive { tar in
      var header = TarWriter.header(name: "bad")
      header[0] += 1
      tar.add(header)
    }
    guard case .badChecksum(let stated, let computed) = problem(bytes)?.problem else {
      Issue.record("no checksum error")
      return
    }
    #expect(computed == stated + 1)
    #expect(problem(bytes)?.block == BlockNumber(3))
    let letters = archive { tar in
      var header = TarWriter.header(name: "bad")
      header[149] = 0x41
      tar.add(header)
    }
    expect(letters, block: 3, .badNumber(.checksum))
  }

  @Test("a checksum added up of signed bytes passes")
  func signedChecksum() {
    let bytes = archive { tar in
      var header = TarWriter.header(name: "n\u{FC}")
      header.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
      let sum = header.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
      header.replaceSubrange(148..<156, with: TarWriter.octal(UInt64(sum), 6) + [0, 0x20])
      tar.add(header)
    }
    #expect(problem(bytes) == nil)
  }

  @Test("sizes that are no numbers, negative, or beyond all files are refused")
  func sizes() {
    func withSize(_ field: [UInt8]) -> [UInt8] {
      archive { tar in
        var header = TarWriter.header(name: "bad")
        header.replaceSubrange(124..<136, with: field)
        tar.add(TarWriter.sealed(header))
      }
    }
    expect(withSize(Array("0000000008\0\0".utf8)), block: 3, .badNumber(.size))
    expect(withSize(Array("12x456789012".utf8)), block: 3, .badNumber(.size))
    expect(withSize([UInt8](repeating: 0xFF, count: 12)), block: 3, .badNumber(.size))
    expect(withSize([0x80, 1] + [UInt8](repeating: 0, count: 10)), block: 3, .badNumber(.size))
    let half: [UInt8] = [0x80, 0, 0, 0, 0x7F] + [UInt8](repeating: 0xFF, count: 7)
    expect(withSize(half), block: 3, .sizeTooLarge(UInt64(Int64.max)))
    let quarter: [UInt8] = [0x80, 0, 0, 0, 0x3F] + [UInt8](repeating: 0xFF, count: 7)
    expect(
      withSize(quarter), block: 3,
      .truncatedFile(size: UInt64(Int64.max) / 2, missing: UInt64(Int64.max) / 2 - 1024))
    expect(withSize(TarWriter.octal(1025, 11) + [0]), block: 3, .truncatedFile(size: 1025, missing: 1))
    expect(withSize(TarWriter.octal(1024, 11) + [0]), block: 6, .missingEnd)
    let time = archive { tar in
      var header = TarWriter.header(name: "bad")
      header[137] = 0x39
      tar.add(TarWriter.sealed(header))
    }
    expect(time, block: 3, .badNumber(.modificationTime))
  }

  @Test("a cut archive is found out wherever it is cut")
  func cut() {
    let bytes = archive { $0.file("second", randomBytes(1500)) }
    for count in stride(from: 0, to: bytes.count, by: 100) {
      #expect(problem(Array(bytes[..<count])) != nil, "\(count) bytes")
    }
    #expect(problem(bytes) == nil)
  }

  @Test("one zero block alone is damage")
  func loneZeroBlock() {
    let bytes = archive { tar in
      tar.bytes += [UInt8](repeating: 0, count: 512)
      tar.file("after", [])
    }
    expect(bytes, block: 4, .loneZeroBlock)
  }

  @Test("paths that are empty, climb or are too long are refused")
  func paths() {
    expect(archive { $0.file("", []) }, block: 3, .emptyPath)
    for name in ["..", "../x", "a/../../x", "a/.."] {
      expect(archive { $0.file(name, []) }, block: 3, .pathLeavesArchive)
    }
    let hard = archive { $0.add(TarWriter.header(name: "x", type: "1", link: "../y")) }
    expect(hard, block: 3, .pathLeavesArchive)
    expect(archive { $0.add(TarWriter.header(name: "x", type: "2")) }, block: 3, .emptyPath)
    let long = archive { tar in
      tar.pax([("path", String(repeating: "p/", count: 2049))])
      tar.file("x", [])
    }
    guard case .pathTooLong(limit: 4096) = problem(long)?.problem else {
      Issue.record("a long path passed")
      return
    }
  }

  @Test(
    "malformed pax headers are refused",
    arguments: [
      "x", "12", "12 ", "5 a=b\n", "7 a=b\n", "6 a=bc", "0 a=b\n", "-6 a=b\n", "6 ab \n", "5 =b\n",
      "99999999999999999999 a=b\n", "11 size=1x\n", "10 size=-\n", "30 size=99999999999999999999\n", "12 mtime=1.x\n",
      "9 mtime=\n9 mtime=.\n", "9 path=\0\n", "6 a=b\n\n",
    ])
  func paxRecords(records: String) {
    let data = Array(records.utf8)
    let bytes = archive { tar in
      tar.add(TarWriter.header(name: "pax", size: UInt64(data.count), type: "x"), data: data)
      tar.file("x", [])
    }
    #expect(problem(bytes)?.problem == .badExtendedHeader)
  }

  @Test("extended headers that are too large, cut, empty or alone are refused")
  func extendedHeaders() {
    let large = archive { tar in
      tar.add(TarWriter.header(name: "pax", size: 70_000, type: "x"), data: randomBytes(70_000))
    }
    expect(large, block: 3, .extendedHeaderTooLarge(size: 70_000, limit: 65_536))
    expect(
      archive { $0.add(TarWriter.header(name: "pax", size: 5000, type: "x")) }, block: 3,
      .truncatedFile(size: 5000, missing: 3976))
    expect(
      archive { $0.add(TarWriter.header(name: "L", size: 1, type: "L"), data: [0]) }, block: 4, .emptyPath)
    expect(archive { $0.pax([("path", "x")]) }, block: 5, .extendedHeaderWithoutMember)
  }

  @Test("sparse and split members are refused")
  func unsupported() {
    for type: Character in ["S", "M"] {
      expect(
        archive { $0.add(TarWriter.header(name: "x", type: type)) }, block: 3,
        .unsupportedMember(typeFlag: type.asciiValue!))
    }
    let sparse = archive { tar in
      tar.pax([("GNU.sparse.major", "1")])
      tar.file("x", [])
    }
    #expect(problem(sparse)?.problem == .unsupportedMember(typeFlag: UInt8(ascii: "S")))
  }

  @Test("the bounds on members and names hold")
  func limits() {
    var tar = TarWriter()
    for number in 0..<10 { tar.file("file\(number)", []) }
    expect(tar.finished(), block: 5, .tooManyMembers(limit: 5), limits: ArchiveLimits(members: 5))
    expect(tar.finished(), block: 4, .namesTooLarge(limit: 20), limits: ArchiveLimits(nameBytes: 20))
    #expect(problem(tar.finished(), limits: ArchiveLimits(members: 10, nameBytes: 50)) == nil)
  }

  @Test("damaged archives end in an error or an index, never in a trap", arguments: 1...300 as ClosedRange<UInt64>)
  func fuzz(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var tar = TarWriter()
    for number in 0..<12 {
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: tar.pax([("path", "dir/pax\(number)"), ("mtime", "\(number).5"), ("size", "100")])
      case 1:
        let name = Array(String(repeating: "long/", count: 30).utf8) + [0]
        tar.add(TarWriter.header(name: "L", size: UInt64(name.count), type: "L"), data: name)
      case 2: tar.add(TarWriter.header(name: "link\(number)", type: "2", link: "dir/f\(number / 2)"))
      case 3: tar.add(TarWriter.header(name: "hard\(number)", type: "1", link: "link\(number / 2)"))
      default: break
      }
      tar.file("dir/f\(number)", randomBytes(100))
    }
    var bytes = tar.finished()
    for _ in 0..<Int.random(in: 1...12, using: &generator) {
      let position = Int.random(in: 0..<bytes.count, using: &generator)
      let interesting: [UInt8] = [0, 0xFF, 0x80, 0x2E, 0x2F, 0x37, 0x4C, 0x78, .random(in: 0...255, using: &generator)]
      bytes[position] = interesting.randomElement(using: &generator)!
      // Most damage would end at the checksum: make it right again, so that what lies behind is reached.
      let block = position / 512 * 512
      if Int.random(in: 0..<4, using: &generator) > 0 {
        bytes.replaceSubrange(block..<(block + 512), with: TarWriter.sealed(Array(bytes[block..<(block + 512)])))
      }
    }
    do {
      try withArchive(bytes) { archive throws in
        for number in 0..<12 {
          for path in ["dir/f\(number)", "link\(number)", "hard\(number)", "dir/pax\(number)"] {
            _ = try archive.content(path)
          }
        }
      }
    } catch is UstarError {
    } catch {
      Issue.record("seed \(seed): \(error)")
    }
  }
}
