import CLibOS
import ExokernelABI
import LibOS

/// Makes arguments: mostly such as are almost right, and some that nobody expects.
struct Arguments {
  var random: RandomNumbers
  /// This environment, as it was at its beginning: its page is not believed any more.
  let number: UInt64
  let handle: UInt64
  /// Pages of its own for everything that is written or executed, and their frames.
  let scratch: UInt64
  let scratchFrames: InlineArray<8, UInt64>
  let record: EnvironmentRecord
  /// What it has.
  var holdings = Holdings()

  /// A value that means `kind`, or nothing that anybody expects.
  mutating func argument(_ kind: ArgumentKind) -> UInt64 {
    if kind == .none { return random.once(in: 8) ? random.next() : 0 }
    return random.once(in: 12) ? random.odd() : value(kind)
  }

  private mutating func value(_ kind: ArgumentKind) -> UInt64 {
    switch kind {
    case .slot: slot()
    case .emptySlot: random.once(in: 20) ? random.below(4) : 4 &+ random.below(13)
    case .frame: frame()
    case .largeFrame: largeFrame()
    case .codeFrame: scratchFrames[0]
    case .ringFrame: scratchFrames[1]
    case .address: address()
    case .largeAddress: AddressMap.largePages &+ random.below(4) &<< 21
    case .table: table()
    case .environment: environment()
    case .name, .amount: name()
    case .length: random.once(in: 4) ? random.below(10) : 5 &+ random.below(4)
    case .rights: rights()
    case .entry: entry()
    case .stack: scratch &+ random.below(8) &* 4096 &+ random.below(512) &* 8
    case .extent: extent()
    case .filter: filter()
    case .region: region()
    case .none, .count, .pageCount, .blockCount, .byteCount, .programLength, .position, .level, .deadline, .events,
      .resourceKind, .disk, .interface, .block, .isWrite, .tag, .ringSlots, .offset, .entryValue, .status, .vector,
      .code:
      number(kind)
    }
  }

  /// Values that are nothing but numbers.
  private mutating func number(_ kind: ArgumentKind) -> UInt64 {
    switch kind {
    case .count, .pageCount, .programLength, .status, .vector, .code: count()
    case .blockCount: 1 &+ random.below(9)
    case .byteCount: 1 &+ random.below(600)
    case .position: random.once(in: 3) ? CallNumber.any : random.below(70) | random.below(3) &<< 8
    case .level: 1 &+ random.below(3)
    case .deadline: Clock.timeStamp &+ random.below(1 &<< 18)
    case .events: random.once(in: 2) ? Environment.events : random.next()
    case .resourceKind: random.below(7)
    case .disk, .interface: random.once(in: 4) ? random.below(4) : 0
    case .block: random.below(2100)
    case .isWrite: random.below(2)
    case .tag: random.below(66)
    case .ringSlots: 1 &<< random.below(5)
    case .offset: random.once(in: 2) ? random.below(512) &* 8 : random.below(64)
    case .entryValue: random.next() & ~1
    case .none, .slot, .emptySlot, .frame, .largeFrame, .codeFrame, .ringFrame, .address, .largeAddress, .table,
      .environment, .name, .amount, .length, .rights, .entry, .stack, .extent, .filter, .region:
      random.odd()
    }
  }

  private mutating func slot() -> UInt64 {
    // Its own, mostly; those of disks and networks; what it was granted or has derived.
    random.once(in: 3) ? random.below(17) : 0
  }

  private mutating func count() -> UInt64 {
    random.once(in: 16) ? random.below(70) : 1 &+ random.below(4)
  }

  private mutating func frame() -> UInt64 {
    switch random.below(8) {
    case 0: return CallNumber.any
    case 1, 2: return holdings.frame
    case 3: return UInt64(Books.header.frontier) &+ random.below(4)
    case 4: return random.below(UInt64(Books.header.frameCount) &+ 8)
    case 5: return UInt64(Books.header.firstFrame) &+ random.below(4096)
    default: return scratchFrames[Int(random.below(8))]
    }
  }

  private mutating func largeFrame() -> UInt64 {
    var frame = (UInt64(Books.header.largeFrontier) &>> 9 &+ random.below(4)) &<< 9
    if let record = Books.environment(number), random.once(in: 2) {
      // The newest of its frames is the head of its list.
      frame = UInt64(record.firstFrame)
    }
    return frame
  }

  private mutating func address() -> UInt64 {
    switch random.below(16) {
    case 0: return random.next() & 0x0000_7fff_ffff_f000
    case 1: return 0x5000_0000_0000 &+ random.below(4) &<< 39 &+ random.below(4) &<< 30 &+ random.below(4) &<< 21
    case 2: return AddressMap.selfMap &- 4096 &* random.below(3)
    case 3: return 0x5000_0000_0000 &+ random.below(1 &<< 22)
    default: return 0x5000_0000_0000 &+ random.below(600) &* 4096
    }
  }

  private mutating func table() -> UInt64 {
    random.once(in: 4) ? environment() | slot() &<< 32 : Handle.own
  }

  private mutating func environment() -> UInt64 {
    switch random.below(6) {
    case 0: return handle
    case 1, 2: return holdings.environment
    case 3: return Handle.own
    default:
      let index = random.below(12)
      return handle(of: index, generation: Books.environment(index)?.generation ?? 1)
    }
  }

  private mutating func filter() -> UInt64 {
    let index = random.below(BooksLayout.filters)
    return handle(of: index, generation: Books.filter(index)?.generation ?? 0)
  }

  private mutating func region() -> UInt64 {
    let index = random.below(8)
    return handle(of: index, generation: Books.region(index)?.generation ?? 0)
  }

  private mutating func extent() -> UInt64 {
    let index = random.below(24)
    return handle(of: index, generation: Books.extent(index)?.generation ?? 0)
  }

  /// The handle that a record has, or had, or will have.
  private mutating func handle(of index: UInt64, generation: UInt32) -> UInt64 {
    let shift = random.once(in: 10) ? UInt32(truncatingIfNeeded: random.below(3)) &- 1 : 0
    return Handle.of(UInt32(truncatingIfNeeded: index), generation: generation &+ shift)
  }

  /// A name below its own, mostly.
  private mutating func name() -> UInt64 {
    if random.once(in: 6) { return random.next() & 0x0707_0707_0707_0707 }
    let own = CapabilityName.environment(UInt32(truncatingIfNeeded: number), generation: record.generation)
    return own | random.below(1 &<< 24)
  }

  private mutating func rights() -> UInt64 { random.once(in: 3) ? 1 &+ random.below(256) : 1 &+ random.below(8) }

  private mutating func entry() -> UInt64 {
    switch random.below(6) {
    case 0: return 0
    case 1: return random.next()
    case 2: return AddressMap.programBase &+ random.below(1 &<< 16)
    case 3: return AddressMap.gatePage &+ random.below(1100)
    case 4: return scratch &+ random.below(0x8000)
    default: return record.faultEntry
    }
  }
}
