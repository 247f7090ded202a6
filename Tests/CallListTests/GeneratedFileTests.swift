import CallList
import Foundation
import Testing

/// The tree that the tests belong to.
let package = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

/// The text of a file of the tree.
func text(_ path: String) throws -> String {
  try String(contentsOf: package.appending(path: path), encoding: .utf8)
}

/// What is made of `list` with the tree's README.
func render(_ list: [CallDescription]) throws -> [String: String] {
  try Rendering.renderAll(list, readme: text("Sources/Exokernel/README.md"))
}

@Suite("What is made of the call list")
struct GeneratedFileTests {
  @Test("is in the tree as the list has it")
  func files() throws {
    for (path, expected) in try render(CallList.all) {
      let found = try? text(path)
      #expect(found == expected, "\(path) is not what the call list makes of it: say `swift run GenerateCalls`")
    }
  }

  @Test("is all that says so: no other file of the tree is called generated")
  func strangers() throws {
    let made = Set(try render(CallList.all).keys)
    let files = FileManager.default.enumerator(
      at: package.appending(path: "Sources"), includingPropertiesForKeys: nil)
    for case let file as URL in files ?? .init() where file.path.contains("/Generated/") {
      let path = file.standardized.path.dropFirst(package.path.count).drop { $0 == "/" }
      #expect(file.hasDirectoryPath || made.contains(String(path)), "\(path) is made of nothing")
    }
  }

  @Test("keeps to 120 columns, and ends with one end of line")
  func width() throws {
    for (path, text) in try render(CallList.all) where path.hasSuffix(".swift") {
      for line in text.split(separator: "\n") { #expect(line.count <= 120, "\(path): \(line)") }
      #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"), "\(path)")
    }
  }

  @Test("leaves to hand only what a person has written")
  func handWritten() throws {
    let ringZero = try text("Sources/Exokernel/RingZero/Entry/SwitchingCalls.swift")
    let entries = try text("Sources/Exokernel/RingZero/Entry/entries.S")
    let library = try text("Sources/GuestLibOS/LibOS/Calls/KernelCall.swift")
    let assembly = try ["Calls/gate.S", "Messages/transfers.S"].map { try text("Sources/GuestLibOS/LibOS/\($0)") }
      .joined()
    for call in CallList.all {
      if case .handWritten = call.glue {
        #expect(
          ringZero.contains("@c(call_\(call.symbol))") || entries.contains("\ncall_\(call.symbol):"), "\(call.name)")
      } else {
        #expect(!ringZero.contains("@c(call_\(call.symbol))"), "\(call.name) is written twice")
      }
      if case .handWritten = call.stub {
        #expect(
          library.contains("call(.\(call.name)") || assembly.contains("CALL_\(call.symbol.uppercased())"),
          "\(call.name)")
      }
    }
  }

  @Test("tells of each call in the README: what it checks, its bound, its budget")
  func readme() throws {
    let rows = try text("Sources/Exokernel/README.md").split(separator: "\n")
    for call in CallList.all {
      let row = rows.filter { $0.hasPrefix("| \(call.number) | \(call.name)(") }
      #expect(row.count == 1 && row[0].contains(" | \(call.cost.checks) | \(call.cost.bound) | \(call.cost.budget) |"))
    }
  }
}
