import Foundation
import Testing

@Suite(
  "A program built by hand",
  .enabled(if: Command.find("swiftc") != nil, "there is no Swift toolchain in PATH"),
  .disabled(if: Command.isSlowHost, "there is no Swift toolchain"))
struct GuestBuilderTests {
  private static let good = """
    import LibOS
    @c(program_main) public func programMain() -> Int32 { 0 }

    """

  private func build(_ arguments: [String]) throws -> CommandResult {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path
    let builder = Command.products.appending(path: "GuestBuilder").path
    return try Command.run("/bin/sh", ["-c", "cd \"$0\" && exec \"$@\"", root, builder] + arguments, seconds: 300)
  }

  @Test(
    "a result that cannot be written is told in one line", arguments: [("/none/x", 73), ("/dev/full", 74), ("/", 73)])
  func outputs(_ path: String, _ status: Int32) throws {
    let folder = try ScratchFolder()
    let result = try build(["program", try folder.store("mine.swift", Self.good.utf8), "-o", path])
    #expect(result.status == status && result.errors.hasPrefix("GuestBuilder: cannot write \(path) ("), "\(result.all)")
    #expect(result.errors.filter(\.isNewline).count == 1 && !result.errors.contains("Cocoa"), "\(result.all)")
  }

  @Test("the compiler's errors come first, and no linker's behind them", arguments: [true, false])
  func compilerErrors(hasEntry: Bool) throws {
    let folder = try ScratchFolder()
    let source = (hasEntry ? Self.good : "") + "func wrong() -> Int { let x = }\n"
    let file = try folder.store("mine.swift", source.utf8)
    let result = try build(["program", file, "-o", folder.path("mine.elf")])
    #expect(result.status == 65 && result.errors.hasPrefix("\(file):"), "\(result.all)")
    let last = result.errors.split(whereSeparator: \.isNewline).last ?? ""
    #expect(last == "GuestBuilder: \(file) is not built, since swiftc ended with status 1: see its messages above")
    #expect(!result.errors.contains("lld") && !FileManager.default.fileExists(atPath: folder.path("mine.elf")))
  }

  @Test("what is not there is called missing: the file, and the function with which a program begins")
  func missing() throws {
    let folder = try ScratchFolder()
    let file = try build(["program", folder.path("mine.swift")])
    #expect(file.status == 66 && file.errors.contains("mine.swift does not exist"), "\(file.all)")
    let path = try folder.store("mine.swift", "public func other() {}\n".utf8)
    let entry = try build(["program", path, "-o", folder.path("mine.elf")])
    #expect(entry.status == 65 && entry.errors.contains("has no function program_main"), "\(entry.all)")
    #expect(entry.errors.filter(\.isNewline).count == 1, "\(entry.all)")
  }

  @Test("help ends with 0, and the command that runs the program can be pasted", .enabled(if: Command.hasKVM))
  func hint() throws {
    #expect(try build(["--help"]).status == 0)
    #expect(try build(["program", "--help"]).output.hasPrefix("usage: "))
    let folder = try ScratchFolder()
    let source = try folder.store("mine.swift", Self.good.utf8)
    let result = try build(["program", source, "-o", folder.path("it's mine.elf")])
    #expect(result.status == 0, "\(result.all)")
    let hint = try #require(result.output.split(separator: "`").last { $0.hasPrefix("xokvm boot") }, "\(result.all)")
    let line = hint.replacing("xokvm boot", with: "'\(Command.xokvm)' boot", maxReplacements: 1)
    #expect(Command.succeeds(String(line)), "\(line)")
  }
}
