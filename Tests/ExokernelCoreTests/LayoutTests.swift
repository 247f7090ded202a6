import DownloadedCode
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Layouts of the books and of the kernel's own state")
struct LayoutTests {
  @Test("no table of the books runs into the next")
  func books() {
    #expect(MemoryLayout<FrameRecord>.stride == 32)
    #expect(MemoryLayout<BooksHeader>.size <= BooksLayout.slicesOffset)
    #expect(BooksLayout.slicesOffset + BooksLayout.slices * 4 <= BooksLayout.disksOffset)
    let disks = BooksLayout.disks * UInt64(MemoryLayout<DiskRecord>.stride)
    #expect(BooksLayout.disksOffset + disks <= BooksLayout.interfacesOffset)
    let interfaces = BooksLayout.interfaces * UInt64(MemoryLayout<InterfaceRecord>.stride)
    #expect(BooksLayout.interfacesOffset + interfaces <= BooksLayout.extentsOffset)
    let extents = BooksLayout.extents * UInt64(MemoryLayout<ExtentRecord>.stride)
    #expect(BooksLayout.extentsOffset + extents <= BooksLayout.filtersOffset)
    let filters = BooksLayout.filters * UInt64(MemoryLayout<FilterRecord>.stride)
    #expect(BooksLayout.filtersOffset + filters <= BooksLayout.environmentsOffset)
    let environments = BooksLayout.environments * UInt64(MemoryLayout<EnvironmentRecord>.stride)
    #expect(BooksLayout.environmentsOffset + environments <= BooksLayout.capabilitiesOffset)
    let capabilities = BooksLayout.environments * CapabilitySlot.count * UInt64(MemoryLayout<Capability>.stride)
    #expect(BooksLayout.capabilitiesOffset + capabilities <= BooksLayout.size)
    #expect(MemoryLayout<EnvironmentRecord>.size % 8 == 0)
  }

  @Test("no part of the private state runs into the next")
  func privateState() {
    let filters = Int(BooksLayout.filters)
    #expect(MemoryLayout<PrivateState>.size <= PrivateLayout.diskDrivers)
    #expect(PrivateLayout.diskDrivers + 4 * MemoryLayout<DiskDriver>.stride <= PrivateLayout.diskRequests)
    #expect(PrivateLayout.diskRequests + 4 * 32 * MemoryLayout<DiskRequest>.stride <= PrivateLayout.interfaceDrivers)
    #expect(PrivateLayout.interfaceDrivers + 2 * MemoryLayout<InterfaceDriver>.stride <= PrivateLayout.ringBindings)
    #expect(PrivateLayout.ringBindings + filters * MemoryLayout<RingBinding>.stride <= PrivateLayout.ringFrames)
    #expect(PrivateLayout.ringFrames + filters * Int(RingBinding.maximumFrames) * 4 <= PrivateLayout.sendOwners)
    #expect(PrivateLayout.sendOwners + 2 * 256 <= PrivateLayout.consoleRecord)
    #expect(PrivateLayout.consoleRecord + 4 + Int(LineWriter.capacity) <= PrivateLayout.filterScratch)
    #expect(PrivateLayout.filterScratch + MemoryLayout<FilterScratch>.stride <= PrivateLayout.filterPrograms)
    #expect(PrivateLayout.filterPrograms + Kernel<FakeMachine>.filterProgramsSize <= PrivateLayout.size - 64)
  }

  @Test("the environment page's parts do not overlap")
  func environmentPage() {
    #expect(MemoryLayout<EnvironmentPage>.size <= EnvironmentPage.blockStatusOffset)
    #expect(EnvironmentPage.blockStatusOffset + EnvironmentPage.blockTags <= EnvironmentPage.sendBlockOffset)
    let pieces = UInt64(SendBlock.maximumPieces) * UInt64(MemoryLayout<SendPiece>.stride)
    #expect(EnvironmentPage.sendBlockOffset + 16 + pieces <= EnvironmentPage.argumentsOffset)
    #expect(EnvironmentPage.argumentsOffset + EnvironmentPage.argumentsCapacity <= EnvironmentPage.consoleOffset)
    #expect(EnvironmentPage.consoleOffset + EnvironmentPage.consoleCapacity <= 4096)
    #expect(MemoryLayout<SendBlock>.size == 16)
    #expect(MemoryLayout<SendPiece>.size == 8)
  }
}
