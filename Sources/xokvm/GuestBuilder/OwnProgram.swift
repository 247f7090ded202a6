import Foundation

/// A program of somebody's own, built by hand with the library operating system: `swift run GuestBuilder program`.
struct OwnProgram {
  private let source: String
  private let output: String
  private let tools: Toolchain
  private let work: String

  /// Takes the source, and the output's name where one is given. The current folder is the package's.
  init(_ arguments: [String]) throws {
    source = arguments.first ?? ""
    guard arguments.count <= 1 || (arguments.count == 3 && arguments[1] == "-o") else {
      GuestBuilder.fail("usage: swift run GuestBuilder program FILE.swift|FOLDER [-o FILE.elf]", status: 64)
    }
    output =
      arguments.count == 3
      ? arguments[2] : URL(filePath: source).deletingPathExtension().lastPathComponent + ".elf"
    let tool = { (name: String) throws(GuestBuildError) in
      for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
        let path = "\(folder)/\(name)"
        if FileManager.default.isExecutableFile(atPath: path) { return path }
      }
      throw .unreadable("\(name), a part of the Swift toolchain: it has to be in PATH")
    }
    tools = Toolchain(
      swiftc: try tool("swiftc"), clang: try tool("clang"), linker: try tool("ld.lld"),
      objcopy: try tool("llvm-objcopy"), mapper: CommandLine.arguments[0])
    guard FileManager.default.fileExists(atPath: GuestRecipes.programScript) else {
      throw GuestBuildError.unreadable(
        "\(GuestRecipes.programScript); call this in the folder of xokvm's Package.swift")
    }
    // SCRATCH/TRIPLE/CONFIGURATION/GuestBuilder, beside which the plug-in's outputs are: what is compiled is shared
    // with them.
    let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    let outputs = products.appending(path: "../../plugins/outputs").standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: outputs) else {
      throw GuestBuildError.unreadable("\(outputs); build the package first: swift build")
    }
    work = relativePath("\(outputs)/guest/ring3")
  }

  /// Builds the program, with its symbols and line tables in it.
  func build() throws {
    var recipes = try GuestRecipes(tools: tools, work: work, flags: [])
    // Programs of one name in several folders are several programs.
    var path = Fingerprint()
    path.add(URL(filePath: source).standardizedFileURL.path)
    var module = try GuestModule.program(at: source)
    module.name += "_" + path.text.prefix { $0 != "-" }
    try OutputPlace.check(output)
    let program = try recipes.programs([module])[0]
    let runner = StepRunner(work: work)
    // The compiler's messages come before the linker's, which would tell of what the compiler did not make.
    let links = [program.whole, program.image, program.map]
    do {
      try runner.run(recipes.recipe.steps.filter { Set($0.outputs).isDisjoint(with: links) })
    } catch GuestBuildError.tool(step: module.name, let tool, let status) {
      throw GuestBuildError.tool(step: source, tool: tool, status: status)
    }
    guard try module.hasEntry() else { throw GuestBuildError.noEntry(source) }
    try runner.run(recipes.recipe.steps)
    try OutputPlace.store([UInt8](read(program.whole)), at: output)
    let word = OutputPlace.shellWord((output.hasPrefix("/") ? "" : "./") + output)
    print("\(output): run it with `xokvm boot --app \(word)`")
  }

  /// Builds the library operating system and tells everything that a build by other means needs.
  func printFlags() throws {
    var recipes = try GuestRecipes(tools: tools, work: work, flags: [])
    let objects = try recipes.libraries()
    try StepRunner(work: work).run(recipes.recipe.steps)
    print(
      "swiftc:",
      (GuestFlags.common + GuestFlags.cModules.flatMap { ["-I", $0] } + ["-I", work]).joined(separator: " "))
    print("clang:", GuestFlags.assembly.joined(separator: " "))
    print("ld.lld:", (GuestFlags.link + ["-T", GuestRecipes.programScript] + objects).joined(separator: " "))
  }
}
