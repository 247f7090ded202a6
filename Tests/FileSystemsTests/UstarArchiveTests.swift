import RandomFixtures
import FileSystems
import StorageFixtures
import Testing

/// Opens `bytes` as an archive in memory and hands it to `body`.
func withArchive<Result>(
  _ bytes: [UInt8], limits: ArchiveLimits = ArchiveLimits(),
  _ body: (inout UstarArchive<MemoryStorage>) throws -> Result
) throws -> Result {
  try bytes.withUnsafeBytes { memory in
    var archive = UstarArchive(storage: MemoryStorage(memory), limits: limits)
    var calls = 0
    while try !archive.scan(steps: 3) {
      calls += 1
      if calls > 100_000 { throw Stuck() }
    }
    return try body(&archive)
  }
}

extension UstarArchive where Storage: ~Copyable {
  mutating func find(_ path: String) -> PathLookup {
    let bytes = Array(path.utf8)
    return find(bytes.span)
  }

  /// The whole file at `path`, or nil if there is none.
  mutating func content(_ path: String) throws -> [UInt8]? {
    guard case .file(let file) = find(path) else { return nil }
    var bytes: [UInt8] = []
    var stream = file.stream(0..<file.size)
    var polls = 0
    while UInt64(bytes.count) < file.size {
      let access = withBytes(of: file, at: UInt64(bytes.count), atMost: 1 << 20, stream: &stream) { span in
        span.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
      }
      switch access {
      case .done: polls = 0
      case .wouldBlock:
        _ = poll()
        polls += 1
        if polls > 1000 { throw Stuck() }
      case .failed(let error): throw error
      }
    }
    return bytes
  }
}

/// The problem with an archive, or nil if it is good.
func problem(_ bytes: [UInt8], limits: ArchiveLimits = ArchiveLimits()) -> UstarError? {
  do {
    try withArchive(bytes, limits: limits) { _ in }
    return nil
  } catch let error as UstarError {
    #expect(!error.description.isEmpty)
    return error
  } catch {
    Issue.record("\(error)")
    return nil
  }
}

struct UstarArchiveTests {
  @Test("files of every size around a block come back byte for byte")
  func sizes() throws {
    var tar = TarWriter()
    let sizes = [0, 1, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 300_000]
    for size in sizes { tar.file("dir/f\(size)", randomBytes(size, seed: UInt64(size)), time: UInt64(size)) }
    try withArchive(tar.finished()) { archive throws in
      for size in sizes {
        #expect(try archive.content("dir/f\(size)") == randomBytes(size, seed: UInt64(size)))
        guard case .file(let file) = archive.find("dir/f\(size)") else { continue }
        #expect(file.modificationTime == Int64(size))
      }
    }
  }

  @Test("paths are normal forms: `./`, `//` and slashes at either end do not matter")
  func normalization() throws {
    var tar = TarWriter()
    tar.add(TarWriter.header(name: "./", type: "5"))
    tar.file("./a//b/./c", [1])
    tar.file("/rooted", [2])
    tar.add(TarWriter.header(name: "old/", type: "0"))
    try withArchive(tar.finished()) { archive throws in
      for path in ["a/b/c", "/a/b/c", "./a/./b//c", "a/b/c/", "//a/b/c/."] {
        #expect(try archive.content(path) == [1])
      }
      #expect(try archive.content("rooted") == [2])
      for path in ["", "/", ".", "a", "a/b", "/a/", "old"] { #expect(archive.find(path) == .directory) }
      for path in ["b", "a/c", "a/b/c/d", "a/b/cc", "..", "a/../a/b/c", "a/b/c\0"] {
        #expect(archive.find(path) == .missing)
      }
    }
  }

  @Test("among many paths with common beginnings each is found, and directories without a member are directories")
  func manyPaths() throws {
    var tar = TarWriter()
    var names: [String] = []
    for first in ["a", "a!", "a-", "a.b", "a0", "aa", "b"] {
      for second in ["x.html", "x/y", "x0"] { names.append("\(first)/\(second)") }
    }
    var generator = SeededGenerator(seed: 7)
    names.shuffle(using: &generator)
    for (number, name) in names.enumerated() { tar.file(name, [UInt8(number)]) }
    try withArchive(tar.finished()) { archive throws in
      #expect(archive.memberCount == names.count)
      for (number, name) in names.enumerated() { #expect(try archive.content(name) == [UInt8(number)]) }
      for name in ["a", "a!", "a-", "a.b", "a0", "aa", "b", "a/x", "b/x"] { #expect(archive.find(name) == .directory) }
      for name in ["a/", "A", "c", "a/x.htm", "a/x.html2", "a/x/"] {
        #expect(archive.find(name) == (name.hasSuffix("/") ? .directory : .missing))
      }
    }
  }

  @Test("of several members of one path the last counts")
  func duplicates() throws {
    var tar = TarWriter()
    for version: UInt8 in 0..<5 {
      tar.file("same", [version])
      tar.file("other\(version)", [])
    }
    try withArchive(tar.finished()) { archive throws in #expect(try archive.content("same") == [4]) }
  }

  @Test("prefix and name make the path in POSIX archives, the name alone in others")
  func prefix() throws {
    var tar = TarWriter()
    tar.file("name", [1], prefix: "some/long/prefix")
    tar.add(
      TarWriter.header(name: "gnu", size: 1, prefix: "13371337", magic: Array("ustar  \0".utf8)), data: [2])
    tar.add(TarWriter.header(name: "v7", size: 1, type: "\0", prefix: "junk", magic: [0]), data: [3])
    let full = String(repeating: "n", count: 100)
    tar.file(full, [4], prefix: String(repeating: "p", count: 155))
    try withArchive(tar.finished()) { archive throws in
      #expect(try archive.content("some/long/prefix/name") == [1])
      #expect(try archive.content("gnu") == [2])
      #expect(try archive.content("v7") == [3])
      #expect(try archive.content(String(repeating: "p", count: 155) + "/" + full) == [4])
    }
  }

  @Test("hard and symbolic links lead to their files; bad ones lead nowhere")
  func links() throws {
    var tar = TarWriter()
    func link(_ name: String, _ target: String, hard: Bool = false) {
      tar.add(TarWriter.header(name: name, size: hard ? 99 : 0, type: hard ? "1" : "2", link: target))
    }
    tar.file("dir/file", [7])
    link("hard", "./dir/file", hard: true)
    link("hard2", "hard", hard: true)
    link("hardMissing", "nothing", hard: true)
    link("hardSelf", "hardSelf", hard: true)
    link("soft", "dir/file")
    link("dir/up", "../soft")
    link("dirLink", "dir/")
    link("dir/here", ".")
    link("toRoot", "dir/..")
    link("out", "../secret")
    link("dir/out", "../../secret")
    link("absolute", "/etc/passwd")
    link("loopA", "loopB")
    link("loopB", "loopA")
    link("dangling", "nowhere/at/all")
    try withArchive(tar.finished()) { archive throws in
      for path in [
        "hard", "hard2", "soft", "dir/up", "dirLink/file", "dir/here/file", "dir/here/here/here/up", "toRoot/soft",
        "toRoot/dirLink/here/up",
      ] { #expect(try archive.content(path) == [7], "\(path)") }
      for path in ["dirLink", "dirLink/", "dir/here", "toRoot"] { #expect(archive.find(path) == .directory, "\(path)") }
      for path in ["hardMissing", "hardSelf", "out", "dir/out", "absolute", "loopA", "loopB/x", "dangling"] {
        #expect(archive.find(path) == .brokenLink, "\(path)")
      }
      #expect(archive.find("hard/x") == .missing)
      #expect(archive.find("soft/x") == .missing)
    }
  }

  @Test("GNU long names and links of thousands of bytes are taken")
  func gnuLongNames() throws {
    var tar = TarWriter()
    let long = (0..<40).map { "component-\($0)-\(String(repeating: "x", count: 60))" }.joined(separator: "/")
    let data = Array(long.utf8) + [0]
    tar.add(TarWriter.header(name: "././@LongLink", size: UInt64(data.count), type: "L"), data: data)
    tar.file("truncated-name", [9])
    tar.add(TarWriter.header(name: "././@LongLink", size: UInt64(data.count), type: "K"), data: data)
    tar.add(TarWriter.header(name: "link", type: "2", link: "truncated-name"))
    tar.file("after", [10])
    try withArchive(tar.finished()) { archive throws in
      #expect(try archive.content(long) == [9])
      #expect(try archive.content("link") == [9])
      #expect(try archive.content("after") == [10])
      #expect(archive.find("truncated-name") == .missing)
    }
  }

  @Test("pax records replace path, link, size and time, for one member or for all")
  func pax() throws {
    var tar = TarWriter()
    tar.pax([("comment", "made by hand"), ("mtime", "1000")], type: "g")
    tar.file("plain", [1], time: 5)
    tar.pax([("path", "päth/with ünicode"), ("size", "3"), ("mtime", "123.75")])
    tar.add(TarWriter.header(name: "short", size: 0), data: [1, 2, 3])
    tar.pax([("linkpath", "plain"), ("path", "first"), ("path", "second")])
    tar.add(TarWriter.header(name: "l", type: "2", link: "wrong"))
    tar.pax([("mtime", "-1.5"), ("path", "")])
    tar.file("negative", [])
    try withArchive(tar.finished()) { archive throws in
      #expect(try archive.content("päth/with ünicode") == [1, 2, 3])
      #expect(try archive.content("second") == [1])
      #expect(archive.find("first") == .missing)
      guard case .file(let plain) = archive.find("plain"), case .file(let negative) = archive.find("negative"),
        case .file(let path) = archive.find("päth/with ünicode")
      else {
        Issue.record("files are missing")
        return
      }
      #expect(plain.modificationTime == 1000)
      #expect(path.modificationTime == 123)
      #expect(negative.modificationTime == -2)
    }
  }

  @Test("base-256 numbers are taken, devices and labels passed over")
  func base256AndOthers() throws {
    var tar = TarWriter()
    var header = TarWriter.header(name: "big", size: 0)
    header.replaceSubrange(124..<136, with: [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x58])
    header.replaceSubrange(136..<148, with: [UInt8](repeating: 0xFF, count: 12))
    tar.add(TarWriter.sealed(header), data: randomBytes(600))
    for type: Character in ["3", "4", "6", "V"] { tar.add(TarWriter.header(name: "special\(type)", type: type)) }
    tar.file("last", [1])
    try withArchive(tar.finished()) { archive throws in
      #expect(try archive.content("big") == randomBytes(600))
      guard case .file(let file) = archive.find("big") else { return }
      #expect(file.modificationTime == -1)
      #expect(archive.find("special3") == .missing)
      #expect(try archive.content("last") == [1])
    }
  }

  @Test("an archive of zeros is empty")
  func empty() throws {
    try withArchive([UInt8](repeating: 0, count: 10_240)) { archive throws in
      #expect(archive.memberCount == 0)
      #expect(archive.find("") == .directory)
      #expect(archive.find("x") == .missing)
    }
  }

  @Test("an archive on a slow disk with few frames reads as in memory")
  func onDisk() throws {
    var tar = TarWriter()
    for number in 0..<200 { tar.file("d\(number % 7)/f\(number)", randomBytes(number * 97, seed: UInt64(number))) }
    let frames = TestFrames(count: 6)
    var disk = TestDisk(tar.finished())
    disk.delay = 4
    var archive = UstarArchive(storage: BlockCache(device: disk, frames: frames.frames))
    var calls = 0
    while try !archive.scan(steps: 10) {
      _ = archive.poll()
      calls += 1
      try #require(calls < 100_000)
    }
    for number in 0..<200 {
      #expect(try archive.content("d\(number % 7)/f\(number)") == randomBytes(number * 97, seed: UInt64(number)))
    }
    #expect(archive.storage.device.mistakes == [])
  }

  @Test("a disk error during the scan names the block")
  func diskError() throws {
    var tar = TarWriter()
    tar.file("big", randomBytes(100_000))
    tar.file("next", [])
    let frames = TestFrames(count: 6)
    var disk = TestDisk(tar.finished())
    disk.badBlocks = [197]
    var archive = UstarArchive(storage: BlockCache(device: disk, frames: frames.frames))
    let expected = UstarError(block: BlockNumber(197), problem: .storage(.readFailed(BlockNumber(192))))
    #expect(throws: expected) {
      for _ in 0..<100 { _ = try archive.scan() }
    }
    #expect(throws: expected) { try archive.scan() }
  }
}
