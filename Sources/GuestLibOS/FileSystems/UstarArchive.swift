/// Bounds on what an archive may make its reader keep in memory.
public struct ArchiveLimits: Sendable {
  /// Most members.
  public var members: Int
  /// Most bytes of all paths and link targets together.
  public var nameBytes: Int
  /// Longest path or link target, in bytes.
  public var pathLength: Int
  /// Largest pax header or GNU long name, in bytes.
  public var extendedHeaderSize: Int

  /// The bounds given, with defaults for a program of some megabytes: an index entry takes about 64 bytes.
  public init(
    members: Int = 65_536, nameBytes: Int = 8 << 20, pathLength: Int = 4096, extendedHeaderSize: Int = 64 << 10
  ) {
    self.members = members
    self.nameBytes = min(nameBytes, Int(Int32.max) / 2)
    self.pathLength = pathLength
    self.extendedHeaderSize = extendedHeaderSize
  }
}

/// A tar archive on raw blocks, or in memory, as a read-only file system.
///
/// Takes the formats ustar and pax (POSIX.1-2024), GNU tar's extensions for long names and large numbers, and version
/// 7. `scan` reads the headers in bounded steps; then files are found by binary search and read in place.
public struct UstarArchive<Storage: ByteStorage & ~Copyable>: ~Copyable, ReadOnlyFileSystem {
  /// Where the bytes are.
  public var storage: Storage

  private enum Phase {
    case reading
    case sorting
    case ready
    case failed(UstarError)
  }

  private var phase = Phase.reading
  private var scanner: ArchiveScanner
  private var index: ArchiveIndex
  private var resolver: PathResolver

  /// An archive that begins at the storage's first byte. Nothing is read before `scan`.
  public init(storage: consuming Storage, limits: ArchiveLimits = ArchiveLimits()) {
    scanner = ArchiveScanner(limits: limits, byteCount: storage.byteCount)
    index = ArchiveIndex(limits: limits)
    resolver = PathResolver(reserving: limits.pathLength)
    self.storage = storage
  }

  /// True when the whole archive was read and files can be found.
  public var isReady: Bool {
    if case .ready = phase { true } else { false }
  }

  /// Members that are files, directories or links.
  public var memberCount: Int { index.entries.count }

  /// Reads on for at most `steps` headers, or sorting steps; true when the archive is ready. Does not wait: call it
  /// again when `poll` told of something, or at once when all steps were used. An error is final and thrown each time.
  public mutating func scan(steps: Int = 64) throws(UstarError) -> Bool {
    switch phase {
    case .ready: return true
    case .failed(let error): throw error
    case .sorting:
      if index.sort(steps: steps) { phase = .ready }
      return isReady
    case .reading:
      break
    }
    _ = storage.poll()
    for _ in 0..<steps {
      let block = scanner.currentBlock
      do throws(UstarProblem) {
        switch try scanner.advance(&storage, index: &index) {
        case .advanced: continue
        case .wouldBlock: return false
        case .finished:
          index.beginSort()
          phase = .sorting
          return false
        }
      } catch {
        let failure = UstarError(block: block, problem: error)
        phase = .failed(failure)
        throw failure
      }
    }
    return false
  }

  /// Takes note of what the storage has done; true when there was anything.
  public mutating func poll() -> Bool { storage.poll() }

  /// What `path` names in the archive, links followed; `.missing` as long as the archive is not ready.
  public mutating func find(_ path: Span<UInt8>) -> PathLookup {
    guard isReady else { return .missing }
    return resolver.resolve(path, in: index)
  }

  /// Shows `body` bytes of `file`, which `find` gave, from `offset` on; never bytes behind the file's end.
  public mutating func withBytes<Outcome>(
    of file: FileExtent, at offset: UInt64, atMost count: Int, stream: inout ReadStream,
    _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome> {
    guard offset < file.size else { return .failed(.beyondEnd(byteCount: file.size)) }
    return storage.withBytes(
      at: file.start &+ offset, atMost: min(count, Int(clamping: file.size - offset)), stream: &stream, body)
  }
}
