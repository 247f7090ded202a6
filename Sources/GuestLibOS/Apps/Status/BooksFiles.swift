import FileSystems
import Inspection
import LibOS

/// A file system of one file, `index.html`, which is another one whenever it is looked for: the page as the books are
/// at that moment.
struct BooksFiles: ReadOnlyFileSystem, ~Copyable {
  /// Pages that are kept for the connections that are being sent them; there are half as many connections, so that a
  /// page outlives its connection's request unless other clients ask very often.
  static let mostPages = 32

  private struct Page {
    var serial: UInt64 = 0
    var bytes: [UInt8] = []
  }

  private var pages = [Page](repeating: Page(), count: mostPages)
  private var lastSerial: UInt64 = 0

  /// Modification times that no header field can state (RFC 9110 section 5.6.7): so the page's entity tag is another
  /// one each time, and no date says that a client's copy is still good.
  private static let firstTime: Int64 = 1 << 60

  mutating func poll() -> Bool { false }

  mutating func find(_ path: Span<UInt8>) -> PathLookup {
    var name: [UInt8] = []
    for index in path.indices where path[index] != UInt8(ascii: "/") { name.append(path[index]) }
    if name.isEmpty { return .directory }
    guard ArgumentText.equal(name[...], "index.html") else { return .missing }
    lastSerial += 1
    let snapshot = BooksSnapshot(Books.reader, columns: BooksPage.mapColumns, rows: BooksPage.mapRows)
    let bytes = BooksPage.bytes(snapshot, refreshSeconds: 1)
    pages[place(of: lastSerial)] = Page(serial: lastSerial, bytes: bytes)
    return .file(
      FileExtent(
        start: lastSerial, size: UInt64(bytes.count), modificationTime: Self.firstTime + Int64(clamping: lastSerial)))
  }

  mutating func withBytes<Outcome>(
    of file: FileExtent, at offset: UInt64, atMost count: Int, stream: inout ReadStream,
    _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome> {
    let page = pages[place(of: file.start)]
    guard page.serial == file.start, offset < UInt64(page.bytes.count), count > 0 else {
      return .failed(.beyondEnd(byteCount: UInt64(page.bytes.count)))
    }
    let first = Int(truncatingIfNeeded: offset)
    return .done(body(page.bytes.span.extracting(first..<min(page.bytes.count, first + count))))
  }

  private func place(of serial: UInt64) -> Int { Int(truncatingIfNeeded: serial % UInt64(Self.mostPages)) }
}
