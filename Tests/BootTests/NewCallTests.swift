import CallList
import Foundation
import Hypervisor
import Testing

/// A call that nobody has: it says how much is two times a number.
private let twice = CallDescription(
  "twice", CallList.all.count, .processor, [Argument("count", .count)], result: .pages,
  doc: "says how much two times `count` is, up to 64.", cost: .init(checks: "the number"),
  stub: .generated("twice", ["_ count"]), fuzz: .init(.none))

/// Its two functions.
private let body = """
  import ExokernelABI

  extension Kernel {
    /// Checks `CallNumber.twice`.
    func decodeTwice(count: UInt64) throws(CallError) -> UInt64 {
      guard count >= 1, count <= 32 else { throw .badArgument }
      return count
    }

    /// Says how much it is.
    func performTwice(_ count: UInt64) -> UInt64 { 2 &* count }
  }
  """

/// Its test.
private let program = """
  import ExokernelABI
  import LibOS

  @c(program_main)
  public func programMain() -> Int32 {
    do throws(CallError) {
      guard try KernelCall.twice(21) == 42 else { return 1 }
      _ = try KernelCall.twice(33)
      return 2
    } catch {
      return error == .badArgument ? 0 : 3
    }
  }
  """

@Suite(
  "A new call", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"),
  .enabled(if: Command.find("swiftc") != nil, "there is no Swift toolchain in PATH"),
  .disabled(if: Command.isSlowHost, "there is no Swift toolchain"))
struct NewCallTests {
  /// Adds the call to a copy of the tree in the three files that its author writes, makes the others, builds kernel and program with it and
  /// runs them.
  @Test(
    "is three files, its entry of the list, its functions and its test; the rest is made, and it works in a machine")
  func threeFiles() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path
    let folder = try ScratchFolder()
    let outputs = Command.products.appending(path: "../../plugins/outputs/guest").standardizedFileURL.path
    try FileManager.default.copyItem(atPath: "\(root)/Sources", toPath: folder.path("Sources"))
    try FileManager.default.copyItem(atPath: outputs, toPath: folder.path("work"))

    let readme = try String(contentsOfFile: folder.path("Sources/Exokernel/README.md"), encoding: .utf8)
    let made = try Rendering.renderAll(CallList.all + [twice], readme: readme)
    for (path, text) in made { try folder.store(path, text.utf8) }
    try folder.store("Sources/Exokernel/Core/CPU/Twice.swift", body.utf8)
    try folder.store("guests/Twice.swift", program.utf8)
    try folder.store("guests/Support/Nothing.swift", "// Nothing that programs share.\n".utf8)

    for arguments in [["kernel"], ["guests", folder.path("guests")]] {
      let tools = ["swiftc", "clang", "ld.lld", "llvm-objcopy"].compactMap(Command.find)
      let result = try Command.run(
        Command.products.appending(path: "GuestBuilder").path,
        ["images", arguments[0], folder.url.path, folder.path("work"), folder.path("\(arguments[0]).swift")] + tools
          + arguments.dropFirst(), seconds: 300)
      try #require(result.status == 0, "\(result.all)")
    }
    let kernel = [UInt8](try Data(contentsOf: URL(filePath: folder.path("work/ring0/kernel.image"))))
    #expect(SymbolTable(of: kernel)["call_twice"] != nil)
    let result = try Command.run(
      Command.xokvm,
      [
        "boot", folder.path("work/ring0/kernel.image"), "--app", folder.path("work/ring3/twice.image"), "--timeout",
        "20",
      ])
    #expect(result.status == 0, "\(result.all)")

    // Without the three files the tree is what it was: what is made of the list stands there.
    for (path, text) in try Rendering.renderAll(CallList.all, readme: readme) {
      #expect(
        try text == String(contentsOfFile: "\(root)/\(path)", encoding: .utf8), "\(path): swift run GenerateCalls")
    }
  }
}
