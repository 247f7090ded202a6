import Foundation

/// The steps that make images out of modules of one ring; objects, interfaces and records are in one folder of that
/// ring's own.
struct Recipe {
  let tools: Toolchain
  let work: String
  let flags: [String]
  /// The steps so far.
  private(set) var steps: [Step] = []
  private var names: Set<String> = []

  init(tools: Toolchain, work: String, flags: [String]) {
    self.tools = tools
    self.work = work
    self.flags = flags
  }

  /// The compiler's cache of C modules, which is of no use in another place than where it was made: a tree that has
  /// moved gets a new one.
  private var modules: String {
    var place = Fingerprint()
    place.add(FileManager.default.currentDirectoryPath)
    return "\(work)/modules-\(place.text.prefix { $0 != "-" })"
  }

  /// Compiles a module behind those it imports; returns its object file, or nothing where only its interface is needed.
  mutating func compile(_ module: GuestModule) throws -> [String] {
    let objects = try module.hasCNames() ? ["\(work)/\(module.name).o"] : []
    let interface = "\(work)/\(module.name).swiftmodule"
    let imports = try module.imports().intersection(names).sorted()
    names.insert(module.name)
    let cModules = (GuestFlags.cModules + module.headers).filter { FileManager.default.fileExists(atPath: $0) }
    steps.append(
      Step(
        name: module.name, tool: tools.swiftc,
        arguments: GuestFlags.common + flags + cModules.flatMap { ["-I", $0] } + [
          "-I", work, "-module-name", module.name, "-emit-module",
          "-emit-module-path", interface,
        ] + objects.flatMap { ["-c", "-o", $0] } + module.swiftFiles,
        idleArguments: ["-module-cache-path", modules],
        sources: module.swiftFiles
          + cModules.flatMap { GuestModule.files("h", at: $0) + GuestModule.files("modulemap", at: $0) },
        // What is imported is read with everything that it imports itself.
        needs: try reached(from: imports).map { "\(work)/\($0).swiftmodule" },
        outputs: [interface] + objects))
    return objects
  }

  /// Names of `imports` and of all that they import.
  private func reached(from imports: [String]) throws -> [String] {
    var all = Set(imports)
    for name in imports {
      guard let step = steps.first(where: { $0.name == name }) else { continue }
      all.formUnion(step.needs.map { URL(filePath: $0).deletingPathExtension().lastPathComponent })
    }
    return all.sorted()
  }

  /// Assembles every file of a folder; returns the object files.
  mutating func assemble(_ folder: String) -> [String] {
    let included = (GuestFlags.includes.flatMap { GuestModule.files("inc", at: $0) })
    return GuestModule.files("S", at: folder).map { source in
      let name = URL(filePath: source).lastPathComponent
      let object = "\(work)/\(name).o"
      steps.append(
        Step(
          name: name, tool: tools.clang, arguments: GuestFlags.assembly + ["-c", source, "-o", object],
          sources: [source] + included, needs: [], outputs: [object]))
      return object
    }
  }

  /// Links an image with all its symbols and line tables; returns its path.
  mutating func link(_ objects: [String], script: String, name: String) -> String {
    let output = "\(work)/\(name).elf"
    steps.append(
      Step(
        name: "\(name).elf", tool: tools.linker, arguments: GuestFlags.link + ["-T", script, "-o", output] + objects,
        sources: [script], needs: objects, outputs: [output]))
    return output
  }

  /// The image as it is loaded, and beside it the map of its code.
  mutating func split(_ image: String, keepsNames: Bool) -> (image: String, map: String) {
    let base = String(image.dropLast(".elf".count))
    let name = URL(filePath: base).lastPathComponent
    let stripped = "\(base).image"
    let map = "\(base).map"
    steps.append(
      Step(
        name: "\(name).image", tool: tools.objcopy,
        arguments: [keepsNames ? "--strip-debug" : "--strip-all", image, stripped], sources: [], needs: [image],
        outputs: [stripped]))
    steps.append(
      Step(
        name: "\(name).map", tool: tools.mapper, arguments: ["map", image, map], sources: [], needs: [image],
        outputs: [map]))
    return (stripped, map)
  }
}
