import Foundation

/// How the kernel is made, and how programs are.
struct GuestRecipes {
  /// The steps.
  private(set) var recipe: Recipe

  /// A program's name, its image with everything in it, as it is carried, and the map of its code.
  typealias Program = (name: String, whole: String, image: String, map: String)

  /// Works in the folder `work`, which is made.
  init(tools: Toolchain, work: String, flags: [String]) throws {
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
    recipe = Recipe(tools: tools, work: work, flags: flags)
  }

  /// The exokernel.
  mutating func kernel() throws -> (image: String, map: String) {
    var objects = try GuestModule.kernel.flatMap { try recipe.compile($0) }
    objects += recipe.assemble("Sources/Exokernel/RingZero")
    let whole = recipe.link(objects, script: "Sources/Exokernel/RingZero/Start/kernel.ld", name: "kernel")
    // Names stay in the kernel: debuggers of other monitors want them, too.
    return recipe.split(whole, keepsNames: true)
  }

  /// The library operating system's object files.
  mutating func libraries() throws -> [String] {
    try GuestModule.libraries.flatMap { try recipe.compile($0) } + recipe.assemble("Sources/GuestLibOS/LibOS")
  }

  /// Programs, each linked with the library operating system and a module that they share, if any.
  mutating func programs(_ programs: [GuestModule], support: GuestModule? = nil) throws -> [Program] {
    var objects = try libraries()
    if let support { objects += try recipe.compile(support) }
    return try programs.map { program in
      let own = try recipe.compile(program)
      let whole = recipe.link(
        objects + own, script: GuestRecipes.programScript, name: program.programName)
      let parts = recipe.split(whole, keepsNames: false)
      return (program.programName, whole, parts.image, parts.map)
    }
  }

  /// Where the linker puts a program's parts.
  static let programScript = "Sources/GuestLibOS/LibOS/Start/program.ld"
}
