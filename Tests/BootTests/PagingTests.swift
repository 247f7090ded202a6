import Testing

/// What Guests/Paging.swift does: so many pages, over so many frames, so many times.
private let pages = 80
private let frames = 64
private let rounds = 11

/// Faults of a sequence of accesses where the page leaves that `choose` names, of those that are resident, at a
/// position of the sequence.
private func faults(_ accesses: [Int], _ choose: (Set<Int>, Int) -> Int) -> Int {
  var resident: Set<Int> = []
  var count = 0
  for (position, page) in accesses.enumerated() where !resident.contains(page) {
    count += 1
    if resident.count == frames { resident.remove(choose(resident, position)) }
    resident.insert(page)
  }
  return count
}

/// The fewest faults that are possible: the page leaves that is needed last (Belady, 1966).
private func fewestFaults(_ accesses: [Int]) -> Int {
  faults(accesses) { resident, position in
    resident.max { left, right in
      let rest = accesses[position...]
      return (rest.firstIndex(of: left) ?? .max) < (rest.firstIndex(of: right) ?? .max)
    } ?? 0
  }
}

/// Those of the least recently used one.
private func faultsOfLeastRecentlyUsed(_ accesses: [Int]) -> Int {
  faults(accesses) { resident, position in
    resident.min { left, right in
      let past = accesses[..<position]
      return (past.lastIndex(of: left) ?? -1) < (past.lastIndex(of: right) ?? -1)
    } ?? 0
  }
}

@Suite("Paging by libraries", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct PagingTests {
  @Test("runs beside another policy on one disk, and a program's own has the fewest faults that its order allows")
  func policies() throws {
    let loop = (0..<rounds).flatMap { _ in Array(0..<pages) }
    let (usual, fewest) = (faultsOfLeastRecentlyUsed(loop), fewestFaults(loop))
    // Otherwise the test shows nothing.
    #expect(usual == pages * rounds && fewest * 2 < usual)
    let hot = faultsOfLeastRecentlyUsed(loop.flatMap { [$0, 0] })
    #expect(hot < usual)

    let folder = try ScratchFolder()
    // Not zeros: a page that was never written must not come from the disk.
    let disk = try folder.store("disk", try ScratchFolder.noise(3 * pages * 4096))
    let result = try Guests.boot(
      "paging:least", "paging:sequential", "paging:hot", options: ["--disk", disk, "--timeout", "50"])
    for (number, expected) in [usual, fewest, hot].enumerated() {
      let line = result.lines.first { $0.hasPrefix("[\(number) paging] every word is right after faults ") }
      let words = line?.split(separator: " ") ?? []
      #expect(words.count > 8 && Int(words[8]) == expected, "\(expected) are right\n\(result.all)")
    }
    #expect(result.status == 0)
  }
}
