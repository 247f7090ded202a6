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

/// A copy of the tree and of what was built of it, in which the guest builder is called by hand.
private struct TreeCopy {
  let folder: ScratchFolder
  let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path
  /// Where the package's own build has it, so that nothing has to be built again.
  private static let work = ".build/plugins/outputs/guest"

  init() throws {
    folder = try ScratchFolder()
    try FileManager.default.copyItem(atPath: "\(root)/Sources", toPath: folder.path("Sources"))
    let outputs = Command.products.appending(path: "../../plugins/outputs/guest").standardizedFileURL.path
    try folder.store("\(Self.work)/../.place", [])
    try FileManager.default.copyItem(atPath: outputs, toPath: folder.path(Self.work))
  }

  /// Builds an image; returns how many steps ran for it.
  func build(_ arguments: String...) throws -> Int {
    let tools = ["swiftc", "clang", "ld.lld", "llvm-objcopy"].compactMap(Command.find)
    let result = try Command.run(
      Command.products.appending(path: "GuestBuilder").path,
      ["images", arguments[0], folder.url.path, folder.path(Self.work), folder.path("\(arguments[0]).swift")] + tools
        + arguments.dropFirst(), seconds: 300)
    try #require(result.status == 0, "\(result.all)")
    let told = try #require(result.output.firstMatch(of: /(?m)^\w+: (\d+) of \d+ steps ran/), "\(result.all)")
    return try #require(Int(told.output.1))
  }

  /// The path of what a step has made.
  func made(_ name: String) -> String { folder.path("\(Self.work)/\(name)") }
}

@Suite(
  "A new call", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"),
  .enabled(if: Command.find("swiftc") != nil, "there is no Swift toolchain in PATH"),
  .disabled(if: Command.isSlowHost, "there is no Swift toolchain"))
struct NewCallTests {
  @Test("what was built is not built again, and a line is what is built of it")
  func incremental() throws {
    let copy = try TreeCopy()
    // The builder itself, and the tool that strips images, may be other files than the plug-in's: then the last two
    // steps are made once more, and nothing is compiled.
    #expect(try copy.build("kernel") <= 2)
    #expect(try copy.build("kernel") == 0)
    let file = "Sources/Exokernel/Core/Console/Console.swift"
    let text = try String(contentsOfFile: copy.folder.path(file), encoding: .utf8)
    try copy.folder.store(file, text.replacing("bytes dropped", with: "bytes lost").utf8)
    #expect(try copy.build("kernel") == 5, "core, ring 0, the linked kernel, its image and its map")
    #expect(try copy.build("kernel") == 0)
  }

  /// Adds the call to a copy of the tree in the three files that its author writes, makes the others, builds kernel and
  /// program with it and runs them.
  @Test(
    "is three files, its entry of the list, its functions and its test; the rest is made, and it works in a machine")
  func threeFiles() throws {
    let copy = try TreeCopy()
    let folder = copy.folder
    let readme = try String(contentsOfFile: folder.path("Sources/Exokernel/README.md"), encoding: .utf8)
    let made = try Rendering.renderAll(CallList.all + [twice], readme: readme)
    for (path, text) in made { try folder.store(path, text.utf8) }
    try folder.store("Sources/Exokernel/Core/CPU/Twice.swift", body.utf8)
    try folder.store("guests/Twice.swift", program.utf8)
    try folder.store("guests/Support/Nothing.swift", "// Nothing that programs share.\n".utf8)

    _ = try copy.build("kernel")
    _ = try copy.build("guests", folder.path("guests"))
    let kernel = [UInt8](try Data(contentsOf: URL(filePath: copy.made("ring0/kernel.image"))))
    #expect(SymbolTable(of: kernel)["call_twice"] != nil)
    let result = try Command.run(
      Command.xokvm,
      [
        "boot", copy.made("ring0/kernel.image"), "--app", copy.made("ring3/twice.image"), "--timeout",
        "20",
      ])
    #expect(result.status == 0, "\(result.all)")

    // Without the three files the tree is what it was: what is made of the list stands there.
    for (path, text) in try Rendering.renderAll(CallList.all, readme: readme) {
      #expect(
        try text == String(contentsOfFile: "\(copy.root)/\(path)", encoding: .utf8), "\(path): swift run GenerateCalls")
    }
  }
}
