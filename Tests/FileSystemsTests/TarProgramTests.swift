import FileSystems
import RandomFixtures
import StorageFixtures
import Foundation
import Testing

/// Archives as the `tar` of the test machine makes them.
struct TarProgramTests {
  static let tar = ["/usr/bin/tar", "/bin/tar"].first { FileManager.default.isExecutableFile(atPath: $0) }

  @Test(
    "the archives of GNU tar come back byte for byte", .enabled(if: tar != nil, "tar is not installed"),
    arguments: ["ustar", "gnu", "pax", "v7", "oldgnu"])
  func formats(format: String) throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("xokvm-tar-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let site = root.appendingPathComponent("site")
    var files: [String: [UInt8]] = [:]
    for size in [0, 1, 511, 512, 513, 4096, 1_500_001] { files["sizes/\(size).bin"] = randomBytes(size) }
    files["index.html"] = Array("<h1>hello</h1>".utf8)
    files["with space and ünicode.txt"] = Array("text".utf8)
    if format == "gnu" || format == "pax" || format == "oldgnu" {
      files[String(repeating: "deep-directory-name/", count: 14) + "file.txt"] = Array("deep".utf8)
      files["name-" + String(repeating: "y", count: 200)] = Array("long name".utf8)
    }
    for (path, bytes) in files {
      let url = site.appendingPathComponent(path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: url)
    }
    let manager = FileManager.default
    try manager.createDirectory(at: site.appendingPathComponent("empty"), withIntermediateDirectories: true)
    try manager.createSymbolicLink(
      atPath: site.appendingPathComponent("sizes/home.html").path, withDestinationPath: "../index.html")
    try manager.linkItem(
      at: site.appendingPathComponent("index.html"), to: site.appendingPathComponent("same.html"))
    files["sizes/home.html"] = files["index.html"]
    files["same.html"] = files["index.html"]

    let image = root.appendingPathComponent("site.tar")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.tar!)
    process.arguments = ["--format=\(format)", "-cf", image.path, "-C", site.path, "."]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)

    let frames = TestFrames(count: 16)
    var disk = TestDisk([UInt8](try Data(contentsOf: image)))
    disk.delay = 1
    var archive = UstarArchive(storage: BlockCache(device: disk, frames: frames.frames))
    var calls = 0
    while try !archive.scan() {
      calls += 1
      try #require(calls < 100_000)
    }
    for (path, bytes) in files { #expect(try archive.content(path) == bytes, "\(format): \(path)") }
    #expect(archive.find("empty") == .directory)
    #expect(archive.find("sizes") == .directory)
    guard case .file(let file) = archive.find("index.html") else {
      Issue.record("index.html is missing")
      return
    }
    #expect(abs(Double(file.modificationTime) - Date().timeIntervalSince1970) < 600)
  }
}
