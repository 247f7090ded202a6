import Foundation
import Testing

@Suite("What the command writes beside the console", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct OutputTests {
  private static let commands = [
    "--help", "boot --help", "--version", "fuzz --calls 3", "bench primitives --rounds 1 --json",
  ]

  private func shell(_ line: String, in folder: ScratchFolder? = nil) throws -> CommandResult {
    try Command.run("/bin/sh", ["-c", "cd \"$1\" && \(line)", Command.xokvm, folder?.url.path ?? "/"])
  }

  @Test("a full disk and a closed descriptor are told, with status 74", arguments: commands)
  func refused(_ command: String) throws {
    for target in [">/dev/full", ">&-"] {
      let result = try shell("exec \"$0\" \(command) \(target)")
      #expect(result.status == 74, "\(target) \(result.all)")
      #expect(result.errors.hasPrefix("xokvm: cannot write standard output"), "\(result.all)")
      #expect(result.errors.filter(\.isNewline).count == 1, "\(result.all)")
    }
  }

  @Test("a reader that has gone away is quiet, with status 141", arguments: commands)
  func unread(_ command: String) throws {
    let pipe = try TestPipe()
    pipe.closeReader()
    let run = try SpawnedCommand(
      Command.xokvm, command.split(separator: " ").map(String.init), output: .descriptor(pipe.writer))
    #expect(run.status(within: 60) == 141 && run.errors.isEmpty, "\(run.errors)")
  }

  @Test("old files for console and measures are emptied when the machine starts")
  func oldFiles() throws {
    let folder = try ScratchFolder()
    let old = [UInt8](repeating: 0x78, count: 100_000)
    let console = try folder.store("console", old)
    let measures = try folder.store("measures", old)
    let result = try Command.run(Command.xokvm, ["boot", "--stats", measures, "--console", "file=" + console])
    #expect(result.status == 0, "\(result.all)")
    let text = try String(contentsOfFile: console, encoding: .utf8)
    #expect(text.hasPrefix("[0 hello] hello from environment 0") && text.utf8.count < 10_000, "\(text)")
    #expect(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: measures))) is [String: Any])
  }

  @Test("devices and pipes are written in place")
  func devices() throws {
    let folder = try ScratchFolder()
    let result = try shell(
      """
      mkfifo pipe; "$0" image --kernel a && { cat pipe >b & "$0" image --kernel pipe; wait; cmp a b && test -p pipe && \
      "$0" image --kernel /dev/null && test -c /dev/null && { "$0" image --kernel /dev/full; test $? = 74; } && \
      "$0" image --kernel /dev/stdout | cmp a - && "$0" boot --stats /dev/stdout --console none | grep -q emulated; }
      """, in: folder)
    #expect(result.status == 0, "\(result.all)")
  }

  @Test("an image that cannot be written whole leaves the old one, and nothing else")
  func tornImages() throws {
    let folder = try ScratchFolder()
    try folder.store("k", "old".utf8)
    try folder.store("p", "old".utf8)
    let result = try shell("ulimit -f 800; exec \"$0\" image --kernel k --programs p", in: folder)
    #expect(result.status == 74 && result.errors.contains("p (File too large)"), "\(result.all)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == ["k", "p"])
    for name in ["k", "p"] { #expect(try String(contentsOfFile: folder.path(name), encoding: .utf8) == "old") }
  }

  @Test("a new image has the permissions of the old one, and stays behind its link")
  func replacedImage() throws {
    let folder = try ScratchFolder()
    chmod(try folder.store("k", "old".utf8), 0o640)
    symlink("k", folder.path("link"))
    let result = try shell("exec \"$0\" image --kernel link", in: folder)
    #expect(result.status == 0, "\(result.all)")
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("k"))
    #expect(attributes[.posixPermissions] as? Int == 0o640)
    #expect((attributes[.size] as? Int ?? 0) > 100_000)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "k")
  }
}
