import VirtioLayout

/// What a driver asks of a disk, checked completely and not yet begun. Ranges are inside the disk.
enum BlockRequest: Equatable {
  /// A range of the disk in bytes.
  struct Range: Equatable {
    let offset: Int64
    let byteCount: Int64
    /// Write-zeroes may free the range.
    var mayFree = false
  }

  /// Disk to memory: all the chain's writable bytes but the last.
  case read(Range)
  /// Memory to disk: all the chain's readable bytes after the header.
  case write(Range)
  case flush
  case identify
  case discard([Range])
  case writeZeroes([Range])
  /// The request is answered with this status and has no effect.
  case refuse(status: UInt8)

  /// Most ranges in one discard or write-zeroes request.
  static let maximumRangeCount = 16
  /// Most sectors of one discard range: 1 GiB.
  static let maximumDiscardSectors: UInt32 = 1 << 21
  /// Most sectors of one write-zeroes range: 16 MiB, which bounds the time where the host has to write them.
  static let maximumWriteZeroesSectors: UInt32 = 1 << 15

  /// What a chain asks for, and where its status goes. On return the chain's lists hold the data alone: header and
  /// status are taken off. Throws when the chain has no room for a header or a status, so that it cannot even be
  /// refused.
  static func parse(
    _ chain: DescriptorChain, sectorCount: UInt64, isReadOnly: Bool, features: VirtioFeatures
  ) throws(VirtqueueError) -> (request: BlockRequest, status: SharedByte) {
    guard let header = chain.readable.load(VirtioBlock.RequestHeader.self, at: 0) else {
      throw .malformedRequest("block request without a header of 16 bytes")
    }
    guard let status = chain.writable.removeLastByte() else {
      throw .malformedRequest("block request without a status byte")
    }
    chain.readable.removeFirst(16)
    let request = decode(header, chain, sectorCount: sectorCount, isReadOnly: isReadOnly, features: features)
    return (request, status)
  }

  private static func decode(
    _ header: VirtioBlock.RequestHeader, _ chain: DescriptorChain, sectorCount: UInt64, isReadOnly: Bool,
    features: VirtioFeatures
  ) -> BlockRequest {
    let dataOut = chain.readable.byteCount
    let dataIn = chain.writable.byteCount

    func range(sector: UInt64, byteCount: Int) -> Range? {
      guard byteCount > 0, byteCount % 512 == 0, sector <= sectorCount,
        UInt64(byteCount / 512) <= sectorCount - sector
      else { return nil }
      // No overflow: the disk's size in bytes is an Int64.
      return Range(offset: Int64(sector) * 512, byteCount: Int64(byteCount))
    }
    let error = BlockRequest.refuse(status: VirtioBlock.Status.ioError)
    let unsupported = BlockRequest.refuse(status: VirtioBlock.Status.unsupported)

    switch header.type {
    case VirtioBlock.RequestType.read:
      guard dataOut == 0, let range = range(sector: header.sector, byteCount: dataIn) else { return error }
      return .read(range)
    case VirtioBlock.RequestType.write:
      guard !isReadOnly, dataIn == 0, let range = range(sector: header.sector, byteCount: dataOut) else { return error }
      return .write(range)
    case VirtioBlock.RequestType.flush:
      return dataOut == 0 && dataIn == 0 ? .flush : error
    case VirtioBlock.RequestType.getID:
      return dataOut == 0 && dataIn >= VirtioBlock.idByteCount ? .identify : error
    case VirtioBlock.RequestType.discard:
      guard features.contains(.blockDiscard) else { return unsupported }
    case VirtioBlock.RequestType.writeZeroes:
      guard features.contains(.blockWriteZeroes) else { return unsupported }
    default:
      return unsupported
    }

    // Discard and write-zeroes: the data is a list of ranges.
    let isDiscard = header.type == VirtioBlock.RequestType.discard
    let count = dataOut / 16
    guard !isReadOnly, dataIn == 0, dataOut % 16 == 0, (1...maximumRangeCount).contains(count) else { return error }
    var ranges: [Range] = []
    for index in 0..<count {
      guard let segment = chain.readable.load(VirtioBlock.RangeSegment.self, at: 16 * index) else { return error }
      let allowedFlags = isDiscard ? 0 : VirtioBlock.RangeSegment.unmap
      // The specification wants "unsupported" for flags that are not allowed.
      guard segment.flags & ~allowedFlags == 0 else { return unsupported }
      guard segment.sectorCount <= (isDiscard ? maximumDiscardSectors : maximumWriteZeroesSectors),
        var range = range(sector: segment.sector, byteCount: Int(segment.sectorCount) * 512)
      else { return error }
      range.mayFree = segment.flags & VirtioBlock.RangeSegment.unmap != 0
      ranges.append(range)
    }
    return isDiscard ? .discard(ranges) : .writeZeroes(ranges)
  }
}
