import Foundation
import Testing

/// The budgets of the README, in ring-0 instructions, which do not depend on the host's load.
private let budgets = [
  "null-call": 35, "null-call-full": 55, "frame-map": 80, "frame-unmap": 80, "frame-map-batch": 12,
  "frame-unmap-batch": 12, "fault-upcall": 60, "transfer": 70, "directed-yield": 90, "slice-switch": 130,
  "predicate": 50, "ring3-exception": 0, "block-read": 350, "packet-receive": 350,
]

// One after the other: each takes times, which the other would spoil.
@Suite("The bench", .serialized, .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct BenchTests {
  @Test("counts every operation, within its budget")
  func primitives() throws {
    let slice = Command.isSlowHost ? ["--slice", "500"] : []
    let result = try Command.run(Command.xokvm, ["bench", "primitives", "--json"] + slice, seconds: 1200)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    let rows = try #require(document?["operations"] as? [[String: Any]])
    let entry = try #require(document?["entry"] as? String)
    #expect(["interrupt", "syscall"].contains(entry))
    #expect(
      rows.compactMap { $0["name"] as? String } == [
        "null-call", "null-call-full", "frame-map", "frame-unmap", "frame-map-batch", "frame-unmap-batch",
        "fault-upcall", "ring3-exception", "transfer", "directed-yield", "slice-switch", "predicate", "block-read",
        "packet-receive", "packet-send",
      ])
    #expect(document?["host"] == nil, "Linux is measured on request only")
    for row in rows {
      #expect(row["linux"] == nil && row["native"] == nil, "Linux is measured on request only")
      let name = try #require(row["name"] as? String)
      let instructions = try #require(row["instructions"] as? Int)
      let nanoseconds = try #require(row["nanoseconds"] as? Int)
      // The shortest way into ring 0 and back is longer than this; only exceptions take none, and runs are told by the
      // page.
      let least = name == "ring3-exception" ? 0 : name.hasSuffix("batch") ? 5 : 11
      // SYSCALL pushes no frame: six instructions do.
      let budget = name == "transfer" && entry == "syscall" ? 76 : budgets[name] ?? 1000
      #expect(instructions >= least && instructions <= budget, "\(name): \(instructions)")
      #expect(nanoseconds > 0, "\(name)")
    }
  }
}
