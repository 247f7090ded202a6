import ExokernelABI
import GuestSupport
import LibOS

/// Asks for memory in every way, checks the books against what it did, and tries what it may not do.
@c(program_main)
public func programMain() -> Int32 {
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
    expect(.busy, "a page is mapped once") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: address, rights: .read)
    }
    expect(.busy, "a mapped frame is not freed") { () throws(CallError) in try KernelCall.freeFrame(frame) }
    expect(.badAddress, "the kernel's addresses are not mine to map") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: 0xffff_ffff_8020_0000, rights: .read)
    }
    expect(.noSuchResource, "a page table cannot be mapped") { () throws(CallError) in
      try KernelCall.mapFrame(UInt64(Books.environment(me)?.rootTable ?? 0), at: 0x5b_1000, rights: .write)
    }
    expect(.noSuchResource, "the kernel's frames cannot be mapped") { () throws(CallError) in
      try KernelCall.mapFrame(2, at: 0x5b_1000, rights: .read)
    }
    for other in 0..<BooksLayout.environments where other != me {
      guard let record = Books.environment(other), record.state == 1 || record.state == 2, record.firstFrame != 0 else {
        continue
      }
      let refused = refusal { () throws(CallError) in
        try KernelCall.mapFrame(UInt64(record.firstFrame), at: 0x5b_1000, rights: .read)
      }
      expect(
        refused == .notPermitted || Books.frame(UInt64(record.firstFrame))?.kind != FrameKind.memory.rawValue,
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
    return fail("3,000 pages")
  }
  for page in 0..<3000 as Range<UInt64> {
    unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(large + page * 4096))?.pointee = page
  }
  return verdict("memory is as the books say", or: "memory is wrong")
}
