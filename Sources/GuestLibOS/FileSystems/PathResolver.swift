/// Walks paths through an archive's index, links included. Keeps its working memory between walks, so that a walk
/// allocates nothing once the longest path was seen.
struct PathResolver {
  /// The components walked so far, no link among them.
  private var walked: [UInt8] = []
  /// The components still to walk start at the cursor.
  private var pending: [UInt8] = []
  private var spare: [UInt8] = []

  /// Most links followed on one walk, as in other systems (POSIX asks for 8 at least).
  private static let linkLimit = 40
  /// Longest path taken, links put in.
  private static let lengthLimit = 8192

  init(reserving length: Int) {
    walked.reserveCapacity(length)
    pending.reserveCapacity(length)
    spare.reserveCapacity(length)
  }

  mutating func resolve(_ path: Span<UInt8>, in index: borrowing ArchiveIndex) -> PathLookup {
    guard Self.isWellFormed(path) else { return .missing }
    walked.removeAll(keepingCapacity: true)
    pending.removeAll(keepingCapacity: true)
    for position in path.indices { pending.append(path[position]) }
    var cursor = 0
    var links = 0

    while cursor < pending.count {
      let end = Bytes.endOfComponent(in: pending.span, from: cursor)
      let component = cursor..<end
      cursor = min(end + 1, pending.count)
      if component.isEmpty || Bytes.isDot(pending.span.extracting(component)) { continue }
      if Bytes.isDotDot(pending.span.extracting(component)) {
        // Only a link's target has these: a path with `..` was refused.
        guard !walked.isEmpty else { return .brokenLink }
        dropLastComponent()
        continue
      }
      let mark = walked.count
      if mark > 0 { walked.append(Bytes.slash) }
      for position in component { walked.append(pending[position]) }

      guard let entry = index.entry(at: walked.span) else {
        guard index.hasMembers(below: walked.span) else { return links == 0 ? .missing : .brokenLink }
        continue
      }
      switch entry.kind {
      case .directory:
        continue
      case .file:
        return isDone(cursor) ? .file(entry.extent) : .missing
      case .hardLink:
        guard isDone(cursor) else { return .missing }
        return Self.follow(entry, in: index)
      case .symbolicLink:
        links += 1
        walked.removeLast(walked.count - mark)
        guard links <= Self.linkLimit, replaceWalked(by: entry, cursor: cursor, in: index) else { return .brokenLink }
        cursor = 0
      }
    }
    return .directory
  }

  /// True when nothing but slashes and dots is left to walk.
  private func isDone(_ cursor: Int) -> Bool {
    var start = cursor
    while start < pending.count {
      let end = Bytes.endOfComponent(in: pending.span, from: start)
      let component = pending.span.extracting(start..<end)
      guard component.isEmpty || Bytes.isDot(component) else { return false }
      start = end + 1
    }
    return true
  }

  /// Puts the target of a symbolic link in front of what is left to walk; false when it cannot lead into the archive.
  private mutating func replaceWalked(by link: ArchiveEntry, cursor: Int, in index: borrowing ArchiveIndex) -> Bool {
    spare.removeAll(keepingCapacity: true)
    index.appendTarget(of: link, to: &spare)
    // An absolute target means a place on the machine where the archive was made.
    guard let first = spare.first, first != Bytes.slash, spare.count + pending.count - cursor < Self.lengthLimit else {
      return false
    }
    spare.append(Bytes.slash)
    for position in cursor..<pending.count { spare.append(pending[position]) }
    swap(&spare, &pending)
    return true
  }

  /// The file behind a chain of hard links.
  private static func follow(_ link: ArchiveEntry, in index: borrowing ArchiveIndex) -> PathLookup {
    var entry = link
    for _ in 0..<linkLimit {
      guard let target = index.target(ofHardLink: entry) else { return .brokenLink }
      switch target.kind {
      case .file: return .file(target.extent)
      case .hardLink: entry = target
      case .directory, .symbolicLink: return .brokenLink
      }
    }
    return .brokenLink
  }

  private mutating func dropLastComponent() {
    while let last = walked.popLast(), last != Bytes.slash {}
  }

  private static func isWellFormed(_ path: Span<UInt8>) -> Bool {
    guard path.count <= lengthLimit else { return false }
    var start = 0
    while start < path.count {
      let end = Bytes.endOfComponent(in: path, from: start)
      if Bytes.isDotDot(path.extracting(start..<end)) { return false }
      for position in start..<end where path[position] == 0 { return false }
      start = end + 1
    }
    return true
  }
}
