import ExokernelABI
import LibOS

/// Writes a block of the first disk where it may, and says which it was.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    var disk = try DiskExtent(disk: 0, rights: .read | .write)
    guard let page = PageSpace.mapAnywhere(count: 1) else { return 71 }
    for word in 0..<64 as Range<UInt64> {
      // Safe: the page was mapped for this.
      unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(page + word * 8))?.pointee = 0x6b76_6d78_0000_0000 + word
    }
    _ = try disk.submit(block: 1, count: 1, page: page, isWrite: true)
    while true {
      let events = Environment.events
      if let end = disk.nextCompletion() {
        Console.line(end.succeeded ? "written" : "the disk failed")
        return 0
      }
      KernelCall.sleep(events: events, deadline: 0)
    }
  } catch {
    Console.line(error == .notPermitted ? "refused: not permitted" : "refused")
    return 0
  }
}
