import CallList
import ExokernelABI
import RandomFixtures
import Testing

@Suite("Values that share registers")
struct CallArgumentTests {
  @Test("come out as they went in, and stay in their own bits")
  func packing() {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<1000 {
      let (low, high) = (generator.next() & 0xffff_ffff, generator.next() & 0xffff_ffff)
      let (a, b, c) = (generator.next(), generator.next(), generator.next())
      let map = FrameMapArguments(slot: a, frame: b, address: c, rights: low, count: high, table: a)
      #expect(map.slot == a && map.frame == b && map.address == c && map.table == a)
      #expect(map.rights == low && map.count == high && map.rcx == low | high << 32)
      let block = BlockSubmitArguments(slot: low, extent: high, block: a, frame: b, count: high, isWrite: 1, tag: c)
      #expect(block.rdi == low | high << 32 && block.slot == low && block.extent == high)
      #expect(block.count == high && block.isWrite == 1 && block.tag == c)
      let table = TableArgument(environment: low, slot: high)
      #expect(table.environment == low && table.slot == high)
    }
  }

  @Test("that do not fit spoil no other value")
  func overflow() {
    let map = FrameMapArguments(slot: 0, frame: 0, address: 0, rights: .max, count: 1, table: 0)
    #expect(map.rights == 0xffff_ffff && map.count == 1)
    let region = RegionBindArguments(slot: 0, frame: 0, offset: 3 << 32 | 7, count: 2, name: 0, length: 0)
    #expect(region.offset == 7 && region.count == 2)
  }

  @Test("are read from whatever registers hold, without a trap")
  func hostile() {
    for word: UInt64 in [0, 1, .max, 1 << 63, 0xffff_ffff, 1 << 32] {
      let revoke = RevokeArguments(rdi: word, rsi: word, rdx: word, rcx: word)
      #expect(revoke.kind == word & 0xffff_ffff && revoke.count == word >> 32 && revoke.deadline == word)
    }
  }
}

@Suite("Calls in words")
struct CallDecoderTests {
  @Test("have their names, as the numbers have them")
  func names() {
    for call in CallList.all {
      #expect(CallNumber(rawValue: UInt64(call.number)).map { "\($0)" } == call.name)
      #expect(CallDecoder.name(of: UInt64(call.number)) == call.name)
    }
    #expect(UInt64(CallList.all.count) == CallNumber.count)
    for number in [CallNumber.count, .max] { #expect(CallDecoder.name(of: number).hasSuffix("does not exist")) }
  }

  @Test("have their values by name, packed ones one by one")
  func values() {
    let any = CallNumber.any
    let map = CallDecoder.text(number: CallNumber.frameMap.rawValue, registers: [0, 500, 0x50_0000, 3 | 2 << 32, any])
    #expect(map == "frameMap(slot: 0, frame: 0x1f4, address: 0x500000, rights: 3, count: 2, table: own)")
    let allocate = CallDecoder.text(number: CallNumber.frameAllocate.rawValue, registers: [0, any, 9, 9, 9])
    #expect(allocate == "frameAllocate(slot: 0, frame: any)")
    let quota = CallDecoder.text(number: CallNumber.quotaMove.rawValue, registers: [4, 0x101, 0, UInt64.max - 4])
    #expect(quota == "quotaMove(slot: 4, environment: 0x101, kind: 0, amount: -5)")
    #expect(CallDecoder.text(number: 0, registers: [.max]) == "null()")
    #expect(CallDecoder.text(number: CallNumber.wake.rawValue, registers: []) == "wake(slot: 0, environment: 0)")
  }
}
