/// Reads an archive's headers one after the other, in steps of bounded work, and fills an index.
struct ArchiveScanner {
  /// What one step came to.
  enum Progress {
    case advanced
    /// The storage is fetching the next block.
    case wouldBlock
    /// The end of the archive was read.
    case finished
  }

  private enum Phase {
    case header
    /// One zero block was read.
    case afterBlank
    /// Inside the data of an extended header or long name; `left` bytes are still to be read from `offset` on.
    case payload(UstarHeader.Kind, offset: UInt64, left: Int)
    case finished
  }

  private let limits: ArchiveLimits
  private var phase = Phase.header
  /// Byte offset of the next header.
  private var position: UInt64 = 0
  private var stream: ReadStream
  /// The block being looked at, copied out of the storage.
  private var block = [UInt8](repeating: 0, count: BlockNumber.size)
  private var payload: [UInt8] = []
  private var path: [UInt8] = []

  private var global = ExtendedAttributes.none
  /// From the pax header or GNU long names before the next member.
  private var local = ExtendedAttributes.none
  /// True when an extended header or long name waits for its member.
  private var expectsMember = false

  init(limits: ArchiveLimits, byteCount: UInt64) {
    self.limits = limits
    stream = ReadStream(range: 0..<byteCount)
  }

  /// The block that the next step looks at, for errors.
  var currentBlock: BlockNumber {
    if case .payload(_, let offset, _) = phase { return BlockNumber(containingByte: offset) }
    return BlockNumber(containingByte: position)
  }

  /// Reads one header or one page of an extended header.
  mutating func advance<Storage: ByteStorage & ~Copyable>(
    _ storage: inout Storage, index: inout ArchiveIndex
  ) throws(UstarProblem) -> Progress {
    switch phase {
    case .finished:
      return .finished
    case .payload(let kind, let offset, let left):
      return try readPayload(kind, offset: offset, left: left, storage: &storage)
    case .header, .afterBlank:
      guard position &+ UInt64(BlockNumber.size) <= storage.byteCount else { throw .missingEnd }
      guard try readBlock(&storage) else { return .wouldBlock }
      if UstarHeader.isBlank(block.span) { return try passBlank() }
      if case .afterBlank = phase { throw .loneZeroBlock }
      try takeHeader(storageSize: storage.byteCount, index: &index)
      return .advanced
    }
  }

  private mutating func passBlank() throws(UstarProblem) -> Progress {
    if case .afterBlank = phase {
      phase = .finished
      return .finished
    }
    guard !expectsMember else { throw .extendedHeaderWithoutMember }
    phase = .afterBlank
    position += UInt64(BlockNumber.size)
    return .advanced
  }

  /// Copies the block at `position`; false when it is being fetched.
  private mutating func readBlock<Storage: ByteStorage & ~Copyable>(
    _ storage: inout Storage
  ) throws(UstarProblem) -> Bool {
    let access = storage.withBytes(at: position, atMost: BlockNumber.size, stream: &stream) { bytes in
      guard bytes.count == BlockNumber.size else { return false }
      for index in bytes.indices { block[index] = bytes[index] }
      return true
    }
    switch access {
    case .done(true): return true
    case .done(false): throw .missingEnd
    case .wouldBlock: return false
    case .failed(let error): throw .storage(error)
    }
  }

  /// What a first block is that is no header.
  private static func problem(ofFirst block: [UInt8]) -> UstarProblem {
    for program in Compression.allCases where block.starts(with: program.magic) { return .compressed(program) }
    return .notAnArchive
  }

  private mutating func takeHeader(storageSize: UInt64, index: inout ArchiveIndex) throws(UstarProblem) {
    let header: UstarHeader
    do throws(UstarProblem) {
      header = try UstarHeader(block.span)
    } catch {
      // A first block that is no header at all more likely means a wrong file than a damaged one.
      if position == 0, error.isAboutChecksum { throw Self.problem(ofFirst: block) }
      throw error
    }
    switch header.kind {
    case .extendedHeader, .globalHeader, .longName, .longLink:
      let end = try endOfData(size: header.size, storageSize: storageSize)
      guard header.size <= UInt64(limits.extendedHeaderSize) else {
        throw .extendedHeaderTooLarge(size: header.size, limit: limits.extendedHeaderSize)
      }
      payload.removeAll(keepingCapacity: true)
      phase = .payload(
        header.kind, offset: position + UInt64(BlockNumber.size), left: Int(truncatingIfNeeded: header.size))
      position = end
    case .regularFile, .hardLink, .symbolicLink, .directory, .other:
      try takeMember(header, storageSize: storageSize, index: &index)
    }
  }

  private mutating func takeMember(
    _ header: UstarHeader, storageSize: UInt64, index: inout ArchiveIndex
  ) throws(UstarProblem) {
    var size = header.size
    if header.kind != .hardLink, let stated = local.size ?? global.size { size = stated }
    let end = try endOfData(size: size, storageSize: storageSize)

    path.removeAll(keepingCapacity: true)
    if let given = local.path ?? global.path {
      path.append(contentsOf: given)
    } else {
      for byte in header.prefix { path.append(block[byte]) }
      if !path.isEmpty { path.append(Bytes.slash) }
      for byte in header.name { path.append(block[byte]) }
    }
    let kind: ArchiveEntry.Kind?
    switch header.kind {
    case .regularFile: kind = .file
    case .hardLink: kind = .hardLink
    case .symbolicLink: kind = .symbolicLink
    case .directory: kind = .directory
    case .other, .extendedHeader, .globalHeader, .longName, .longLink: kind = nil
    }
    if let kind {
      let time = local.modificationTime ?? global.modificationTime ?? header.modificationTime
      let start = position + UInt64(BlockNumber.size)
      if let target = local.linkPath ?? global.linkPath {
        try index.add(
          kind, path: path.span, target: target.span, start: start, size: size, modificationTime: time)
      } else {
        try index.add(
          kind, path: path.span, target: block.span.extracting(header.linkName), start: start, size: size,
          modificationTime: time)
      }
    }
    local = .none
    expectsMember = false
    position = end
  }

  /// Byte offset of the header behind `size` bytes of data of the header at `position`.
  private func endOfData(size: UInt64, storageSize: UInt64) throws(UstarProblem) -> UInt64 {
    let blockSize = UInt64(BlockNumber.size)
    // Half of the range leaves room for the additions below.
    guard size <= UInt64(Int64.max) / 2 else { throw .sizeTooLarge(size) }
    let start = position + blockSize
    guard size <= storageSize - start else {
      throw .truncatedFile(size: size, missing: size - (storageSize - start))
    }
    return start + (size + blockSize - 1) / blockSize * blockSize
  }

  private mutating func readPayload<Storage: ByteStorage & ~Copyable>(
    _ kind: UstarHeader.Kind, offset: UInt64, left: Int, storage: inout Storage
  ) throws(UstarProblem) -> Progress {
    if left > 0 {
      let access = storage.withBytes(at: offset, atMost: left, stream: &stream) { bytes in
        for index in bytes.indices { payload.append(bytes[index]) }
        return bytes.count
      }
      switch access {
      case .done(let count): phase = .payload(kind, offset: offset + UInt64(count), left: left - count)
      case .wouldBlock: return .wouldBlock
      case .failed(let error): throw .storage(error)
      }
      return .advanced
    }
    let records = payload
    switch kind {
    case .globalHeader:
      try global.apply(records.span)
    case .longName:
      local.path = try longName()
      expectsMember = true
    case .longLink:
      local.linkPath = try longName()
      expectsMember = true
    default:
      try local.apply(records.span)
      expectsMember = true
    }
    phase = .header
    return .advanced
  }

  /// The payload up to its first NUL.
  private func longName() throws(UstarProblem) -> [UInt8] {
    var name: [UInt8] = []
    for byte in payload {
      if byte == 0 { break }
      name.append(byte)
    }
    guard !name.isEmpty else { throw .emptyPath }
    return name
  }
}

extension UstarProblem {
  fileprivate var isAboutChecksum: Bool {
    switch self {
    case .badChecksum, .badNumber(.checksum): true
    default: false
    }
  }
}
