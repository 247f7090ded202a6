import ExokernelABI
import LibOS

/// Looks whether the books agree with themselves: each frame is free or on its owner's list and on no other, and the
/// sums are right.
struct BooksAudit {
  /// What is wrong, and with which frame, environment or number.
  struct Finding {
    let text: StaticString
    let value: UInt64
  }

  /// A bit for each frame that was met on a list.
  private var seen: [UInt64]

  /// Nil where there is no memory for it.
  init?() { seen = [UInt64](repeating: 0, count: Int(Books.header.frameCount) / 64 + 1) }

  /// What is wrong now; nil where nothing is. Others run meanwhile, on this processor or on another one, so a look may
  /// meet the books in change: what is wrong is so at every try.
  mutating func look() -> Finding? {
    var finding: Finding?
    for _ in 0..<Self.tries {
      finding = lookOnce()
      if finding == nil { return nil }
    }
    return finding
  }

  /// How often one look tries: there is a moment without a change among so many.
  private static var tries: Int { 100 }

  private mutating func lookOnce() -> Finding? {
    for word in seen.indices { seen[word] = 0 }
    let header = Books.header
    var owned: UInt64 = 0
    for environment in 0..<BooksLayout.environments {
      guard let record = Books.environment(environment) else { continue }
      if record.state == EnvironmentState.free.rawValue {
        if record.firstFrame != 0 { return Finding(text: "nobody has frames: environment", value: environment) }
        continue
      }
      var count: UInt64 = 0
      if let finding = walk(record.firstFrame, owner: environment, &count) { return finding }
      owned &+= count
      if count &+ given(by: environment) != UInt64(record.frames) {
        return Finding(text: "the books count other frames than there are: environment", value: environment)
      }
      var isWithin = true
      ResourceKind.forEach { if record.quotas[$0].used > record.quotas[$0].limit { isWithin = false } }
      guard isWithin else { return Finding(text: "more is owned than allowed: environment", value: environment) }
    }
    var count: UInt64 = 0
    if let finding = walk(header.freeHead, owner: nil, &count) { return finding }
    var free: UInt64 = 0
    for number in UInt64(header.firstFrame)..<UInt64(header.frameCount) {
      guard let record = Books.frame(number) else { continue }
      let isSeen = seen[Int(number / 64)] &>> (number % 64) & 1 != 0
      if record.kind != FrameKind.free.rawValue, !isSeen {
        return Finding(text: "a frame has an owner, on whose list it is not:", value: number)
      }
      if !isSeen { free &+= 1 }
    }
    guard free &+ count == UInt64(header.freeFrames) else {
      return Finding(text: "the books count other free frames than", value: free &+ count)
    }
    guard free &+ count &+ owned == UInt64(header.frameCount &- header.firstFrame) else {
      return Finding(text: "frames are lost: there are", value: free &+ count &+ owned)
    }
    return nil
  }

  /// Frames that an environment has given to those that it made.
  private func given(by environment: UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for index in 0..<BooksLayout.environments {
      guard let record = Books.environment(index), record.state != EnvironmentState.free.rawValue,
        UInt64(record.creatorPlusOne) == environment &+ 1
      else { continue }
      sum &+= UInt64(record.quotas[.frames].limit)
    }
    return sum
  }

  /// Goes along a list, an environment's or that of free frames, and counts; a large frame counts as 512.
  private mutating func walk(_ first: UInt32, owner: UInt64?, _ count: inout UInt64) -> Finding? {
    var frame = UInt64(first)
    var previous: UInt64 = 0
    while frame != 0 {
      guard let record = Books.frame(frame) else { return Finding(text: "a list leads nowhere:", value: frame) }
      guard (record.kind == FrameKind.free.rawValue) == (owner == nil), owner == nil || UInt64(record.owner) == owner,
        UInt64(record.previous) == previous
      else { return Finding(text: "a frame is on another list than it should be:", value: frame) }
      let weight: UInt64 = record.isLarge ? UInt64(FrameRecord.largeWeight) : 1
      guard frame &+ weight <= UInt64(Books.header.frameCount) else {
        return Finding(text: "a large frame is no memory:", value: frame)
      }
      for part in frame..<frame &+ weight {
        guard seen[Int(part / 64)] &>> (part % 64) & 1 == 0 else {
          return Finding(text: "a frame is on two lists:", value: part)
        }
        seen[Int(part / 64)] |= 1 &<< (part % 64)
      }
      count &+= weight
      previous = frame
      frame = UInt64(record.next)
    }
    return nil
  }
}
