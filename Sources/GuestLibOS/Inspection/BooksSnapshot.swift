import ExokernelABI

/// An environment as the books show it.
public struct EnvironmentSummary: Sendable {
  /// Its number.
  public var number: UInt64
  /// Its record.
  public var record: EnvironmentRecord
  /// The frames whose records name it as their owner.
  public var frames = FrameTotals()

  /// What it is doing, in one word.
  public var stateName: StaticString {
    switch EnvironmentState(rawValue: record.state) {
    case .runnable: record.processorPlusOne == 0 ? "runnable" : "running"
    case .sleeping: "sleeping"
    case .ended: "ended"
    case .waiting: "waiting"
    case .calling: "calling"
    case .created: "created"
    case .free, nil: "free"
    }
  }

  /// The entries that it has bound: f faults, e end and b beginning of a slice, r revocation, t transfers.
  public var boundEntries: [UInt8] {
    var letters: [UInt8] = []
    if record.faultEntry != 0 { letters.append(UInt8(ascii: "f")) }
    if record.epilogueEntry != 0 { letters.append(UInt8(ascii: "e")) }
    if record.prologueEntry != 0 { letters.append(UInt8(ascii: "b")) }
    if record.revocationEntry != 0 { letters.append(UInt8(ascii: "r")) }
    if record.transferEntry != 0 { letters.append(UInt8(ascii: "t")) }
    return letters
  }

  /// The bytes of its name: printable ASCII, whatever its maker has written.
  public var name: [UInt8] {
    var bytes: [UInt8] = []
    for half in [record.name.0, record.name.1] {
      for index in 0..<8 as Range<UInt64> {
        let byte = UInt8(truncatingIfNeeded: half &>> (8 &* index))
        guard byte != 0 else { return bytes }
        bytes.append((0x20..<0x7f).contains(byte) ? byte : UInt8(ascii: "?"))
      }
    }
    return bytes
  }
}

/// One processor's slice vector.
public struct SliceVector: Sendable {
  /// Environment numbers plus one, 0 where the position is free.
  public var owners: [UInt8]
  /// The position whose turn it is.
  public var position: Int
}

/// Everything that the books tell, copied at one moment, as far as a reader without a lock can have it: records that
/// change meanwhile may not agree with each other.
public struct BooksSnapshot: Sendable {
  /// The header.
  public let header: BooksHeader
  /// Environments that exist, by number.
  public private(set) var environments: [EnvironmentSummary] = []
  /// Slice vectors, by processor.
  public private(set) var vectors: [SliceVector] = []
  /// Frames by owner.
  public let map: FrameMap
  /// Capabilities by name.
  public let tree: CapabilityTree

  /// Reads the books, with a map of `columns` times `rows` cells. No call is made.
  public init(_ books: BooksReader, columns: Int, rows: Int) {
    header = books.header
    for number in 0..<BooksLayout.environments {
      guard let record = books.environment(number), record.state != EnvironmentState.free.rawValue else { continue }
      environments.append(EnvironmentSummary(number: number, record: record))
    }
    for processor in 0..<min(UInt64(header.processorCount), BooksLayout.processors) {
      var owners: [UInt8] = []
      for position in 0..<BooksLayout.slices {
        let owner = books.slice(processor &<< 8 | position)?.ownerPlusOne ?? 0
        owners.append(owner > UInt32(BooksLayout.environments) ? 0 : UInt8(truncatingIfNeeded: owner))
      }
      let turn = books.processor(processor)?.turn ?? 0
      vectors.append(SliceVector(owners: owners, position: Int(turn % BooksLayout.slices)))
    }
    tree = CapabilityTree(books, environments: environments)
    var map = FrameMap(frameCount: header.frameCount, columns: columns, rows: rows)
    // All memory is there. Once more the records, which count frames, and then the frames: a reader does not change
    // what it reads about itself.
    for index in environments.indices {
      guard let record = books.environment(environments[index].number) else { continue }
      environments[index].record = record
    }
    map.read(books)
    for index in environments.indices { environments[index].frames = map.totals[Int(environments[index].number)] }
    self.map = map
  }

  /// Positions of all slice vectors that `environment` holds.
  public func slices(of environment: UInt64) -> Int {
    var count = 0
    for vector in vectors { for owner in vector.owners where UInt64(owner) == environment + 1 { count += 1 } }
    return count
  }

  /// True where an environment lives besides that of number `own`.
  public func hasOthers(than own: UInt64) -> Bool {
    for environment in environments
    where environment.number != own && environment.record.state != EnvironmentState.ended.rawValue { return true }
    return false
  }
}
