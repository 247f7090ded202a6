/// Records at a fixed place in memory, checked on every access: an index past the end is a kernel bug and stops at its
/// trap.
@safe @frozen public struct Table<Record: BitwiseCopyable> {
  /// The first record.
  public let base: UnsafeMutablePointer<Record>
  /// Number of records.
  public let count: UInt32

  /// `count` records at `base`, which must stay valid as long as the table is used.
  @inlinable @inline(__always) public init(_ base: UnsafeMutableRawPointer, count: UInt32) {
    unsafe self.base = base.assumingMemoryBound(to: Record.self)
    self.count = count
  }

  /// The record at `index`, in place.
  @inlinable public subscript(index: UInt32) -> Record {
    @inline(__always) unsafeAddress {
      precondition(index < count)
      // Safe: the index was just checked, the initialiser's caller vouches for the memory.
      return unsafe UnsafePointer(base + Int(index))
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(index < count)
      return unsafe base + Int(index)
    }
  }
}

extension Table {
  /// The record at `index`, checked once for several uses.
  @inlinable @inline(__always) public func cell(at index: UInt32) -> Cell<Record> {
    precondition(index < count)
    // Safe: the index was just checked, the initialiser's caller vouches for the memory.
    return unsafe Cell(UnsafeMutableRawPointer(base + Int(index)))
  }
}

extension Table {
  /// Where the record at `index` is, checked once for a run of records whose length the caller checks.
  @inlinable @inline(__always) public func pointer(at index: UInt32) -> UnsafeMutablePointer<Record> {
    precondition(index < count)
    return unsafe base + Int(index)
  }
}

/// One record at a fixed place in memory, used in place.
@safe @frozen public struct Cell<Record: BitwiseCopyable> {
  @usableFromInline let base: UnsafeMutablePointer<Record>

  /// The record at `base`, which must stay valid as long as the cell is used.
  @inlinable @inline(__always) public init(_ base: UnsafeMutableRawPointer) {
    unsafe self.base = base.assumingMemoryBound(to: Record.self)
  }

  /// Where the record is, for those that follow it.
  @inlinable @inline(__always) var pointer: UnsafeMutablePointer<Record> { unsafe base }

  /// Where the record is.
  @inlinable @inline(__always) public var address: UInt { unsafe UInt(bitPattern: base) }

  /// The record, in place.
  @inlinable public var value: Record {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(base) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe base }
  }
}
