import RandomFixtures
import FileSystems
import StorageFixtures
import Testing

struct BlockCacheTests {
  @Test(
    "every byte of a disk comes back, whatever its size", arguments: [512, 4096, 4608, 8 * 4096, 100 * 4096 + 1536])
  func wholeDisk(size: Int) throws {
    let content = randomBytes(size)
    let frames = TestFrames(count: 8)
    var disk = TestDisk(content)
    disk.delay = 3
    var cache = BlockCache(device: disk, frames: frames.frames)
    #expect(cache.byteCount == UInt64(size))
    #expect(try cache.readAll(0..<UInt64(size)) == content)
    #expect(cache.device.mistakes == [])
    let isIdle = cache.isIdle
    #expect(isIdle)
  }

  @Test("one frame is enough")
  func oneFrame() throws {
    let content = randomBytes(20 * 4096)
    let frames = TestFrames(count: 1)
    var cache = BlockCache(device: TestDisk(content), frames: frames.frames)
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    #expect(cache.device.submitted.count == 20)
  }

  @Test("a page that is there is not read again")
  func hit() throws {
    let frames = TestFrames(count: 8)
    var cache = BlockCache(device: TestDisk(randomBytes(8 * 4096)), frames: frames.frames)
    _ = try cache.readAll(0..<4096)
    let requests = cache.statistics.requests
    for _ in 0..<10 { _ = try cache.readAll(100..<200) }
    #expect(cache.statistics.requests == requests)
  }

  @Test("many waiters for one page cause one read, and all see it")
  func manyWaiters() {
    let content = randomBytes(8 * 4096)
    let frames = TestFrames(count: 4)
    var disk = TestDisk(content)
    disk.delay = 5
    var cache = BlockCache(device: disk, frames: frames.frames)
    var streams = (0..<10).map { _ in ReadStream(range: 4096..<8192) }
    var seen = [Bool](repeating: false, count: streams.count)
    for _ in 0..<50 {
      _ = cache.poll()
      for index in streams.indices where !seen[index] {
        if case .done(let byte) = cache.withBytes(at: 4097, atMost: 1, stream: &streams[index], { $0[0] }) {
          seen[index] = byte == content[4097]
        }
      }
    }
    #expect(!seen.contains(false))
    #expect(cache.device.submitted.count == 1)
  }

  @Test("a sequential reader gets several pages by one request, a random one only what it asked for")
  func readAhead() throws {
    let content = randomBytes(64 * 4096)
    let frames = TestFrames(count: 32)
    var sequential = BlockCache(device: TestDisk(content), frames: frames.frames)
    _ = try sequential.readAll(0..<UInt64(content.count))
    #expect(sequential.device.submitted.count <= 20)
    #expect(sequential.statistics.pagesReadAhead > 40)
    let total = sequential.device.submitted.reduce(0) { $0 + $1.count }
    #expect(total == 64 * 8, "no page is read twice, none behind the end")

    var random = BlockCache(device: TestDisk(content), frames: frames.frames)
    var stream = ReadStream(range: 0..<UInt64(content.count))
    for page: UInt64 in [40, 3, 17, 60, 22] {
      for _ in 0..<5 {
        if case .done = random.withBytes(at: page * 4096, atMost: 1, stream: &stream, { $0[0] }) { break }
        _ = random.poll()
      }
    }
    #expect(random.device.submitted.map { $0.block } == [320, 24, 136, 480, 176])
    #expect(random.device.submitted.allSatisfy { $0.count == 8 })
  }

  @Test("a device that takes one page at a time still reads ahead")
  func readAheadByPages() throws {
    let content = randomBytes(64 * 4096)
    let frames = TestFrames(count: 32)
    var disk = TestDisk(content)
    disk.maximumFramesPerRequest = 1
    disk.delay = 10
    var cache = BlockCache(device: disk, frames: frames.frames)
    var stream = ReadStream(range: 0..<UInt64(content.count))
    _ = cache.withBytes(at: 0, atMost: 1, stream: &stream) { $0[0] }
    #expect(cache.device.submitted.map { $0.block } == [0, 8, 16])
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    #expect(cache.device.submitted.count == 64)
    #expect(cache.statistics.misses < 10)
  }

  @Test("frames that come later are used")
  func growth() throws {
    let content = randomBytes(32 * 4096)
    let frames = TestFrames(count: 32)
    var cache = BlockCache(device: TestDisk(content), frames: Array(frames.frames[..<2]), capacity: 32)
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    #expect(cache.statistics.evictions >= 30)
    let evictions = cache.statistics.evictions
    cache.add(Array(frames.frames[2...]))
    let count = cache.frameCount
    #expect(count == 32)
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    let requests = cache.statistics.requests
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    #expect(cache.statistics.requests == requests)
    #expect(cache.statistics.evictions <= evictions + 2)
  }

  @Test("reading ahead stops at the end of the reader's range")
  func readAheadBound() throws {
    let frames = TestFrames(count: 32)
    var cache = BlockCache(device: TestDisk(randomBytes(64 * 4096)), frames: frames.frames)
    _ = try cache.readAll(8192..<(5 * 4096 + 1))
    #expect(cache.device.submitted.allSatisfy { $0.block >= 16 && $0.block + $0.count <= 48 })
  }

  @Test("a bad block is reported with its number to all who wait, and read anew later")
  func badBlock() throws {
    let content = randomBytes(16 * 4096)
    let frames = TestFrames(count: 8)
    var disk = TestDisk(content)
    disk.badBlocks = [42]
    disk.delay = 2
    var cache = BlockCache(device: disk, frames: frames.frames)
    for _ in 0..<2 {
      #expect(throws: StorageError.readFailed(BlockNumber(40))) { try cache.readAll((5 * 4096)..<(6 * 4096)) }
    }
    #expect(cache.device.submitted.count == 1, "the error is remembered")
    cache.device.badBlocks = []
    for _ in 0..<100 { _ = cache.poll() }
    #expect(try cache.readAll((5 * 4096)..<(6 * 4096)) == Array(content[(5 * 4096)..<(6 * 4096)]))
  }

  @Test("a bad block among pages read together spoils only its own page")
  func badBlockInCluster() throws {
    let content = randomBytes(32 * 4096)
    let frames = TestFrames(count: 32)
    var disk = TestDisk(content)
    disk.badBlocks = [9 * 8 + 7]
    var cache = BlockCache(device: disk, frames: frames.frames)
    #expect(try cache.readAll(0..<(9 * 4096)) == Array(content[0..<(9 * 4096)]))
    #expect(throws: StorageError.readFailed(BlockNumber(72))) { try cache.readAll(0..<(10 * 4096)) }
    #expect(try cache.readAll((10 * 4096)..<(32 * 4096)) == Array(content[(10 * 4096)...]))
  }

  @Test("a device without room is asked again")
  func fullDevice() throws {
    let content = randomBytes(16 * 4096)
    let frames = TestFrames(count: 8)
    var disk = TestDisk(content)
    disk.depth = 0
    var cache = BlockCache(device: disk, frames: frames.frames)
    #expect(throws: Stuck.self) { try cache.readAll(0..<4096, patience: 10) }
    cache.device.depth = 1
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
  }

  @Test("completions that nobody waits for change nothing")
  func strayCompletions() throws {
    let content = randomBytes(16 * 4096)
    let frames = TestFrames(count: 8)
    var disk = TestDisk(content)
    disk.delay = 4
    disk.strayCompletions = [0, 1, 7, 8, 0xFFFF, 0x1_0000, 0xFFFF_FFFF].map {
      BlockCompletion(token: BlockRequestToken(rawValue: $0), succeeded: true)
    }
    var cache = BlockCache(device: disk, frames: frames.frames)
    while !cache.device.strayCompletions.isEmpty { _ = cache.poll() }
    #expect(try cache.readAll(0..<UInt64(content.count)) == content)
    #expect(cache.statistics.strayCompletions == 7)
  }

  @Test("bytes behind the end of the disk are refused")
  func beyondEnd() {
    let frames = TestFrames(count: 2)
    var cache = BlockCache(device: TestDisk(randomBytes(512)), frames: frames.frames)
    #expect(throws: StorageError.beyondEnd(byteCount: 512)) { try cache.readAll(512..<513) }
    #expect(throws: StorageError.beyondEnd(byteCount: 512)) { try cache.readAll((UInt64.max - 1)..<UInt64.max) }
  }

  @Test("readers of more pages than there are frames all come to their end")
  func thrashing() throws {
    let content = randomBytes(64 * 4096)
    let frames = TestFrames(count: 4)
    var disk = TestDisk(content)
    disk.delay = 6
    var cache = BlockCache(device: disk, frames: frames.frames)
    struct Reader {
      var range: Range<UInt64>
      var stream: ReadStream
      var bytes: [UInt8] = []
    }
    var readers = (0..<16).map { index -> Reader in
      let range = UInt64(index * 4 * 4096)..<UInt64((index + 1) * 4 * 4096)
      return Reader(range: range, stream: ReadStream(range: range))
    }
    for _ in 0..<20_000 {
      _ = cache.poll()
      for index in readers.indices {
        let offset = readers[index].range.lowerBound + UInt64(readers[index].bytes.count)
        guard offset < readers[index].range.upperBound else { continue }
        var reader = readers[index]
        _ = cache.withBytes(at: offset, atMost: 1 << 20, stream: &reader.stream) { span in
          for position in span.indices { reader.bytes.append(span[position]) }
        }
        readers[index] = reader
      }
    }
    for reader in readers {
      #expect(reader.bytes == Array(content[Int(reader.range.lowerBound)..<Int(reader.range.upperBound)]))
    }
    #expect(cache.device.mistakes == [])
  }

  @Test(
    "random readers on a random disk always get the right bytes or the right error",
    arguments: 1...20 as ClosedRange<UInt64>)
  func randomized(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let pages = Int.random(in: 1...80, using: &generator)
    let content = randomBytes(pages * 4096 - 512 * Int.random(in: 0...7, using: &generator), seed: seed)
    let frames = TestFrames(count: Int.random(in: 1...24, using: &generator))
    var disk = TestDisk(content)
    disk.delay = Int.random(in: 0...10, using: &generator)
    disk.depth = Int.random(in: 1...8, using: &generator)
    disk.maximumFramesPerRequest = Int.random(in: 1...10, using: &generator)
    disk.random = SeededGenerator(seed: seed)
    for _ in 0..<Int.random(in: 0...3, using: &generator) {
      disk.badBlocks.insert(UInt64.random(in: 0..<disk.blockCount, using: &generator))
    }
    let badPages = Set(disk.badBlocks.map { $0 / 8 })
    var cache = BlockCache(device: disk, frames: frames.frames)
    var streams = (0..<6).map { _ in ReadStream(range: 0..<UInt64(content.count)) }
    var offsets = streams.map { _ in UInt64(0) }
    var done = 0
    for _ in 0..<6000 {
      if Bool.random(using: &generator) { _ = cache.poll() }
      let reader = Int.random(in: 0..<streams.count, using: &generator)
      let offset = offsets[reader]
      let access = cache.withBytes(at: offset, atMost: 5000, stream: &streams[reader]) { span -> Int? in
        for index in span.indices where span[index] != content[Int(offset) + index] { return nil }
        return span.count
      }
      switch access {
      case .done(let count):
        guard let count else {
          Issue.record("seed \(seed): wrong bytes at \(offset)")
          return
        }
        done += 1
        offsets[reader] += UInt64(count)
        let jumps = Int.random(in: 0..<4, using: &generator) == 0
        if jumps || offsets[reader] >= UInt64(content.count) {
          offsets[reader] = UInt64.random(in: 0..<UInt64(content.count), using: &generator)
        }
      case .failed(let error):
        let page = offset / 4096
        if !badPages.contains(page) || error != .readFailed(BlockNumber(page * 8)) {
          Issue.record("seed \(seed): \(error) at \(offset)")
          return
        }
        done += 1
        offsets[reader] = UInt64.random(in: 0..<UInt64(content.count), using: &generator)
      case .wouldBlock: break
      }
    }
    #expect(cache.device.mistakes == [], "seed \(seed)")
    #expect(done > 50, "seed \(seed): readers came on")
  }
}
