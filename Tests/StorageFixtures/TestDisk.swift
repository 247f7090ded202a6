import RandomFixtures
import FileSystems

/// A disk in memory whose reads end some polls after they were submitted, out of order if wished, or badly.
package struct TestDisk: BlockDevice {
  package struct Read {
    package var block: UInt64
    package var count: UInt64
    package var frames: [CacheFrame]
    package var token: BlockRequestToken
    package var delay: Int
  }

  package var content: [UInt8]
  package var maximumFramesPerRequest = 8
  /// Requests the device has room for.
  package var depth = 16
  /// Calls of `nextCompletion` that answer nothing before a read ends.
  package var delay = 0
  package var badBlocks: Set<UInt64> = []
  /// Completions to deliver besides the true ones.
  package var strayCompletions: [BlockCompletion] = []
  /// When set, delays are random and reads end out of order.
  package var random: SeededGenerator?

  package var underWay: [Read] = []
  package var submitted: [(block: UInt64, count: UInt64)] = []
  package var mistakes: [String] = []

  package init(_ content: [UInt8]) { self.content = content }

  package var blockCount: UInt64 { UInt64(content.count / 512) }

  package mutating func submitRead(
    block: BlockNumber, count: UInt64, into frames: Span<CacheFrame>, token: BlockRequestToken
  ) -> Bool {
    if block.index % 8 != 0 { mistakes.append("block \(block.index) is not at a page") }
    if count == 0 || block.index + count > blockCount { mistakes.append("\(count) blocks from \(block.index)") }
    if frames.count != (Int(count) + 7) / 8 { mistakes.append("\(count) blocks into \(frames.count) frames") }
    if frames.count > maximumFramesPerRequest { mistakes.append("\(frames.count) frames") }
    if underWay.contains(where: { $0.token == token }) { mistakes.append("token \(token.rawValue) used twice") }
    var copies: [CacheFrame] = []
    for index in frames.indices { copies.append(frames[index]) }
    for frame in copies where underWay.contains(where: { $0.frames.contains { $0.index == frame.index } }) {
      mistakes.append("frame \(frame.index) is in flight")
    }
    guard underWay.count < depth else { return false }
    let wait = random == nil ? delay : Int.random(in: 0...max(delay, 1), using: &random!)
    underWay.append(Read(block: block.index, count: count, frames: copies, token: token, delay: wait))
    submitted.append((block.index, count))
    return true
  }

  package mutating func nextCompletion() -> BlockCompletion? {
    if let stray = strayCompletions.popLast() { return stray }
    for index in underWay.indices { underWay[index].delay -= 1 }
    guard let index = underWay.firstIndex(where: { $0.delay < 0 }) else { return nil }
    let read = underWay.remove(at: index)
    let blocks = read.block..<(read.block + read.count)
    guard badBlocks.isDisjoint(with: blocks) else { return BlockCompletion(token: read.token, succeeded: false) }
    for (number, block) in blocks.enumerated() {
      let target = read.frames[number / 8].address + (number % 8) * 512
      content.withUnsafeBytes {
        target.copyMemory(from: $0.baseAddress! + Int(block) * 512, byteCount: 512)
      }
    }
    return BlockCompletion(token: read.token, succeeded: true)
  }
}

/// Page frames for a cache, freed with the object.
package final class TestFrames {
  package let frames: [CacheFrame]
  private let memory: UnsafeMutableRawPointer

  package init(count: Int) {
    memory = .allocate(byteCount: count * 4096, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 0xEE, count: count * 4096)
    let start = memory
    frames = (0..<count).map { CacheFrame(index: $0, address: start + $0 * 4096) }
  }

  deinit { memory.deallocate() }
}

extension ByteStorage where Self: ~Copyable {
  /// Reads `range`, polling up to `patience` times for each piece.
  package mutating func readAll(_ range: Range<UInt64>, patience: Int = 1000) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var stream = ReadStream(range: range)
    var offset = range.lowerBound
    var polls = 0
    while offset < range.upperBound {
      let access = withBytes(at: offset, atMost: Int(range.upperBound - offset), stream: &stream) { span in
        for index in span.indices { bytes.append(span[index]) }
        return span.count
      }
      switch access {
      case .done(let count):
        offset += UInt64(count)
        polls = 0
      case .wouldBlock:
        _ = poll()
        polls += 1
        if polls > patience { throw Stuck() }
      case .failed(let error): throw error
      }
    }
    return bytes
  }
}

/// A read that never came to an end.
package struct Stuck: Error {
  package init() {}
}
