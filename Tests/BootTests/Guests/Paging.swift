import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

private let pages = 80
private let frames = 64
private let rounds = 10

/// Goes through more pages than it has frames, round after round, and looks at every word. The argument says who
/// decides which page leaves: `l`, least recently used, or `s`, the program's own policy for what it does. With `h`,
/// least recently used, it looks at the first page again after each other one. Every third page is written in each
/// round.
@c(program_main)
public func programMain() -> Int32 {
  let argument = libos_load8(UInt(AddressMap.environmentPage &+ EnvironmentPage.argumentsOffset))
  do throws(CallError) {
    let blocks = UInt64(pages) * 8
    let disk = try DiskExtent(disk: 0, first: Environment.number * blocks, count: blocks, rights: .read | .write)
    if argument == UInt8(ascii: "s") {
      let policy = SequentialLoop(frames: frames, pages: pages)
      return try run(PagedRegion(pages: pages, frames: frames, policy: policy, disk: disk))
    }
    let policy = LeastRecentlyUsed(frames: frames)
    return try run(
      PagedRegion(pages: pages, frames: frames, policy: policy, disk: disk), isHot: argument == UInt8(ascii: "h"))
  } catch { return fail(error) }
}

private func run<Policy: PagingPolicy>(_ region: PagedRegion<Policy>, isHot: Bool = false) throws(CallError) -> Int32 {
  let seed = Environment.number << 32 | 1
  PageFaults.handler = { address, code in region.serve(address, code) }
  let told = Books.environment(Environment.number)?.faults ?? 0
  var wrong: UInt64 = 0
  for round in 0...UInt64(rounds) {
    for page in 0..<UInt64(pages) {
      let start = region.address + page * 4096
      let isWriter = page % 3 == 0
      for word in 0..<512 as Range<UInt64> {
        let place = UInt(start + word * 8)
        // A third is written in each round, a third in the first one, a third never.
        let age = isWriter ? round : page % 3 == 1 ? min(round, 1) : 0
        if libos_load64(place) != (age == 0 ? 0 : value(seed, page, word, age - 1)) { wrong += 1 }
        if isWriter || page % 3 == 1 && round == 0 { libos_store64(place, value(seed, page, word, round)) }
      }
      if isHot, libos_load64(UInt(region.address)) != value(seed, 0, 0, round) { wrong += 1 }
    }
  }
  let kernel = (Books.environment(Environment.number)?.faults ?? 0) - told
  Console.put(wrong == 0 && kernel == region.faults ? "every word is right" : "FAILED: words are wrong")
  Console.put(" after faults ")
  Console.put(region.faults)
  Console.put(" reads ")
  Console.put(region.pagesRead)
  Console.put(" writes ")
  Console.put(region.pagesWritten)
  Console.flush()
  return wrong == 0 ? 0 : 1
}

private func value(_ seed: UInt64, _ page: UInt64, _ word: UInt64, _ round: UInt64) -> UInt64 {
  (seed &+ page << 20 &+ word << 8 &+ round &+ 1) &* 0x9e37_79b9_7f4a_7c15
}
