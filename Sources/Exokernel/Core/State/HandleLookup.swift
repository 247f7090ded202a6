import ExokernelABI

/// A record that programs name by a handle: its number in the table and a generation, so that a handle is never valid
/// for the record's next use.
protocol HandledRecord: BitwiseCopyable {
  /// Number of times the record has been used; see `Handle`.
  var generation: UInt32 { get }
  /// True where the record is somebody's, and handles may name it.
  var isInUse: Bool { get }
  /// True where the record may be used once more. Between two uses there may be a time in which it is neither.
  var isFree: Bool { get }
  /// True where `handle`, whose number leads to this record, is of its present generation.
  func isNamed(by handle: UInt64) -> Bool
}

extension HandledRecord {
  @inline(__always) func isNamed(by handle: UInt64) -> Bool { UInt64(generation) == Handle.generation(handle) }
  @inline(__always) var isFree: Bool { !isInUse }
}

extension Table where Record: HandledRecord {
  /// The number of the record that `handle` names; nil where it names none, or an earlier use of one.
  @inline(__always) func index(of handle: UInt64) -> UInt32? {
    let index = Handle.index(handle)
    guard index < count else { return nil }
    let record = cell(at: index)
    guard record.value.isNamed(by: handle), record.value.isInUse else { return nil }
    return index
  }

  /// The first record that may be used once more; nil where there is none. Bounded by the table.
  func firstFree() -> UInt32? {
    for index in 0..<count where self[index].isFree && self[index].generation < Handle.generations { return index }
    return nil
  }
}

extension RegionRecord: HandledRecord {
  @inline(__always) var isInUse: Bool { ownerPlusOne != 0 }
}

extension FilterRecord: HandledRecord {
  @inline(__always) var isInUse: Bool { ownerPlusOne != 0 }
}

extension ExtentRecord: HandledRecord {
  @inline(__always) var isInUse: Bool { count != 0 }
  /// What is in flight still ends.
  @inline(__always) var isFree: Bool { count == 0 && inFlight == 0 }
}

extension EnvironmentRecord: HandledRecord {
  /// The record has its whole handle, so one comparison does.
  @inline(__always) func isNamed(by handle: UInt64) -> Bool { self.handle == handle }
  /// True for an environment that was created and has not ended.
  @inline(__always) var isInUse: Bool {
    state != EnvironmentState.free.rawValue && state != EnvironmentState.ended.rawValue
  }
  /// An ended one is not free before its last frame has gone back.
  @inline(__always) var isFree: Bool { state == EnvironmentState.free.rawValue }
}
