import Foundation
import Testing

@Suite("--stats", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct StatisticsTests {
  @Test("tells when the machine reached what, what it cost, and how it ended")
  func statistics() throws {
    let folder = try ScratchFolder()
    let path = folder.path("stats.json")
    let start = Date()
    let result = try Command.run(Command.xokvm, ["boot", "--stats", path])
    let elapsed = Date().timeIntervalSince(start)
    #expect(result.status == 0, "\(result.all)")
    let data = try Data(contentsOf: URL(filePath: path))
    let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(document["status"] as? Int == 0)
    #expect(document["outcome"] as? String == "exited")

    let phases = try #require(document["microseconds"] as? [String: Int])
    let order = [
      "vmCreated", "firstGuestInstruction", "kernelReady", "firstLibOSInstruction", "firstConsoleLine", "exit",
    ]
    #expect(Set(phases.keys) == Set(order))
    let times = order.compactMap { phases[$0] }
    #expect(times == times.sorted() && times.first ?? 0 > 0, "\(phases)")
    #expect(Double(phases["exit"] ?? .max) / 1e6 <= elapsed)

    var exits = try #require(document["exits"] as? [String: Int])
    #expect(Set(exits.keys) == ["port", "mmio", "halt", "debug", "interrupted", "other", "total"])
    let total = exits.removeValue(forKey: "total") ?? 0
    #expect(total == exits.values.reduce(0, +) && exits["port"] ?? 0 > 0, "\(exits)")
    #expect(document["emulatedInstructions"] is NSNull || document["emulatedInstructions"] as? Int ?? 0 > 0)

    let memory = try #require(document["memory"] as? [String: Int])
    let peak = try #require(memory["peakResidentBytes"])
    let guest = try #require(memory["guestTouchedBytes"])
    #expect(guest > 100_000 && guest < 64 << 20, "\(memory)")
    #expect(memory["vmmBytes"] == peak - guest, "\(memory)")
  }

  @Test("tells of a machine that was ended from outside")
  func timedOut() throws {
    let folder = try ScratchFolder()
    let path = folder.path("stats.json")
    let result = try Guests.boot("politeloop", options: ["--timeout", "0.3", "--stats", path])
    #expect(result.status == 124)
    let data = try Data(contentsOf: URL(filePath: path))
    let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(document["status"] as? Int == 124)
    #expect(document["outcome"] as? String == "timedOut")
  }
}
