import Foundation
import Testing

@Suite("The tree's layers and names")
struct LayerTests {
  /// Folders of `Sources` from the top to the bottom. Those of C headers are the monitor's.
  private static let layers = ["xokvm": 3, "Hypervisor": 2, "CKVM": 2, "GuestLibOS": 1, "Exokernel": 0]

  private let manifest: Manifest

  init() throws { manifest = Manifest(try SourceTree.text("Package.swift")) }

  /// The layer of a target; nil for one of the tests'.
  private func layer(_ target: Manifest.Target) -> Int? {
    let folders = target.path.split(separator: "/")
    guard folders.count > 1, folders[0] == "Sources" else { return nil }
    return Self.layers[String(folders[1])]
  }

  @Test("every target of the manifest is found, and its folder exists")
  func targets() throws {
    #expect(manifest.targets.count > 25, "the manifest's text is not understood")
    let names = Set(manifest.targets.map(\.name))
    #expect(names.count == manifest.targets.count)
    for target in manifest.targets {
      var isFolder: ObjCBool = false
      let place = SourceTree.root.appending(path: target.path).path
      #expect(FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) && isFolder.boolValue, "\(place)")
      for name in target.dependencies { #expect(names.contains(name), "\(target.name) depends on \(name)") }
      if target.path.hasPrefix("Tests/") { continue }
      #expect(layer(target) != nil, "\(target.name) in \(target.path) belongs to no layer")
    }
    // Each folder of tests is a target, but the scripts'.
    for folder in Set(SourceTree.files(under: "Tests", extensions: ["swift"]).map { $0.split(separator: "/")[1] }) {
      #expect(names.contains(String(folder)), "Tests/\(folder) is no target")
    }
  }

  @Test("no target depends on a layer above its own: xokvm, Hypervisor, GuestLibOS, Exokernel")
  func arrows() throws {
    let byName = Dictionary(manifest.targets.map { ($0.name, $0) }) { first, _ in first }
    var arrows = 0
    for target in manifest.targets {
      guard let own = layer(target) else { continue }
      for name in target.dependencies {
        let dependency = try #require(byName[name])
        let other = try #require(layer(dependency), "\(target.name) depends on \(name), which only tests may")
        #expect(other <= own, "\(target.name) depends on \(name), which lies above it")
        arrows += 1
      }
    }
    #expect(arrows > 20, "the manifest's text is not understood")
  }

  @Test("no source file imports a module of a layer above its own")
  func imports() throws {
    let layers = Dictionary(manifest.targets.compactMap { target in layer(target).map { (target.name, $0) } }) {
      first, _ in first
    }
    for path in SourceTree.files(under: "Sources", extensions: ["swift"]) {
      let folders = path.split(separator: "/")
      let own = try #require(Self.layers[String(folders[1])], "\(path) belongs to no layer")
      for line in try SourceTree.text(path).split(separator: "\n") {
        let words = line.drop { $0 == " " }
        // Imports stand before the first declaration; behind it, a line may look like one inside of a text.
        if words.hasPrefix("//") || words.hasPrefix("#") { continue }
        guard let match = words.firstMatch(of: /^(?:@\w+ |public |package )*import (?:\w+ )?(\w+)/) else { break }
        let module = String(match.output.1)
        #expect(layers[module] ?? 0 <= own, "\(path) imports \(module), which lies above it")
      }
    }
  }

  @Test("a module is named as its folder, or as its folder and the one around it")
  func names() {
    for target in manifest.targets where target.path != "Sources/xokvm/Command" {
      let folders = target.path.split(separator: "/").map(String.init)
      let folder = folders.last ?? ""
      let around = folders.dropLast().last ?? ""
      let allowed = around == "Apps" ? [folder + "App"] : [folder, around + folder]
      #expect(allowed.contains(target.name), "\(target.name) lies in \(target.path)")
    }
    // The command: its module has the name of the program.
    #expect(manifest.targets.filter { $0.path == "Sources/xokvm/Command" }.map(\.name) == ["xokvm"])
  }

  @Test("no two files of one layer have the same name", arguments: ["Exokernel", "GuestLibOS", "Hypervisor", "xokvm"])
  func fileNames(folder: String) {
    var places: [String: [String]] = [:]
    for path in SourceTree.files(under: "Sources/\(folder)") {
      let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
      if ["readme.md", "module.modulemap"].contains(name) { continue }
      places[name, default: []].append(path)
    }
    #expect(places.count > 10)
    for paths in places.values where paths.count > 1 { Issue.record("\(paths.joined(separator: " and "))") }
  }

  @Test("a manifest's text is read: names, folders, dependencies, and no products")
  func reading() {
    let read = Manifest(
      """
      let package = Package(
        products: [.executable(name: "x", targets: ["x"])],
        targets: [
          // .target(name: "Old"),
          .systemLibrary(name: "C", path: "Sources/C"),
          .target(
            name: "A", dependencies: ["C", .product(name: "P", package: "p"), "B"], path: "Sources/A",
            swiftSettings: [.define("X")]),
          .testTarget(name: "ATests", dependencies: ["A"]),
        ])
      """)
    #expect(read.targets.map(\.name) == ["C", "A", "ATests"])
    #expect(read.targets.map(\.kind) == ["systemLibrary", "target", "testTarget"])
    #expect(read.targets.map(\.path) == ["Sources/C", "Sources/A", "Tests/ATests"])
    #expect(read.targets.map(\.dependencies) == [[], ["C", "B"], ["A"]])
  }
}
