import Foundation
import Testing

@Suite("The library operating system", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct LibOSTests {
  @Test("grows the stack in its fault handler")
  func deepStack() throws {
    let result = try Guests.boot("deepstack")
    #expect(result.lines == ["[0 deepstack] sum 1125750"])
    #expect(result.status == 0, "\(result.all)")
  }

  @Test("runs user threads in turns")
  func threads() throws {
    let result = try Guests.boot("userthreads")
    #expect(result.lines == ["[0 userthreads] order 123123123"])
    #expect(result.status == 0, "\(result.all)")
  }

  @Test("finds memory as the books say, and none of another's")
  func memory() throws {
    let result = try Guests.boot("memory", "neighbour")
    #expect(result.lines.contains("[0 memory] memory is as the books say"), "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("writes a block of a disk, and no other")
  func diskWrite() throws {
    let folder = try ScratchFolder()
    let before = try ScratchFolder.noise(4096)
    let disk = try folder.store("disk", before)
    let result = try Guests.boot("diskwrite", options: ["--disk", disk])
    #expect(result.lines == ["[0 diskwrite] written"], "\(result.all)")
    let block = (0..<64 as Range<UInt64>).flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: (0x6b76_6d78_0000_0000 + word) >> UInt64(8 * $0)) }
    }
    let expected = before.prefix(512) + block + before.suffix(4096 - 1024)
    #expect(try Data(contentsOf: URL(filePath: disk)) == expected)
  }

  @Test("is refused to write a disk that is read-only, which stays as it is")
  func readOnlyDisk() throws {
    let folder = try ScratchFolder()
    let before = try ScratchFolder.noise(4096)
    let disk = try folder.store("disk", before)
    let result = try Guests.boot("diskwrite", options: ["--disk", "\(disk),readonly"])
    #expect(result.lines == ["[0 diskwrite] refused: not permitted"], "\(result.all)")
    #expect(try Data(contentsOf: URL(filePath: disk)) == before)
  }
}
