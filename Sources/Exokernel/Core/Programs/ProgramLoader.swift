import ExokernelABI

/// Why a program could not be started.
public enum LoadError: Error, Sendable {
  /// The archive has no such file.
  case notFound
  /// There is no boot module.
  case noArchive
  /// The boot archive is compressed.
  case compressedArchive
  /// What was given as the boot archive is none, or ends too early.
  case badArchive
  /// Not a 64-bit x86 ELF executable that fits its file.
  case malformed
  /// A segment lies where programs may not be.
  case badAddress
  /// More bytes of arguments than an environment's page has room for.
  case argumentsTooLong
  /// Frames, page tables or environments are used up.
  case exhausted

  /// The cause as text.
  public var text: StaticString {
    switch self {
    case .notFound: "no such program in the boot archive"
    case .noArchive: "there is no boot archive, give one as the first boot module"
    case .compressedArchive: "the first boot module is compressed (gzip, xz, zstd or bzip2), decompress it"
    case .badArchive: "the first boot module is no ustar archive, make it with xokvm image"
    case .malformed: "not a static x86-64 ELF program"
    case .badAddress: "a segment lies outside the addresses of programs"
    case .argumentsTooLong: "its arguments are longer than 512 bytes"
    case .exhausted: "not enough memory or environments"
    }
  }
}

/// Makes an environment of an ELF program in the boot archive. Read-only pages are mapped where they lie in the
/// archive, and shared by all environments of the program; writable ones are copied.
extension Kernel {
  /// Most pages that a segment may have.
  static var segmentLimit: UInt64 { 16384 }

  func load(_ file: Range<UInt64>, of archive: Archive) throws(LoadError) -> UInt32 {
    let elf = PhysicalBytes(
      archive.bytes.address &+ file.lowerBound, count: file.upperBound &- file.lowerBound, in: hardware)
    guard elf.load(UInt32.self, at: 0) == 0x464c_457f, elf[4] == 2, elf[5] == 1, elf.load(UInt16.self, at: 16) == 2,
      elf.load(UInt16.self, at: 18) == 62
    else { throw .malformed }
    let headers = elf.load(UInt64.self, at: 32)
    let size = UInt64(elf.load(UInt16.self, at: 54))
    let count = UInt64(elf.load(UInt16.self, at: 56))
    guard size >= 56, count >= 1, count <= 16, headers <= elf.count, size &* count <= elf.count &- headers else {
      throw .malformed
    }
    let entry = elf.load(UInt64.self, at: 24)
    guard entry < AddressMap.largePages else { throw .badAddress }
    guard let environment = createBootEnvironment() else { throw .exhausted }
    var space = AddressSpace(of: environment, environments[environment].guardName)
    do throws(LoadError) {
      for index in 0..<count { try loadSegment(elf, headers &+ index &* size, into: &space) }
      for page in 1...AddressMap.initialStackPages {
        try mapFresh(AddressMap.environmentPage &- page &* AddressMap.pageSize, rights: .read | .write, in: &space)
      }
      let shared = environments[environment].environmentPage
      try map(AddressMap.environmentPage, frame: UInt64(shared), rights: .read | .write, in: &space)
      frames[shared].addReference()
    } catch {
      end(environment, status: 0)
      throw error
    }
    environments[environment].savedInstructionPointer = entry
    environments[environment].savedStackPointer = AddressMap.environmentPage
    return environment
  }

  private func loadSegment(_ elf: PhysicalBytes, _ header: UInt64, into space: inout AddressSpace) throws(LoadError) {
    guard elf.load(UInt32.self, at: header) == 1 else { return }
    let flags = elf.load(UInt32.self, at: header &+ 4)
    let offset = elf.load(UInt64.self, at: header &+ 8)
    let address = elf.load(UInt64.self, at: header &+ 16)
    let fileSize = elf.load(UInt64.self, at: header &+ 32)
    let memorySize = elf.load(UInt64.self, at: header &+ 40)
    guard memorySize > 0 else { return }
    guard offset <= elf.count, fileSize <= elf.count &- offset, fileSize <= memorySize else { throw .malformed }
    guard address >= 0x1_0000, memorySize <= Self.segmentLimit &* AddressMap.pageSize,
      address <= AddressMap.largePages &- memorySize, !isReserved(address), !isReserved(address &+ memorySize &- 1)
    else { throw .badAddress }
    var rights: Rights = .read
    if flags & 1 != 0 { rights = rights | .execute }
    if flags & 2 != 0 { rights = rights | .write }
    let source = elf.address &+ offset
    let inPlace = !rights.contains(.write) && (source ^ address) & 0xfff == 0
    let end = address &+ memorySize
    let fileEnd = address &+ fileSize
    var page = address & ~0xfff
    while page < end {
      let isWhole = page &+ 4096 <= fileEnd || fileEnd == end
      if page >= fileEnd {
        try mapFresh(page, rights: rights, in: &space)
      } else if inPlace, isWhole {
        // What follows the segment in its last page is the archive's, which everybody may read.
        let frame = (source &+ page &- address) &>> 12
        try map(page, frame: frame, rights: rights, in: &space)
        frames[UInt32(truncatingIfNeeded: frame)].addReference()
      } else {
        let frame = try mapFresh(page, rights: rights, in: &space)
        let from = page > address ? page : address
        let to = page &+ 4096 < fileEnd ? page &+ 4096 : fileEnd
        hardware.copy(
          from: source &+ from &- address, to: UInt64(frame) &<< 12 &+ (from & 0xfff),
          count: UInt32(truncatingIfNeeded: to &- from))
      }
      page &+= 4096
    }
  }

  @discardableResult
  private func mapFresh(_ address: UInt64, rights: Rights, in space: inout AddressSpace) throws(LoadError) -> UInt32 {
    let frame = try take(.memory, for: space)
    do throws(LoadError) {
      try map(address, frame: UInt64(frame), rights: rights, in: &space)
    } catch {
      frames[frame].removeReference()
      throw error
    }
    return frame
  }

  /// Maps a frame, making the page tables it takes.
  @inline(__always) private func map(_ address: UInt64, frame: UInt64, rights: Rights, in space: inout AddressSpace)
    throws(LoadError)
  {
    if space.region != address &>> 21 {
      space.table = try makeTables(for: address, in: space)
      space.region = address &>> 21
    }
    guard tableEntry(space.table, address &>> 12) & PageEntry.present == 0 else { throw .badAddress }
    setTableEntry(space.table, address &>> 12, pageEntry(frame: UInt32(truncatingIfNeeded: frame), rights: rights))
  }

  /// The table that holds the last-level entry of `address`.
  private func makeTables(for address: UInt64, in space: AddressSpace) throws(LoadError) -> UInt64 {
    var table = UInt64(environments[space.environment].rootTable) &<< 12
    var shift: UInt64 = 39
    while shift > 12 {
      let entry = tableEntry(table, address &>> shift)
      if entry & PageEntry.present != 0 {
        table = entry & PageEntry.addressMask
      } else {
        let fresh = try take(.pageTable, for: space)
        setTableEntry(table, address &>> shift, tablePointer(fresh))
        table = UInt64(fresh) &<< 12
        if address &>> shift == 0, shift == 39 { reserve(in: table) }
      }
      shift &-= 9
    }
    return table
  }

  /// A frame for a table or a page, mapped once. A loaded program takes many, so the usual way is inlined.
  @inline(__always) private func take(_ kind: FrameKind, for space: AddressSpace) throws(LoadError) -> UInt32 {
    guard hasRoom(space.environment, .frames) else { throw .exhausted }
    var identity = space.identity
    identity.kind = kind.rawValue
    let frame: UInt32
    if let fresh = freshAtFrontier() {
      give(fresh, identity, guardName: space.name)
      frame = fresh
    } else if let other = takeFrame(identity, guardName: space.name) {
      frame = other
    } else {
      throw .exhausted
    }
    frames.cell(at: frame).value.addReference()
    return frame
  }
}

/// The address space that a program is loaded into. Pages come in runs, so the last table of the last page is
/// remembered.
private struct AddressSpace {
  let environment: UInt32
  /// Guard of its frames.
  let name: UInt64
  let identity: FrameIdentity
  /// Number of the 2 MiB that `table` maps.
  var region = UInt64.max
  /// Physical address of the table of the last level.
  var table: UInt64 = 0

  init(of environment: UInt32, _ name: UInt64) {
    self.environment = environment
    self.name = name
    identity = FrameIdentity(
      owner: UInt8(truncatingIfNeeded: environment), kind: .memory)
  }
}
