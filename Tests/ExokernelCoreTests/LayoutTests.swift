import DownloadedCode
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Layouts of the books and of the kernel's own state")
struct LayoutTests {
  /// Tables as name, start and end, in the order in which they must lie.
  private func check(_ parts: [(String, Int, Int)], from start: Int, to end: Int) {
    var free = start
    for (name, offset, size) in parts {
      #expect(offset >= free, "\(name) begins inside what is before it")
      #expect(offset % 8 == 0 || name == "console", "\(name) is not aligned")
      free = offset + size
    }
    #expect(free <= end, "the last part ends at \(free)")
  }

  @Test("no table of the books runs into the next")
  func books() {
    #expect(MemoryLayout<FrameRecord>.stride == 32)
    #expect(MemoryLayout<EnvironmentRecord>.stride == 256)
    #expect(MemoryLayout<BooksHeader>.size % 8 == 0 && MemoryLayout<EnvironmentRecord>.size % 8 == 0)
    func table<Record>(_ offset: UInt64, _ count: UInt64, _: Record.Type) -> (String, Int, Int) {
      ("\(Record.self)", Int(offset), Int(count) * MemoryLayout<Record>.stride)
    }
    typealias Books = BooksLayout
    check(
      [
        table(Books.processorsOffset, Books.processors, ProcessorRecord.self),
        table(Books.disksOffset, Books.disks, DiskRecord.self),
        table(Books.interfacesOffset, Books.interfaces, InterfaceRecord.self),
        table(Books.filtersOffset, Books.filters, FilterRecord.self),
        table(Books.regionsOffset, Books.regions, RegionRecord.self),
        table(Books.slicesOffset, Books.slices * Books.processors, SliceRecord.self),
        table(Books.extentsOffset, Books.extents, ExtentRecord.self),
        table(Books.environmentsOffset, Books.environments, EnvironmentRecord.self),
        table(Books.capabilitiesOffset, Books.environments * CapabilitySlot.count, Capability.self),
      ], from: MemoryLayout<BooksHeader>.size, to: Int(Books.size))
    #expect(BooksLayout.size % 4096 == 0)
    // Bits and handles have room for the numbers.
    #expect(BooksLayout.environments <= 64 && BooksLayout.slices == 64 && BooksLayout.extents <= 256)
  }

  @Test("no part of the private state runs into the next")
  func privateState() {
    let filters = Int(BooksLayout.filters)
    let environments = Int(BooksLayout.environments)
    typealias Place = PrivateLayout
    check(
      [
        ("disk drivers", Place.diskDrivers, 4 * MemoryLayout<DiskDriver>.stride),
        ("disk requests", Place.diskRequests, 4 * 32 * MemoryLayout<DiskRequest>.stride),
        ("interface drivers", Place.interfaceDrivers, 2 * MemoryLayout<InterfaceDriver>.stride),
        ("ring bindings", Place.ringBindings, filters * MemoryLayout<RingBinding>.stride),
        ("ring frames", Place.ringFrames, filters * Int(RingBinding.maximumFrames) * 4),
        ("send owners", Place.sendOwners, 2 * 256),
        ("console", Place.consoleRecord, 4 + Int(LineWriter.capacity)),
        ("filter scratch", Place.filterScratch, MemoryLayout<FilterScratch>.stride),
        ("filter programs", Place.filterPrograms, Kernel<FakeMachine>.filterProgramsSize),
        ("predicates", Place.predicates, environments * MemoryLayout<PredicateBinding>.stride),
        ("revocations", Place.revocations, environments * MemoryLayout<RevocationRequest>.stride),
        ("acceptances", Place.acceptances, environments * Int(CapabilitySlot.count) * 8),
        ("slice nodes", Place.sliceNodes, 256 * MemoryLayout<SliceNode>.stride),
        ("nobody", Place.nobodysNode, MemoryLayout<SliceNode>.stride + MemoryLayout<EnvironmentRecord>.stride),
        ("nobody's debt", Place.nobodysDebt, MemoryLayout<UInt64>.stride),
        ("console accounts", Place.consoleAccounts, environments * MemoryLayout<ConsoleAccount>.stride),
        ("lines", Place.lines, 64),
        ("device uses", Place.deviceUses, 6 * environments * MemoryLayout<DeviceUse>.stride),
        ("clock", Place.clock, 64),
      ], from: MemoryLayout<PrivateState>.size, to: Place.size)
    #expect(MemoryLayout<ProcessorState>.size == ProcessorState.size)
  }

  @Test("the environment page's parts do not overlap")
  func environmentPage() {
    let pieces = UInt64(SendBlock.maximumPieces) * UInt64(MemoryLayout<SendPiece>.stride)
    typealias Page = EnvironmentPage
    check(
      [
        ("block status", Int(Page.blockStatusOffset), Int(Page.blockTags)),
        ("send block", Int(Page.sendBlockOffset), 16 + Int(pieces)),
        ("creation block", Int(Page.creationBlockOffset), MemoryLayout<CreationBlock>.size),
        ("arguments", Int(Page.argumentsOffset), Int(Page.argumentsCapacity)),
        ("exception stacks", Int(Page.exceptionStackEnd - Page.exceptionStackSize), 4 * Int(Page.exceptionStackSize)),
        ("console", Int(Page.consoleOffset), Int(Page.consoleCapacity)),
        ("region", Int(Page.regionOffset), Int(Page.regionCapacity)),
        (
          "repossession", Int(Page.repossessionOffset),
          Int(Page.repossessionCapacity) * MemoryLayout<Repossession>.stride
        ),
      ], from: MemoryLayout<EnvironmentPage>.size, to: 4096)
    #expect(MemoryLayout<Comparison>.stride == 40 && MemoryLayout<Repossession>.stride == 16)
    #expect(MemoryLayout<SendBlock>.size == 16)
    #expect(MemoryLayout<SendPiece>.size == 8)
  }
}
