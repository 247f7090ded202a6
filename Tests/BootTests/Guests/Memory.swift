import ExokernelABI
import LibOS

/// Asks for memory in every way, checks the books against what it did, and tries what it may not do.
@c(program_main)
public func programMain() -> Int32 {
  var failures = 0
  func expect(_ truth: Bool, _ text: StaticString) {
    if truth { return }
    failures += 1
    Console.put("FAILED: ")
    Console.line(text)
  }
  let me = Environment.number
  let before = Books.environment(me)?.frames ?? 0
  do throws(CallError) {
    let frame = try KernelCall.allocateFrame()
    expect(Books.frame(frame)?.owner == UInt8(truncatingIfNeeded: me), "a frame allocated is mine in the books")
    expect(Books.environment(me)?.frames == before + 1, "the books count it")
    let address: UInt64 = 0x5b_0000
    try KernelCall.mapFrame(frame, at: address, rights: .read | .write)
    unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(address))?.pointee = 42
    expect(Books.frameNumber(of: address) == frame, "my page table names the frame")
    expect(
      refused(.busy) { () throws(CallError) in try KernelCall.mapFrame(frame, at: address, rights: .read) },
      "a page is mapped once")
    expect(refused(.busy) { () throws(CallError) in try KernelCall.freeFrame(frame) }, "a mapped frame is not freed")
    expect(
      refused(.badAddress) { () throws(CallError) in
        try KernelCall.mapFrame(frame, at: 0xffff_ffff_8020_0000, rights: .read)
      }, "the kernel's addresses are not mine to map")
    expect(
      refused(.noSuchResource) { () throws(CallError) in
        try KernelCall.mapFrame(UInt64(Books.environment(me)?.rootTable ?? 0), at: 0x5b_1000, rights: .write)
      }, "a page table cannot be mapped")
    expect(
      refused(.noSuchResource) { () throws(CallError) in try KernelCall.mapFrame(2, at: 0x5b_1000, rights: .read) },
      "the kernel's frames cannot be mapped")
    for other in 0..<BooksLayout.environments where other != me {
      guard let record = Books.environment(other), record.state == 1 || record.state == 2, record.firstFrame != 0 else {
        continue
      }
      expect(
        refused(.notPermitted) { () throws(CallError) in
          try KernelCall.mapFrame(UInt64(record.firstFrame), at: 0x5b_1000, rights: .read)
        } || Books.frame(UInt64(record.firstFrame))?.kind != FrameKind.memory.rawValue,
        "a page of another environment cannot be mapped")
    }
    try KernelCall.unmapFrame(at: address)
    try KernelCall.freeFrame(frame)
    expect(Books.environment(me)?.frames == before, "a freed frame is nobody's")
    let again = try KernelCall.allocateFrame(frame)
    expect(again == frame, "a free frame is allocated by its number")
    try KernelCall.mapFrame(again, at: address, rights: .read)
    expect(unsafe UnsafePointer<UInt64>(bitPattern: UInt(address))?.pointee == 0, "a frame comes back empty")
  } catch {
    expect(false, "a call that should succeed was refused")
  }
  guard let large = PageSpace.mapAnywhere(count: 3000) else {
    Console.line("FAILED: 3,000 pages")
    return 1
  }
  for page in 0..<3000 as Range<UInt64> {
    unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(large + page * 4096))?.pointee = page
  }
  Console.line(failures == 0 ? "memory is as the books say" : "memory is wrong")
  return failures == 0 ? 0 : 1
}

private func refused(_ expected: CallError, _ call: () throws(CallError) -> Void) -> Bool {
  do throws(CallError) {
    try call()
    return false
  } catch {
    return error == expected
  }
}
