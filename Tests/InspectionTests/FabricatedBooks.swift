import ExokernelABI

@testable import Inspection

/// Books in memory of the test's own, as a kernel would expose them.
final class FabricatedBooks {
  private let books: UnsafeMutableRawPointer
  private let table: UnsafeMutablePointer<FrameRecord>
  let frameCount: UInt32

  /// Books of a machine on which nothing is.
  init(frames: UInt32, firstFrame: UInt32, processors: UInt32 = 1) {
    frameCount = frames
    books = .allocate(byteCount: Int(BooksLayout.size), alignment: 16)
    books.initializeMemory(as: UInt8.self, repeating: 0, count: Int(BooksLayout.size))
    let free = FrameRecord(
      guardName: 0, identity: FrameIdentity(owner: 0, kind: .free), references: 0, next: 0, previous: 0, application: 0,
      pins: 0, dirty: 0)
    table = .allocate(capacity: Int(frames))
    table.initialize(repeating: free, count: Int(frames))
    header.pointee.layoutVersion = BooksHeader.currentLayoutVersion
    header.pointee.frameCount = frames
    header.pointee.firstFrame = firstFrame
    header.pointee.processorCount = processors
  }

  deinit {
    books.deallocate()
    table.deallocate()
  }

  var reader: BooksReader { BooksReader(books: books, frameTable: table) }

  var header: UnsafeMutablePointer<BooksHeader> { books.assumingMemoryBound(to: BooksHeader.self) }

  private func record<Record>(_ offset: UInt64, _ index: UInt64) -> UnsafeMutablePointer<Record> {
    (books + Int(offset)).assumingMemoryBound(to: Record.self) + Int(index)
  }

  /// An environment's record.
  func environment(_ number: UInt64) -> UnsafeMutablePointer<EnvironmentRecord> {
    record(BooksLayout.environmentsOffset, number)
  }

  /// Makes an environment with the guard and the capability that the kernel gives, and a name.
  func addEnvironment(_ number: UInt64, _ name: String, state: EnvironmentState = .runnable) {
    let record = environment(number)
    record.pointee.state = state.rawValue
    let guardName = CapabilityName.environment(UInt32(number), generation: 1)
    let own = Capability(name: guardName, length: CapabilityName.environmentLength, rights: .all)
    record.pointee.guardName = own.guardName
    var words: [UInt64] = [0, 0]
    for (index, byte) in name.utf8.prefix(16).enumerated() { words[index / 8] |= UInt64(byte) << (8 * (index % 8)) }
    record.pointee.name = (words[0], words[1])
    hold(number, CapabilitySlot.own, own)
  }

  /// Puts a capability into a slot.
  func hold(_ environment: UInt64, _ slot: UInt64, _ capability: Capability) {
    record(BooksLayout.capabilitiesOffset, environment * CapabilitySlot.count + slot).pointee = capability
  }

  /// Gives a position of a slice vector away.
  func giveSlice(_ processor: UInt64, _ position: UInt64, to owner: UInt64) {
    record(BooksLayout.slicesOffset, processor * BooksLayout.slices + position).pointee =
      SliceRecord(guardName: 0, ownerPlusOne: UInt32(owner) + 1)
  }

  /// Says which position has its turn.
  func setTurn(_ processor: UInt64, _ position: UInt64, owner: UInt64) {
    let record: UnsafeMutablePointer<ProcessorRecord> = record(BooksLayout.processorsOffset, processor)
    record.pointee.turn = position | (owner + 1) << 32
  }

  /// Gives frames to an environment.
  func giveFrames(_ range: Range<Int>, to owner: UInt8, kind: FrameKind = .memory) {
    for frame in range { table[frame].identity = FrameIdentity(owner: owner, kind: kind) }
  }

  /// Fills everything but the number of frames with noise, as records in change may look at their worst.
  func scramble(_ generator: inout some RandomNumberGenerator) {
    let words = books.assumingMemoryBound(to: UInt64.self)
    for index in 0..<Int(BooksLayout.size / 8) { words[index] = .random(in: 0...(.max), using: &generator) }
    let frames = UnsafeMutableRawPointer(table).assumingMemoryBound(to: UInt64.self)
    for index in 0..<Int(frameCount) * MemoryLayout<FrameRecord>.stride / 8 {
      frames[index] = .random(in: 0...(.max), using: &generator)
    }
    header.pointee.frameCount = frameCount
  }
}
