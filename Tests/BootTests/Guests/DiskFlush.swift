import ExokernelABI
import LibOS

/// Writes 64 pages to the first disk, makes them durable, says so, and runs on.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    var disk = try DiskExtent(disk: 0, rights: .read | .write)
    guard let page = PageSpace.mapAnywhere(count: 1) else { return 71 }
    for number in 0..<64 as Range<UInt64> {
      for word in 0..<512 as Range<UInt64> {
        // Safe: the page was mapped for this.
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(page + word * 8))?.pointee = number &<< 32 | word
      }
      _ = try disk.submit(block: number * 8, count: 8, page: page, isWrite: true)
      guard wait(&disk) else { return 74 }
    }
    _ = try disk.flush()
    guard wait(&disk) else { return 74 }
    Console.line("durable")
    while true { KernelCall.sleep(events: Environment.events, deadline: 0) }
  } catch {
    Console.line(error == .notPermitted ? "refused: not permitted" : "refused")
    return 77
  }
}

/// Waits for a request; true where it succeeded.
private func wait(_ disk: inout DiskExtent) -> Bool {
  while true {
    let events = Environment.events
    if let end = disk.nextCompletion() { return end.succeeded }
    KernelCall.sleep(events: events, deadline: 0)
  }
}
