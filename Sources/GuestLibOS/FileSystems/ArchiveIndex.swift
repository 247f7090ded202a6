/// One member of an archive as the index keeps it.
struct ArchiveEntry {
  enum Kind: UInt8 {
    case file
    case directory
    case hardLink
    case symbolicLink
  }

  var kind: Kind
  /// Bytes of the index's names that are the path, without leading and trailing slashes.
  var path: Range<UInt32>
  /// Bytes of the index's names that are the link's target.
  var target: Range<UInt32>
  /// Place in the archive: of several members of one path the last counts.
  var sequence: UInt32
  /// Byte offset of the data.
  var start: UInt64
  var size: UInt64
  var modificationTime: Int64

  var pathRange: Range<Int> { Int(path.lowerBound)..<Int(path.upperBound) }
  var targetRange: Range<Int> { Int(target.lowerBound)..<Int(target.upperBound) }
  var extent: FileExtent { FileExtent(start: start, size: size, modificationTime: modificationTime) }
}

/// The members of an archive, sorted by path. Filled member by member, sorted in bounded steps, then searched.
struct ArchiveIndex {
  private(set) var entries: [ArchiveEntry] = []
  private var names: [UInt8] = []
  private let limits: ArchiveLimits

  /// How far the heap sort is: making a heap of all entries, then taking the largest off, one at a step.
  private var nextToHeap = 0
  private var unsorted = 0

  init(limits: ArchiveLimits) { self.limits = limits }

  // MARK: - Filling

  /// Adds a member; a member whose path is the root itself is passed over.
  mutating func add(
    _ kind: ArchiveEntry.Kind, path: Span<UInt8>, target: Span<UInt8>, start: UInt64, size: UInt64,
    modificationTime: Int64
  ) throws(UstarProblem) {
    guard !path.isEmpty else { throw .emptyPath }
    guard path.count <= limits.pathLength, target.count <= limits.pathLength else {
      throw .pathTooLong(limit: limits.pathLength)
    }
    let mark = names.count
    try appendNormalized(path)
    guard names.count > mark else { return }
    let targetMark = names.count
    switch kind {
    case .hardLink:
      guard !target.isEmpty else { throw .emptyPath }
      try appendNormalized(target)
    case .symbolicLink:
      guard !target.isEmpty else { throw .emptyPath }
      for index in target.indices { names.append(target[index]) }
    case .file, .directory: break
    }
    guard entries.count < limits.members else { throw .tooManyMembers(limit: limits.members) }
    guard names.count <= limits.nameBytes else { throw .namesTooLarge(limit: limits.nameBytes) }
    entries.append(
      ArchiveEntry(
        kind: kind, path: UInt32(mark)..<UInt32(targetMark), target: UInt32(targetMark)..<UInt32(names.count),
        sequence: UInt32(entries.count), start: start, size: size, modificationTime: modificationTime))
  }

  /// Appends `path` to the names, its components joined by single slashes, without `.` and empty ones.
  private mutating func appendNormalized(_ path: Span<UInt8>) throws(UstarProblem) {
    let mark = names.count
    var start = 0
    while start < path.count {
      let end = Bytes.endOfComponent(in: path, from: start)
      let component = path.extracting(start..<end)
      start = end + 1
      if component.isEmpty || Bytes.isDot(component) { continue }
      if Bytes.isDotDot(component) { throw .pathLeavesArchive }
      if names.count > mark { names.append(Bytes.slash) }
      for index in component.indices { names.append(component[index]) }
    }
  }

  // MARK: - Sorting

  /// Begins to sort what was added.
  mutating func beginSort() {
    nextToHeap = entries.count / 2
    unsorted = entries.count
  }

  /// Sorts on for `steps` steps of O(log n) each; true when all is sorted.
  mutating func sort(steps: Int) -> Bool {
    for _ in 0..<steps {
      if nextToHeap > 0 {
        nextToHeap -= 1
        siftDown(nextToHeap, count: unsorted)
      } else if unsorted > 1 {
        unsorted -= 1
        entries.swapAt(0, unsorted)
        siftDown(0, count: unsorted)
      } else {
        return true
      }
    }
    return nextToHeap == 0 && unsorted <= 1
  }

  private mutating func siftDown(_ start: Int, count: Int) {
    var parent = start
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, isBefore(child, child + 1) { child += 1 }
      guard isBefore(parent, child) else { return }
      entries.swapAt(parent, child)
      parent = child
    }
  }

  private func isBefore(_ left: Int, _ right: Int) -> Bool {
    let order = Bytes.compare(
      names.span.extracting(entries[left].pathRange), names.span.extracting(entries[right].pathRange))
    return order != 0 ? order < 0 : entries[left].sequence < entries[right].sequence
  }

  // MARK: - Searching

  /// Appends the link target of `entry` to `bytes`.
  func appendTarget(of entry: ArchiveEntry, to bytes: inout [UInt8]) {
    for index in entry.targetRange { bytes.append(names[index]) }
  }

  /// The member that a hard link names.
  func target(ofHardLink entry: ArchiveEntry) -> ArchiveEntry? {
    self.entry(at: names.span.extracting(entry.targetRange))
  }

  /// The last member whose path is `path`, in normal form.
  func entry(at path: Span<UInt8>) -> ArchiveEntry? {
    // The first entry behind `path`; the one before it is the last of that path, if there is one.
    let index = partition { Bytes.compare(names.span.extracting($0.pathRange), path) <= 0 }
    guard index > 0, Bytes.compare(names.span.extracting(entries[index - 1].pathRange), path) == 0 else { return nil }
    return entries[index - 1]
  }

  /// True when a member lies below `path`: then it is a directory even if no member says so.
  func hasMembers(below path: Span<UInt8>) -> Bool {
    // The first entry at or behind "path/": all below it begin so and follow each other.
    let index = partition { Self.compare(names.span.extracting($0.pathRange), toDirectory: path) < 0 }
    guard index < entries.count else { return false }
    let found = names.span.extracting(entries[index].pathRange)
    return found.count > path.count && found[path.count] == Bytes.slash
      && Bytes.compare(found.extracting(0..<path.count), path) == 0
  }

  /// The number of entries, from the first on, for which `isBefore` holds.
  private func partition(_ isBefore: (ArchiveEntry) -> Bool) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(entries[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Compares `left` with `right` followed by a slash.
  private static func compare(_ left: Span<UInt8>, toDirectory right: Span<UInt8>) -> Int {
    guard left.count > right.count else {
      let order = Bytes.compare(left, right)
      return order == 0 ? -1 : order
    }
    let order = Bytes.compare(left.extracting(0..<right.count), right)
    if order != 0 { return order }
    return left[right.count] == Bytes.slash ? left.count - right.count - 1 : Int(left[right.count]) - Int(Bytes.slash)
  }
}
