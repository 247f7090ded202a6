import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Sends two thousand messages through a ring in a frame that it shares with an environment of another page table,
/// which sends them back through another ring, changed. The frames have a guard of their own, and the other one gets a
/// capability for that name alone.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    guard let pages = PageSpace.mapAnywhere(count: 3), let own = Books.capability(of: Environment.number, slot: 0)
    else {
      return fail("memory")
    }
    // Our own name with one more byte.
    let name = own.name | 0x52 << (56 - 8 * UInt64(own.length))
    let length = UInt64(own.length) + 1
    for index in 0..<2 as Range<UInt64> {
      guard let frame = Books.frameNumber(of: pages &+ index &* 4096) else { return fail("a frame") }
      try KernelCall.guardFrame(frame, name: name, length: length, allowed: .read | .write)
    }
    try KernelCall.deriveCapability(from: 0, into: 9, name: name, length: length, rights: .read | .write | .grant)
    guard let first = Books.frameNumber(of: pages), let second = Books.frameNumber(of: pages &+ 4096) else {
      return fail("frames")
    }
    unsafe frames = [first, second, Books.frameNumber(of: pages &+ 8192) ?? 0]
    let other = try ChildEnvironment.copy(spare: Quotas(frames: 32, slices: 1), argument: Environment.handle, sendBack)
    try other.start()
    try offer(9, to: other.handle, into: 9, rights: .read | .write)

    var out = MessageRing(page: pages)
    var back = MessageRing(page: pages &+ 4096)
    var sent: UInt64 = 0
    var received: UInt64 = 0
    while received < 2000 {
      while sent < 2000, out.put([sent, sent &* 3, 0, 0, 0, ~sent]) { sent &+= 1 }
      while let message = back.take() {
        guard message[0] == received, message[1] == received &* 3 &+ 1, message[5] == ~received else {
          return fail("a message")
        }
        received &+= 1
      }
      if received < 2000, !back.hasMessage {
        var predicate = WakeupPredicate(page: pages &+ 8192)
        let late = predicate.add(WakeupPredicate.clock(from: Clock.timeStamp(after: 2_000_000_000)))
        if let answer = WakeupPredicate.word(at: pages &+ 4096, isNot: received) { _ = predicate.add(answer) }
        try predicate.bind()
        if WakeupPredicate.sleep() == late {
          return fail("an answer, the other environment's status is", UInt64(other.lastRecord?.exitStatus ?? 0))
        }
      }
    }
    guard other.wait(), let record = other.lastRecord, record.exitStatus == 0
    else {
      return fail("the other environment")
    }
    Console.line("2000 messages came back")
    return 0
  } catch { return fail(error) }
}

/// The frames of the two rings, and one of the maker's own.
private nonisolated(unsafe) var frames: InlineArray<3, UInt64> = [0, 0, 0]

/// The other environment. Returns what went wrong.
private func sendBack(_ maker: UInt64, _ page: UInt64) -> Int32 {
  do throws(CallError) {
    try KernelCall.acceptCapability(slot: 9, from: maker)
    while Books.capability(of: Environment.number, slot: 9)?.rights.isEmpty != false { KernelCall.yield() }
    guard let pages = PageSpace.mapAnywhere(count: 3) else { return 2 }
    for index in 0..<2 {
      let address = pages &+ UInt64(index) &* 4096
      try KernelCall.unmapFrame(at: address)
      try KernelCall.mapFrame(unsafe frames[index], at: address, rights: .read | .write, capability: 9)
    }
    // What was granted is these two frames and nothing else.
    do throws(CallError) {
      try KernelCall.mapFrame(unsafe frames[2], at: pages &- 4096, rights: .read, capability: 9)
      return 3
    } catch { guard error == .notPermitted else { return 4 } }
    do throws(CallError) {
      try KernelCall.mapFrame(unsafe frames[0], at: pages &- 4096, rights: .read | .execute, capability: 9)
      return 5
    } catch { guard error == .notPermitted else { return 6 } }

    var messages = MessageRing(page: pages)
    var answers = MessageRing(page: pages &+ 4096)
    var count: UInt64 = 0
    while count < 2000 {
      while var message = messages.take() {
        message[1] &+= 1
        while !answers.put(message) { KernelCall.yield() }
        count &+= 1
      }
      var predicate = WakeupPredicate(page: pages &+ 8192)
      guard count < 2000, let more = WakeupPredicate.word(at: pages, isNot: count, capability: 9) else { break }
      _ = predicate.add(more)
      try predicate.bind()
      _ = WakeupPredicate.sleep()
    }
    return 0
  } catch { return Int32(truncatingIfNeeded: 16 &- error.rawValue) }
}
