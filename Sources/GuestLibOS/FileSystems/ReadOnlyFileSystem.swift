/// Where a regular file's bytes are, and what is known about it. A value: holding it keeps nothing open.
public struct FileExtent: Equatable, Sendable {
  /// Byte offset of the file's first byte in the storage.
  public var start: UInt64
  /// Bytes of the file.
  public var size: UInt64
  /// When the file was last modified, in seconds since 1970-01-01 00:00 UTC.
  public var modificationTime: Int64

  /// Describes a file of `size` bytes from `start` on.
  public init(start: UInt64, size: UInt64, modificationTime: Int64) {
    self.start = start
    self.size = size
    self.modificationTime = modificationTime
  }

  /// A reader of the bytes `range` of this file, for `ReadOnlyFileSystem.withBytes`.
  public func stream(_ range: Range<UInt64>) -> ReadStream {
    ReadStream(range: (start &+ range.lowerBound)..<(start &+ range.upperBound))
  }
}

/// What a path names.
public enum PathLookup: Equatable, Sendable {
  /// A regular file, links followed.
  case file(FileExtent)
  /// A directory, links followed.
  case directory
  /// Nothing, or something that is neither file nor directory.
  case missing
  /// A link that leads nowhere, out of the file system, or round in circles.
  case brokenLink
}

/// Files that can be found by path and read, without waiting.
public protocol ReadOnlyFileSystem: ~Copyable {
  /// Takes note of what the storage has done; true when there was anything.
  mutating func poll() -> Bool

  /// What `path` names: components separated by slashes, from the root on. Empty components and `.` are passed over;
  /// a path with `..` or a NUL names nothing.
  mutating func find(_ path: Span<UInt8>) -> PathLookup

  /// Shows `body` bytes of `file` from `offset` on: at least one, at most `count`, as many as lie together.
  mutating func withBytes<Outcome>(
    of file: FileExtent, at offset: UInt64, atMost count: Int, stream: inout ReadStream,
    _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome>
}
