/// What is wrong with an archive.
public enum UstarProblem: Error, Equatable, Sendable {
  /// The first block is no header of a tar archive.
  case notAnArchive
  /// The first block starts as the files of a compressing program do.
  case compressed(Compression)
  /// A header's bytes do not add up to the sum it states.
  case badChecksum(stated: UInt64, computed: UInt64)
  /// A number field of the header is neither octal nor a base-256 number of 64 bits.
  case badNumber(UstarField)
  /// The file would reach behind the end of the storage; `missing` bytes are not there.
  case truncatedFile(size: UInt64, missing: UInt64)
  /// The size is more than a file can have.
  case sizeTooLarge(UInt64)
  /// The member has no name.
  case emptyPath
  /// The path or link target is longer than the limit.
  case pathTooLong(limit: Int)
  /// The path has a component `..`.
  case pathLeavesArchive
  /// An extended header is not a sequence of records `LENGTH KEY=VALUE` and newline, or a record's value is wrong.
  case badExtendedHeader
  /// An extended header or long name has more bytes than the limit.
  case extendedHeaderTooLarge(size: UInt64, limit: Int)
  /// An extended header or long name is followed by no member.
  case extendedHeaderWithoutMember
  /// A sparse or multi-volume member, whose bytes are not in one piece.
  case unsupportedMember(typeFlag: UInt8)
  /// More members than the index may hold.
  case tooManyMembers(limit: Int)
  /// More bytes of paths than the index may hold.
  case namesTooLarge(limit: Int)
  /// One zero block that no second one follows.
  case loneZeroBlock
  /// The storage ends without two zero blocks: the archive was cut off.
  case missingEnd
  /// The storage failed.
  case storage(StorageError)
}

/// Programs that compress archives, and the bytes with which their files start.
public enum Compression: CaseIterable, Equatable, Sendable {
  /// RFC 1952.
  case gzip
  /// The .xz file format.
  case xz
  /// RFC 8878.
  case zstd
  /// bzip2.
  case bzip2

  /// The program's name.
  public var name: String {
    switch self {
    case .gzip: "gzip"
    case .xz: "xz"
    case .zstd: "zstd"
    case .bzip2: "bzip2"
    }
  }

  /// The bytes with which its files start.
  public var magic: [UInt8] {
    switch self {
    case .gzip: [0x1f, 0x8b]
    case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]
    case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
    case .bzip2: [0x42, 0x5a, 0x68]
    }
  }
}

/// The number fields of a header.
public enum UstarField: Equatable, Sendable {
  /// Bytes of the member.
  case size
  /// Time of last modification.
  case modificationTime
  /// Sum of the header's bytes.
  case checksum
}

/// An archive that cannot be used: which block shows it, and what is wrong.
public struct UstarError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The 512-byte block, from the start of the archive, where the problem shows.
  public var block: BlockNumber
  /// What is wrong there.
  public var problem: UstarProblem

  /// Tells that `block` shows `problem`.
  public init(block: BlockNumber, problem: UstarProblem) {
    self.block = block
    self.problem = problem
  }

  /// The block, the problem and the remedy, in one line.
  public var description: String { "archive block \(block.index): \(text)" }

  private var text: String {
    switch problem {
    case .notAnArchive:
      "not a tar archive: make the disk with `tar -cf`, without compression"
    case .compressed(let program):
      "compressed with \(program.name): decompress it, or make the disk with `tar -cf`"
    case .badChecksum(let stated, let computed):
      "the header's checksum is \(stated) but its bytes add up to \(computed): the archive is damaged, make it again"
    case .badNumber(.size):
      "the header's size is not a number: the archive is damaged, make it again"
    case .badNumber(.modificationTime):
      "the header's time is not a number: the archive is damaged, make it again"
    case .badNumber(.checksum):
      "the header's checksum is not a number: the archive is damaged, make it again"
    case .truncatedFile(let size, let missing):
      "a file of \(size) bytes reaches \(missing) bytes behind the end of the disk: the archive was cut off, copy it again"
    case .sizeTooLarge(let size):
      "a size of \(size) bytes is more than any file has: the archive is damaged, make it again"
    case .emptyPath:
      "a member without a name: the archive is damaged, make it again"
    case .pathTooLong(let limit):
      "a path longer than \(limit) bytes: shorten it"
    case .pathLeavesArchive:
      "a path with `..`: make the archive with `tar -C DIRECTORY .`"
    case .badExtendedHeader:
      "a malformed pax header: the archive is damaged, make it again"
    case .extendedHeaderTooLarge(let size, let limit):
      "a pax header or long name of \(size) bytes, at most \(limit) are taken: make the archive with `--format=ustar`"
    case .extendedHeaderWithoutMember:
      "a pax header or long name that no member follows: the archive was cut off, make it again"
    case .unsupportedMember(let flag):
      "a member of type \(flag) (sparse or split): make the archive without --sparse and --multi-volume"
    case .tooManyMembers(let limit):
      "more than \(limit) members: split the archive or give the program more memory"
    case .namesTooLarge(let limit):
      "paths of more than \(limit) bytes together: split the archive or give the program more memory"
    case .loneZeroBlock:
      "a single zero block inside the archive: it is damaged, make it again"
    case .missingEnd:
      "no end-of-archive blocks: the archive was cut off, copy it again"
    case .storage(let error):
      error.description
    }
  }
}
