import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Pages of zeroes, mapped as long as this value.
@safe struct MappedPages: ~Copyable {
  static let pageByteCount = 4096

  /// Address of the first page. Whoever dereferences it keeps to the mapping and its protection.
  let base: UnsafeMutableRawPointer
  private let byteCount: Int

  /// Maps `count` pages, shared with children where `isShared`.
  init(count: Int, protection: Int32, isShared: Bool = false) throws(Errno) {
    byteCount = count * Self.pageByteCount
    let flags = (isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS
    guard let mapping = unsafe mmap(nil, byteCount, protection, flags, -1, 0), unsafe mapping != MAP_FAILED else {
      throw Errno(rawValue: errno)
    }
    unsafe base = mapping
  }

  /// Changes what may be done with some of the pages (mprotect(2)).
  func protect(_ pages: Range<Int>, _ protection: Int32) throws(Errno) {
    precondition(pages.lowerBound >= 0 && pages.upperBound * Self.pageByteCount <= byteCount, "pages of the mapping")
    // Safe: inside the mapping, whose users know its protection.
    let first = unsafe base + pages.lowerBound * Self.pageByteCount
    guard unsafe mprotect(first, pages.count * Self.pageByteCount, protection) == 0 else {
      throw Errno(rawValue: errno)
    }
  }

  deinit { unsafe munmap(base, byteCount) }
}
