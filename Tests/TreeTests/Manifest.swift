import Foundation

/// The targets that the text of Package.swift declares. The text is read rather than the package described by its
/// manager, which waits for the build that runs the tests.
struct Manifest {
  /// One target.
  struct Target {
    /// How it is declared: `target`, `executableTarget`, `testTarget`, `systemLibrary` or `plugin`.
    var kind: String
    /// The module's name.
    var name: String
    /// Its folder, relative to the package's.
    var path: String
    /// Targets of this package on which it depends; products of others are left out.
    var dependencies: [String]
  }

  /// All targets, in the order of the manifest.
  let targets: [Target]

  /// Reads the targets out of a manifest's text.
  init(_ text: String) {
    let code = text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.drop { $0 == " " }.hasPrefix("//") ? "" : $0 }.joined(separator: "\n")
    // The list of targets begins behind the products and the packages, whose declarations have names as well.
    guard let list = code.range(of: "\n  targets: ") else {
      targets = []
      return
    }
    let declarations = code[list.upperBound...]
    targets = declarations.matches(of: /\.(target|executableTarget|testTarget|systemLibrary|plugin)\(\s*name:/)
      .compactMap {
        let kind = String($0.output.1)
        let arguments = Self.enclosed(declarations[$0.range.lowerBound...], "(", ")")
        guard let name = arguments.firstMatch(of: /name:\s*"([^"]+)"/)?.output.1 else { return nil }
        let path = arguments.firstMatch(of: /path:\s*"([^"]+)"/)?.output.1
        var dependencies: [String] = []
        if let start = arguments.range(of: "dependencies:") {
          let named = Self.enclosed(arguments[start.upperBound...], "[", "]")
            .replacing(/\.product\([^)]*\)/, with: "")
          dependencies = named.matches(of: /"([^"]+)"/).map { String($0.output.1) }
        }
        return Target(
          kind: kind, name: String(name), path: path.map(String.init) ?? "Tests/\(name)", dependencies: dependencies)
      }
  }

  /// What stands between the first `open` of a text and the `close` that belongs to it.
  private static func enclosed(_ text: Substring, _ open: Character, _ close: Character) -> Substring {
    guard let start = text.firstIndex(of: open) else { return "" }
    var depth = 0
    for index in text.indices[start...] {
      if text[index] == open { depth += 1 }
      if text[index] == close { depth -= 1 }
      if depth == 0 { return text[text.index(after: start)..<index] }
    }
    return text[text.index(after: start)...]
  }
}
