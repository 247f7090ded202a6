import KernelFixtures
import Testing

@testable import Hypervisor

@Suite("A kernel whose notes share their bytes")
struct SharedNotesTests {
  @Test("costs its reader no more than one of them")
  func notes() {
    // 20,000 segments, each of which is a megabyte of notes without names and values.
    var note = ELFBuilder.Segment.pvhNote(entry: 0)
    note.fileOffset = 64
    note.fileByteCount = 1 << 20
    note.bytes = []
    var segments = [ELFBuilder.Segment](repeating: note, count: 20_000)
    segments.append(.load(address: 0x10_0000, bytes: [UInt8](repeating: 0, count: 1 << 20)))
    let image = ImageSource(ELFBuilder(is64: true, segments: segments).bytes, name: "notes")
    let time = ContinuousClock().measure {
      #expect(throws: BootError.noEntryNote(image: "notes")) { try ELFImage(image) }
    }
    #expect(time < .seconds(60), "\(time)")
  }
}
