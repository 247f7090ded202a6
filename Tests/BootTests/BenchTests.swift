import Foundation
import Testing

/// The budgets of the README, in ring-0 instructions, which do not depend on the host's load.
private let budgets = [
  "null-call": 60, "null-call-full": 60, "frame-map": 110, "block-read": 350, "packet-receive": 350,
]

// One after the other: each takes times, which the other would spoil.
@Suite("The bench", .serialized, .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct BenchTests {
  @Test("counts every operation, within its budget")
  func primitives() throws {
    let result = try Command.run(Command.xokvm, ["bench", "primitives", "--json"], seconds: 120)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    let rows = try #require(document?["operations"] as? [[String: Any]])
    #expect(
      rows.compactMap { $0["name"] as? String } == [
        "null-call", "null-call-full", "frame-map", "frame-unmap", "fault-upcall", "slice-switch", "block-read",
        "packet-receive", "packet-send",
      ])
    #expect(document?["host"] == nil, "Linux is measured on request only")
    for row in rows {
      #expect(row["linux"] == nil && row["native"] == nil, "Linux is measured on request only")
      let name = try #require(row["name"] as? String)
      let instructions = try #require(row["instructions"] as? Int)
      let nanoseconds = try #require(row["nanoseconds"] as? Int)
      // The shortest way into ring 0 and back is longer than this.
      #expect(instructions > 10 && instructions <= budgets[name] ?? 1000, "\(name): \(instructions)")
      #expect(nanoseconds > 0, "\(name)")
    }
  }
}
