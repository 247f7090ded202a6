import CLibOS
import ExokernelABI
import LibOS

// What calls read from memory: blocks in the environment page, filters, lists of frames.
extension Caller {
  /// Writes some of it anew.
  mutating func fillPages() {
    switch arguments.random.below(8) {
    case 0: fillSendBlock()
    case 1: fillCreationBlock()
    case 2: fillFilter()
    case 3: fillPredicate()
    case 4:
      // From the first block that the kernel reads up to the end: the words below are its reports, and the library's.
      let place = 0x100 &+ arguments.random.below(0x700 / 8) &* 8
      libos_store64(UInt(AddressMap.environmentPage &+ place), arguments.random.odd())
    case 5:
      let place = arguments.scratch &+ 3 &* 4096 &+ arguments.random.below(5 &* 512) &* 8
      if isMapped(place) { libos_store64(UInt(place), arguments.random.odd()) }
    default: break
    }
  }

  private func isMapped(_ address: UInt64) -> Bool { (Books.entry(of: address) ?? 0) & 3 == 3 }

  private mutating func fillSendBlock() {
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.sendBlockOffset)
    let pieces = arguments.random.below(4)
    // Pieces, checksum, segmentation, header length; segment size, checksum's start and offset.
    let flags = arguments.random.once(in: 4) ? arguments.random.next() &<< 32 : 0
    libos_store64(place, (arguments.random.once(in: 10) ? arguments.random.odd() & 0xffff_ffff : pieces) | flags)
    libos_store64(place &+ 8, arguments.random.once(in: 4) ? arguments.random.next() : 0)
    for index in 0..<pieces {
      let frame = arguments.argument(.frame) & 0xffff_ffff
      let offset = arguments.random.below(4096)
      let length = arguments.random.once(in: 8) ? arguments.random.below(65536) : arguments.random.below(4097 &- offset)
      libos_store64(place &+ 16 &+ UInt(index) &* 8, frame | offset &<< 32 | length &<< 48)
    }
  }

  private mutating func fillCreationBlock() {
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.creationBlockOffset)
    libos_store64(place, arguments.random.once(in: 2) ? 0 : arguments.argument(.address))
    libos_store64(place &+ 8, arguments.random.once(in: 2) ? 0 : arguments.argument(.environment))
    libos_store64(place &+ 16, arguments.argument(.slot))
    for pair in 0..<3 as Range<UInt> {
      libos_store64(place &+ 24 &+ pair &* 8, pair == 0 ? 2 &+ arguments.random.below(8) : arguments.random.below(2))
    }
    libos_store64(place &+ 48, arguments.random.next())
  }

  /// A filter in the first scratch page, and the frames of its ring in the second.
  private mutating func fillFilter() {
    let code = arguments.scratch
    guard isMapped(code), isMapped(code &+ 4096) else { return }
    let length = arguments.random.below(24)
    for index in 0..<length {
      let word =
        arguments.random.once(in: 4)
        ? arguments.random.next()
        : Self.operations[Int(arguments.random.below(16))] | arguments.random.below(12) &<< 8
          | arguments.random.below(12) &<< 12 | arguments.random.below(20) &<< 16 | arguments.random.below(300) &<< 32
      libos_store64(UInt(code &+ index &* 8), word)
    }
    if arguments.random.once(in: 2) {
      // One that is accepted: r0 = any number; exit.
      libos_store64(UInt(code), 0xb7 | arguments.random.below(3000) &<< 32)
      libos_store64(UInt(code &+ 8), 0x95)
    }
    for index in 0..<8 as Range<UInt64> {
      let frame = arguments.scratchFrames[Int(3 &+ index % 5)]
      libos_store32(
        UInt(code &+ 4096 &+ PacketRing.framesOffset &+ index &* 4), UInt32(truncatingIfNeeded: frame))
    }
  }

  /// Operation bytes of RFC 9669 that filters are made of: moves, sums, loads, jumps, exit, and some that are none.
  private static let operations: InlineArray<16, UInt64> = [
    0xb7, 0xbf, 0x07, 0x0f, 0x57, 0x77, 0x61, 0x71, 0x69, 0x15, 0x55, 0x05, 0x95, 0x18, 0x63, 0x85,
  ]

  /// Comparisons in a scratch page.
  private mutating func fillPredicate() {
    let place = arguments.scratch &+ arguments.random.below(2) &* 4096 &+ 3 &* 4096
    guard isMapped(place) else { return }
    for index in 0..<8 as Range<UInt64> {
      let at = UInt(place &+ index &* 40)
      libos_store64(at, arguments.random.below(4) | arguments.random.below(2) &<< 32 | arguments.argument(.slot) &<< 40)
      libos_store64(
        at &+ 8,
        arguments.random.once(in: 2) ? arguments.random.below(BooksLayout.size) & ~7 : arguments.argument(.frame) &<< 12
      )
      libos_store64(at &+ 16, arguments.random.odd())
      libos_store64(at &+ 24, 0)
      libos_store64(at &+ 32, arguments.random.odd())
    }
  }
}
