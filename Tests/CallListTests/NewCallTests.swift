import CallList
import Foundation
import Testing

/// A call that nobody has: two values in one register, an address of the caller's, and a result.
private let extra = CallDescription(
  "frameCount", CallList.all.count, .memory,
  [
    .slot(over: .own), Argument("address", .address), Argument(low: ("rights", .rights), high: ("count", .pageCount)),
  ], result: .pages, doc: "counts pages.", cost: .init(checks: "guard", bound: "64 pages", budget: "99"),
  stub: .generated("countFrames", ["at address", "rights", "count = 1", "capability slot = CapabilitySlot.own"]),
  fuzz: .init(rarity: 3, .address("address")))

@Suite("One more call")
struct NewCallTests {
  @Test("takes its place in every file that is made of the list, and takes nobody else's")
  func places() throws {
    let before = try render(CallList.all)
    let after = try render(CallList.all + [extra])
    #expect(Set(before.keys) == Set(after.keys))
    let number = CallList.all.count
    let expected: [String: [String]] = [
      "Sources/Exokernel/ABI/Generated/CallNumber.swift": [
        "case frameCount = \(number)", "count: UInt64 = \(number + 1)",
        "frameCount(slot, address, rights | count << 32): counts pages.",
      ],
      "Sources/Exokernel/ABI/Generated/CallArguments.swift": ["struct FrameCountArguments", "rdx &>> 32"],
      "Sources/Exokernel/Assembly/call_numbers.inc": [".set CALLS, \(number + 1)", ".set CALL_FRAME_COUNT, \(number)"],
      "Sources/Exokernel/Core/Generated/DecodeAndPerform.swift": [
        "func frameCount(_ call: FrameCountArguments)", "try decodeFrameCount(call)", "performFrameCount(decoded)",
      ],
      "Tests/ExokernelCoreTests/Generated/CallDispatch.swift": ["      frameCount(\n", "_ = try decodeFrameCount(\n"],
      "Sources/Exokernel/RingZero/Entry/Generated/call_table.S": [".quad call_frame_count\ncall_table_end:"],
      "Sources/Exokernel/RingZero/Entry/Generated/CallGlue.swift": [
        "@c(call_frame_count)", "kernel.frameCount(arguments).rawValue",
      ],
      "Sources/GuestLibOS/LibOS/Calls/Generated/KernelCall+Generated.swift": [
        "public static func countFrames(", "at address: UInt64, rights: Rights, count: UInt64 = 1",
        "try call(.frameCount, registers.rdi, registers.rsi, registers.rdx).value()",
      ],
      "Sources/GuestLibOS/Apps/Fuzz/Generated/CallShapes.swift": [
        "case .frameCount:\n", "ArgumentShape(.pageCount, in: 2, shift: 32, mask: 1 &<< 32 &- 1)",
        "case .frameCount: 3", ".frameCount: .address(1)",
      ],
      "Sources/Exokernel/README.md": [
        "| \(number) | frameCount(slot, address, rights \\| count << 32) | guard | 64 pages | 99 |"
      ],
    ]
    #expect(Set(expected.keys) == Set(after.keys))
    for (path, pieces) in expected {
      for piece in pieces {
        let (old, new) = (before[path]?.ranges(of: piece).count ?? 0, after[path]?.ranges(of: piece).count ?? 0)
        #expect(new == old + 1, "\(path) has \(piece) \(old) times without the call, \(new) times with it")
      }
      // What was said of the other calls stays: lines come in, and those change that count calls or name many of them.
      let lost = Set(lines(before[path])).subtracting(lines(after[path]))
      let isCounted = lost.allSatisfy { $0.contains("\(number)") || $0.contains("case .") || $0.hasPrefix("      .") }
      #expect(isCounted, "\(lost)")
    }
  }

  /// The files that say of every call something, so that somebody would have to add the new one by hand.
  @Test("is named by no other file: its author writes the list's entry, the kernel's function and a test")
  func hands() throws {
    let made = Set(try render(CallList.all).keys)
    let names = CallList.all.map(\.name)
    let all = FileManager.default.enumerator(
      at: package.appending(path: "Sources"), includingPropertiesForKeys: nil)
    for case let file as URL in all ?? .init() where ["swift", "S", "inc", "md"].contains(file.pathExtension) {
      let path = String(file.standardized.path.dropFirst(package.path.count).drop { $0 == "/" })
      guard !made.contains(path), !path.contains("/CallList/") else { continue }
      let text = try String(contentsOf: file, encoding: .utf8)
      let known = names.filter { text.contains(".\($0)") || text.contains("CALL_\($0.uppercased())") }
      #expect(known.count < names.count / 2, "\(path) names \(known.count) calls: make it of the list")
    }
  }

  @Test("that has no number, no place for a value, or a word too many is refused, and says why")
  func mistakes() {
    func failure(_ call: CallDescription) -> String? {
      do throws(Rendering.Failure) {
        _ = try Rendering.renderAll(CallList.all + [call], readme: "")
        return nil
      } catch { return error.description }
    }
    let number = CallList.all.count
    let cost = CallDescription.Cost(checks: "-")
    func call(_ number: Int, _ arguments: [Argument], stub: [String], _ danger: CallDescription.Danger = .none)
      -> CallDescription
    {
      CallDescription(
        "odd", number, .memory, arguments, result: .nothing, doc: "is odd.", cost: cost,
        stub: .generated("odd", stub), fuzz: .init(danger))
    }
    let count = Argument("count", .count)
    #expect(failure(call(number + 1, [count], stub: ["count"]))?.contains("numbers of the calls") == true)
    #expect(failure(call(number, [count], stub: []))?.contains("parameters") == true)
    #expect(failure(call(number, [count], stub: ["_ number"]))?.contains("parameters") == true)
    #expect(failure(call(number, [count, count], stub: ["count"]))?.contains("two of one name") == true)
    #expect(failure(call(number, [count], stub: ["count"], .frame("frame")))?.contains("does not have") == true)
    let many = (0..<6).map { Argument("value\($0)", .count) }
    #expect(failure(call(number, many, stub: many.flatMap(\.fields).map(\.name)))?.contains("five") == true)
    // Nothing is wrong with it but the README, which has no place for the table.
    #expect(failure(call(number, [count], stub: ["count"]))?.contains("README") == true)
  }

  private func lines(_ text: String?) -> [Substring] { text?.split(separator: "\n") ?? [] }
}
