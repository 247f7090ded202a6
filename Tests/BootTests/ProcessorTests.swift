import Foundation
import Testing

@Suite("Processor time", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"), .serialized)
struct ProcessorTests {
  @Test("positions of the slice vector are taken, given, freed and refused; the beginning of a slice is told")
  func slices() throws {
    let result = try Guests.boot("slices")
    #expect(result.lines == ["[0 slices] positions are held by whom the books say"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("x87, SSE and AVX registers are the same after the end of a slice", arguments: ["1", "2"])
  func registers(_ processors: String) throws {
    let result = try Guests.boot("registers", options: ["--cpus", processors])
    #expect(result.output.contains("registers outlive the ends of slices"), "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("nobody sees what another environment has in the upper halves of its vector registers")
  func upperHalves() throws {
    let result = try Guests.boot("upperhalves")
    #expect(result.status == 0, "\(result.all)")
  }

  @Test("who lingers in a critical section pays for it, and who never leaves it is ended; the others have their shares")
  func shares() throws {
    // Long slices: where ring 0 is emulated, the change from one environment to another is a hundredth of a usual one.
    let result = try Guests.boot("shares", options: ["--command-line", "slice=40000"])
    #expect(
      result.guestLines.count == 2 && result.guestLines[0].contains("kept the CPU past its slice"), "\(result.all)")
    #expect(result.guestLines.last == "[0 shares] shares are fair, and who keeps the processor is ended")
    #expect(result.status == 0)
  }

  @Test("two that give each other the ends of their slices have two shares of three, not the processor")
  func friends() throws {
    let result = try Guests.boot("friends", options: ["--command-line", "slice=40000", "--timeout", "60"])
    #expect(result.lines == ["[0 friends] friends have their shares, and no more"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test(
    "an idle processor that takes back what an environment owned lets the others make calls meanwhile",
    .disabled(if: Command.isSlowHost, "with native ring 0 frames are back before a call is made"))
  func chores() throws {
    let result = try Guests.boot("reaped", options: ["--cpus", "2", "--timeout", "60"])
    #expect(result.lines == ["[0 reaped] calls went on"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("a program divides the processor 3:2:1 by directed yields")
  func stride() throws {
    let result = try Guests.boot("stride")
    #expect(result.lines == ["[0 stride] shares are 3:2:1"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test(
    "on two processors, environments run at the same time, wake each other, and lose translations at once",
    .enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "nothing runs at the same time on one processor"))
  func parallel() throws {
    let result = try Guests.boot("parallel", options: ["--cpus", "2"])
    #expect(result.lines.last == "[0 parallel] two processors are two", "\(result.all)")
    #expect(result.lines.filter { $0.contains("page fault") }.count == 2, "\(result.all)")
    #expect(result.status == 0)
  }
}
