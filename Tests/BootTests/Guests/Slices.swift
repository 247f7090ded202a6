import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Takes positions of the slice vector, gives them away and back, is refused what it may not do, and is told when its
/// slices begin.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    let me = UInt32(truncatingIfNeeded: Environment.number)
    guard try KernelCall.allocateSlice(40) == 40, Books.sliceOwnerPlusOne(40) == me + 1 else {
      return fail("a named position")
    }
    guard refusal(of: { () throws(CallError) in _ = try KernelCall.allocateSlice(40) }) == .busy else {
      return fail("a position that is taken")
    }
    guard refusal(of: { () throws(CallError) in _ = try KernelCall.allocateSlice(64) }) == .noSuchResource,
      refusal(of: { () throws(CallError) in _ = try KernelCall.allocateSlice(7 << 8) }) == .noSuchResource
    else { return fail("a position that does not exist") }
    let any = try KernelCall.allocateSlice()
    guard Books.sliceOwnerPlusOne(any) == me + 1 else { return fail("any position") }
    try KernelCall.freeSlice(any)
    guard Books.sliceOwnerPlusOne(any) == 0 else { return fail("a position that was given back") }

    // Another environment gets a position, and may not touch ours, whatever it presents.
    let other = try ChildEnvironment.companion(quotas: Quotas(frames: 1, slices: 2), argument: 40) { position, page in
      let own = refusal { () throws(CallError) in try KernelCall.freeSlice(position) }
      let empty = refusal { () throws(CallError) in try KernelCall.freeSlice(position, capability: 5) }
      let gift = refusal { () throws(CallError) in
        try KernelCall.giveSlice(position, to: libos_load64(UInt(page) &+ 104))
      }
      guard own == .notPermitted, empty == .noSuchCapability, gift == .notPermitted else { return 1 }
      // What it was given is its own: it may free it, but not its last one.
      while Books.sliceOwnerPlusOne(41) != UInt32(truncatingIfNeeded: libos_load64(UInt(page) &+ 96)) + 1 {
        KernelCall.yield()
      }
      guard refusal(of: { () throws(CallError) in try KernelCall.freeSlice(41) }) == nil else { return 2 }
      guard refusal(of: { () throws(CallError) in try KernelCall.freeSlice(50) }) == .busy else { return 3 }
      return 0
    }
    try other.start(position: 50)
    _ = try KernelCall.allocateSlice(41)
    try KernelCall.giveSlice(41, to: KernelCall.table(of: other.handle, capability: other.slot))
    guard other.wait(), let record = other.lastRecord else {
      return fail("the other environment")
    }
    guard record.exitStatus == 0 else {
      return fail("the other environment, at", UInt64(record.exitStatus))
    }
    guard Books.sliceOwnerPlusOne(41) == 0, Books.sliceOwnerPlusOne(50) == 0 else { return fail("its positions") }

    try KernelCall.freeSlice(40)
    guard let last = (0..<BooksLayout.slices).first(where: { Books.sliceOwnerPlusOne($0) == me + 1 }),
      refusal(of: { () throws(CallError) in try KernelCall.freeSlice(last) }) == .busy
    else { return fail("the last position") }

    // The beginning of each slice is told; that of a yield that nobody else uses as well.
    try SliceBeginning.setHandler { unsafe beginnings &+= 1 }
    // Where a slice ends by its time, and nobody else wants the processor, the next one begins without a word: tried
    // again then.
    var isTold = false
    for _ in 0..<20 where !isTold {
      let before = Books.environment(Environment.number)?.slicesRun ?? 0
      unsafe beginnings = 0
      for _ in 0..<20 { KernelCall.yield() }
      let begun = (Books.environment(Environment.number)?.slicesRun ?? 0) &- before
      guard unsafe beginnings >= 20 else { return fail("the prologue of each yield") }
      isTold = unsafe beginnings == 20 && begun == 20
    }
    guard isTold else { return fail("the prologue") }
  } catch { return fail(error) }
  Console.line("positions are held by whom the books say")
  return 0
}

private nonisolated(unsafe) var beginnings: UInt64 = 0
