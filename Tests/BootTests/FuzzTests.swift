import GuestImages
import Hypervisor
import Testing

@testable import xokvm

@Suite("Random kernel calls", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct FuzzTests {
  @Test("from ring 3 harm neither the kernel nor a neighbour nor the books")
  func calls() throws {
    let result = try Command.run(Command.xokvm, ["fuzz", "--calls", "5000"], seconds: 120)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    #expect(result.lines.count == 2 && result.lines[0].hasPrefix("fuzz: seed "), "\(result.all)")
    let words = result.lines.last?.split(separator: " ") ?? []
    // More than a few are accepted: otherwise nothing behind the checks is tested.
    #expect(words.count > 13 && Int(words[1]) == 5000 && Int(words[3]) ?? 0 > 500, "\(result.all)")
    #expect(words.count > 13 && Int(words[13]) ?? 0 >= 35, "\(result.all)")
  }

  @Test("on two processors at once harm nobody either")
  func processors() throws {
    let result = try Command.run(Command.xokvm, ["fuzz", "--calls", "90", "--cpus", "2"], seconds: 120)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    #expect(result.lines.last?.hasPrefix("fuzz: 90 calls, ") == true, "\(result.all)")
  }

  @Test("leave numbers behind that the command sums up, whatever they are")
  func numbers() {
    let largest = UInt64.max
    let lines = [
      "[1 fuzz] fuzz: \(largest) calls, \(largest) accepted, seed 5, 1 environments, kinds 0x5,0x0,0x0,0x0",
      "[2 fuzz] fuzz: 3 calls, 4 accepted, seed 5, 1 environments, kinds 0xa,0x1",
      "[3 fuzz] fuzz: many calls, 4 accepted, seed 5, 1 environments, kinds 0x10",
    ]
    let totals = FuzzCommand.totals(lines)
    #expect(totals.calls == 2 && totals.accepted == 3 && totals.kinds == [0, 1, 2, 3, 64])
    #expect(FuzzCommand.missing(Set(2..<1000)) == ", but not null, exit")
    #expect(FuzzCommand.missing(Set(0..<1000)) == "")
  }

  @Test("are told in words where one of them returns what no call may")
  func violation() {
    let line: Substring = "call 30 with 0x500000 0x1 0xffffffff 0x0 0x7 returned 0x41, seed 5"
    #expect(
      FuzzCommand.decoded(line) == "frameUnmap(address: 0x500000, count: 1, table: own) returned 0x41, seed 5")
    for other: Substring in ["no memory", "call many with 1 2 3 4 5 returned 0x0, seed 5", ""] {
      #expect(FuzzCommand.decoded(other) == String(other))
    }
  }

  @Test("bring down a kernel that has a mistake, and the command says where and how to see it again")
  func mistake() throws {
    var kernel = GuestImages.kernel()
    let address = try #require(SymbolTable(of: kernel)["call_capability_derive"])
    let offset = try #require(ELFFile(kernel).offset(of: address))
    kernel.replaceSubrange(offset..<offset + 2, with: [0x0f, 0x0b])
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", kernel)
    let result = try Command.run(
      Command.xokvm, ["fuzz", "--seed", "5", "--calls", "5000", "--kernel", path], seconds: 120)
    #expect(result.status == 70, "\(result.all)")
    #expect(result.errors.contains("the kernel went down: panic: exception 0x6, rip 0x\(String(address, radix: 16))"))
    #expect(result.errors.contains("--seed 5 --calls 5000") && result.errors.split(separator: "\n").count == 1)
  }
}
