import CLibOS
import ExokernelABI
import LibOS

/// Reads from a disk into a frame, and tries to give the frame away meanwhile.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    var disk = try DiskExtent(disk: 0, rights: .read)
    guard let page = PageSpace.mapAnywhere(count: 1), let frame = Books.frameNumber(of: page) else { return 71 }
    try KernelCall.unmapFrame(at: page)
    var refusals = 0
    var attempts = 0
    Console.line("begins")
    // The disk may be faster than the program.
    let start = Clock.nanoseconds
    while refusals == 0, Clock.nanoseconds &- start < 20_000_000_000 {
      attempts += 1
      try KernelCall.mapFrame(frame, at: page, rights: .read | .write)
      var requests = 0
      while requests <= attempts % 16 {
        _ = try disk.submit(block: 0, count: 8, page: page)
        requests += 1
      }
      try KernelCall.unmapFrame(at: page)
      do throws(CallError) {
        try KernelCall.freeFrame(frame)
        while requests > 0, disk.nextCompletion() != nil { requests -= 1 }
        guard requests == 0 else {
          Console.line("a frame was given back in the disk's hands")
          return 1
        }
        _ = try KernelCall.allocateFrame(frame)
      } catch {
        guard error == .busy else { throw error }
        refusals += 1
      }
      while requests > 0 {
        let events = Environment.events
        if disk.nextCompletion() != nil { requests -= 1 } else { KernelCall.sleep(events: events, deadline: 0) }
      }
    }
    guard refusals == 1, Books.frame(frame)?.pins == 0 else {
      Console.line("the frame was never pinned, or stays so")
      return 1
    }
    try KernelCall.freeFrame(frame)
    Console.line("pinned while the disk writes it")
    return 0
  } catch {
    Console.line("a call was refused")
    return 70
  }
}
