import Foundation
import Testing

@Suite("Wakeup predicates", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct PredicateTests {
  @Test("a program is told which term of its predicate woke it", arguments: ["1", "2"])
  func terms(_ processors: String) throws {
    let result = try Guests.boot("predicates", options: ["--cpus", processors])
    #expect(result.lines == ["[0 predicates] woke for the right terms"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("a machine in which everybody sleeps takes no time of the host's", arguments: ["1", "2"])
  func idle(_ processors: String) throws {
    let folder = try ScratchFolder()
    let machine = try Guests.start(["predicates:idle"], in: folder, options: ["--cpus", processors])
    #expect(machine.waitForOutput("sleeps"))
    let before = try #require(machine.processorSeconds)
    usleep(1_500_000)
    let used = try #require(machine.processorSeconds) - before
    let result = machine.wait()
    #expect(result.output.contains("woke for term 2") && result.status == 0, "\(result.all)")
    // Of one and a half seconds; the resolution is 10 ms.
    #expect(used <= 0.03, "used \(used) s")
  }
}
