/// Writes ELF files, right or wrong.
package struct ELFBuilder {
  package init(is64: Bool = false, segments: [Segment] = []) {
    self.is64 = is64
    self.segments = segments
  }

  package struct Segment {
    package var type: UInt32
    package var address: UInt64
    package var bytes: [UInt8]
    package var memoryByteCount: UInt64
    package var alignment: UInt64
    /// Replaces what the header says of the bytes' place.
    package var fileOffset: UInt64?
    package var fileByteCount: UInt64?

    package static func load(address: UInt64, bytes: [UInt8], memoryByteCount: UInt64? = nil) -> Segment {
      Segment(
        type: 1, address: address, bytes: bytes, memoryByteCount: memoryByteCount ?? UInt64(bytes.count),
        alignment: 4096)
    }

    /// A note segment with the PVH entry, behind a note of another owner.
    package static func pvhNote(entry: UInt64, valueByteCount: Int = 4, alignment: UInt64 = 4) -> Segment {
      var bytes: [UInt8] = []
      func pad() { while bytes.count % Int(alignment) != 0 { bytes.append(0) } }
      func note(_ name: [UInt8], _ type: UInt64, _ value: [UInt8]) {
        bytes += little(UInt64(name.count), 4) + little(UInt64(value.count), 4) + little(type, 4) + name
        pad()
        bytes += value
        pad()
      }
      note(Array("GNU\0".utf8), 3, [1, 2, 3, 4, 5])
      note(Array("Xen\0".utf8), 18, little(entry, valueByteCount))
      return Segment(
        type: 4, address: 0, bytes: bytes, memoryByteCount: UInt64(bytes.count), alignment: alignment)
    }
  }

  package var is64 = false
  package var machine: UInt64 = 62
  package var type: UInt64 = 2
  package var segments: [Segment] = []

  package static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  package var bytes: [UInt8] {
    let word = is64 ? 8 : 4
    let headerByteCount = is64 ? 64 : 52
    let stride = is64 ? 56 : 32
    func little(_ value: UInt64, _ count: Int) -> [UInt8] { Self.little(value, count) }
    var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1] + [UInt8](repeating: 0, count: 9)
    file +=
      little(type, 2) + little(machine, 2) + little(1, 4) + little(0, word) + little(UInt64(headerByteCount), word)
    file += little(0, word) + little(0, 4) + little(UInt64(headerByteCount), 2)
    file += little(UInt64(stride), 2) + little(UInt64(segments.count), 2) + little(0, 6)
    var offset = headerByteCount + stride * segments.count
    var contents: [UInt8] = []
    for segment in segments {
      let place = segment.fileOffset ?? UInt64(offset)
      let size = segment.fileByteCount ?? UInt64(segment.bytes.count)
      if is64 {
        file += little(UInt64(segment.type), 4) + little(7, 4) + little(place, 8) + little(segment.address, 8)
        file += little(segment.address, 8) + little(size, 8) + little(segment.memoryByteCount, 8)
        file += little(segment.alignment, 8)
      } else {
        file += little(UInt64(segment.type), 4) + little(place, 4) + little(segment.address, 4)
        file += little(segment.address, 4) + little(size, 4) + little(segment.memoryByteCount, 4) + little(7, 4)
        file += little(segment.alignment, 4)
      }
      contents += segment.bytes
      offset += segment.bytes.count
    }
    return file + contents
  }
}
