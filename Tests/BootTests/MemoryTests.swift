import Foundation
import Testing

@Suite("Memory", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct MemoryTests {
  @Test("is mapped in runs, keeps the program's bits, shows what was touched, and obeys its owner's restrictions")
  func pageTables() throws {
    let result = try Guests.boot("pagetables")
    #expect(result.lines == ["[0 pagetables] page tables are as asked"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("comes in pages of 2 MiB, clean each time, and those that nobody has are divided")
  func largePages() throws {
    let result = try Guests.boot("largepages", options: ["--memory", "64", "--timeout", "50"])
    #expect(result.lines == ["[0 largepages] large pages are as asked"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("stays its owner's while a disk writes it")
  func pinned() throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk", try ScratchFolder.noise(65536))
    let machine = try Guests.start(["pinnedframe"], in: folder, options: ["--disk", disk])
    try #require(machine.waitForOutput("begins"), "\(machine.output)\(machine.errors)")
    // There, the disk's thread would serve each request before the program goes on.
    if ProcessInfo.processInfo.activeProcessorCount == 1 { #expect(machine.yieldToOthers()) }
    let result = machine.wait()
    #expect(
      result.lines == ["[0 pinnedframe] begins", "[0 pinnedframe] pinned while the disk writes it"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("is brought by the program's own fault handler; what a kernel call meets is an error")
  func faults() throws {
    let result = try Guests.boot("faults", "neighbour")
    #expect(result.lines.contains("[0 faults] faults are served"), "\(result.all)")
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well after many") })
    #expect(result.status == 0)
  }
}
