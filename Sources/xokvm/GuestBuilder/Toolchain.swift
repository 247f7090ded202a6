import Foundation

/// A module of the guest: a folder of Swift files, or one file.
struct GuestModule {
  let name: String
  let path: String

  init(_ name: String, _ path: String) {
    self.name = name
    self.path = path
  }
}

/// A tool failed; its own messages are on standard error already.
struct ToolFailure: Error, CustomStringConvertible {
  let description: String
}

/// The compilers of the Swift toolchain, set up for a machine without an operating system.
struct Toolchain {
  let package: URL
  let work: URL
  let swiftc: String
  let clang: String
  let linker: String

  /// Every guest module.
  static let common = [
    "-target", "x86_64-unknown-none-elf", "-enable-experimental-feature", "Embedded", "-enable-experimental-feature",
    "Extern",
    "-wmo", "-parse-as-library", "-swift-version", "6", "-O", "-strict-memory-safety", "-warnings-as-errors",
    "-enable-upcoming-feature", "ExistentialAny",
    "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector", "-Xcc", "-fno-pic", "-Xcc",
    "-fomit-frame-pointer", "-Xcc", "-ffreestanding",
  ]

  /// What ring 0 needs besides: interrupts may come at any instruction, and the FPU belongs to ring 3.
  static let ringZero = [
    "-Xcc", "-mno-red-zone", "-Xcc", "-mno-sse", "-Xcc", "-mno-mmx", "-Xcc", "-mno-implicit-float", "-Xcc",
    "-mcmodel=kernel",
    "-no-allocations",
    // Two conditions stay two branches: joining them saves mispredictions on hosts with native ring 0, which a path this short does not have,
    // and costs instructions, which is what counts where ring 0 is emulated.
    "-Xllvm", "-x86-br-merging-base-cost=-1", "-Xllvm", "-bonus-inst-threshold=0",
    // Loops keep the one counter that they are written with.
    "-Xllvm", "-disable-lsr",
  ]

  /// Compiles a module; its interface stays in the work folder for the modules after it.
  func compile(_ module: GuestModule, flags: [String], headers extra: [String] = []) throws -> String {
    let location = module.path.hasPrefix("/") ? URL(filePath: module.path) : package.appending(path: module.path)
    let object = work.appending(path: "\(module.name).o").path
    let headers =
      ["Sources/Exokernel/CRingZero", "Sources/GuestLibOS/CLibOS"].flatMap {
        ["-I", package.appending(path: $0).path]
      } + extra.flatMap { ["-I", $0] }
    try run(
      swiftc,
      Self.common + flags + headers + [
        "-I", work.path, "-module-cache-path", work.appending(path: "modules").path, "-module-name", module.name,
        "-emit-module", "-emit-module-path", work.appending(path: "\(module.name).swiftmodule").path, "-c", "-o",
        object,
      ] + files("swift", at: location))
    return object
  }

  /// Assembles every file of a folder.
  func assemble(_ folder: String) throws -> [String] {
    let headers = ["Exokernel/Assembly", "Exokernel/RingZero", "Exokernel/RingZero/Entry", "GuestLibOS/LibOS/Calls"]
      .flatMap { ["-I", package.appending(path: "Sources/\($0)").path] }
    return try files("S", at: package.appending(path: folder)).map { source in
      let object = work.appending(path: URL(filePath: source).lastPathComponent + ".o").path
      try run(clang, ["-target", "x86_64-unknown-none-elf"] + headers + ["-c", source, "-o", object])
      return object
    }
  }

  func link(_ objects: [String], script: String, name: String, strip: Bool) throws -> Data {
    let output = work.appending(path: name)
    try run(
      linker,
      [
        "-T", package.appending(path: script).path, "-static", "--gc-sections", "-z", "noexecstack",
        "--no-dynamic-linker",
      ]
        + (strip ? ["--strip-all"] : ["--strip-debug"]) + ["-o", output.path] + objects)
    return try Data(contentsOf: output)
  }

  /// The files with an extension in a folder, or the one file that is named.
  private func files(_ pathExtension: String, at location: URL) -> [String] {
    if location.pathExtension == pathExtension { return [location.path] }
    let files =
      FileManager.default.enumerator(at: location, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
    return files.filter { $0.pathExtension == pathExtension }.map(\.path).sorted()
  }

  private func run(_ tool: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: tool)
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw ToolFailure(description: "\(tool) \(arguments.joined(separator: " ")): status \(process.terminationStatus)")
    }
  }
}
