/// Kinds of resources that quotas limit.
public enum ResourceKind: UInt64, Sendable {
  /// Frames, page tables among them; a large one counts as 512.
  case frames = 0
  /// Positions of slice vectors.
  case slices = 1
  /// Packet filters.
  case filters = 2
  /// Extents of disks.
  case extents = 3
  /// Environments.
  case environments = 4
  /// Regions.
  case regions = 5

  /// Number of kinds.
  @inlinable public static var count: Int { 6 }
  /// Does something for every kind, in the order of their numbers. Not a sequence, for those can make arrays, which
  /// need a heap.
  @inlinable @inline(__always)
  public static func forEach<Failure>(_ body: (ResourceKind) throws(Failure) -> Void) throws(Failure) {
    try body(.frames)
    try body(.slices)
    try body(.filters)
    try body(.extents)
    try body(.environments)
    try body(.regions)
  }
}

/// One value for each `ResourceKind`, in the order of their numbers.
@frozen public struct PerResource<Value: BitwiseCopyable & Sendable>: BitwiseCopyable, Sendable {
  /// The values by the numbers of the kinds.
  public var values: InlineArray<6, Value>

  /// The same value for all.
  @inlinable public init(repeating value: Value) { values = .init(repeating: value) }

  /// The value of a kind.
  @inlinable public subscript(kind: ResourceKind) -> Value {
    @inline(__always) get { values[Int(truncatingIfNeeded: kind.rawValue)] }
    @inline(__always) set { values[Int(truncatingIfNeeded: kind.rawValue)] = newValue }
  }
}

/// Amounts of resources.
public typealias Quotas = PerResource<UInt32>

extension PerResource where Value == UInt32 {
  /// So many of each kind.
  @inlinable public init(
    frames: UInt32 = 0, slices: UInt32 = 0, filters: UInt32 = 0, extents: UInt32 = 0, environments: UInt32 = 0,
    regions: UInt32 = 0
  ) {
    values = [frames, slices, filters, extents, environments, regions]
  }
}

/// How many resources of a kind an environment may own, and owns.
@frozen public struct Quota: BitwiseCopyable, Sendable {
  /// The most it may own.
  public var limit: UInt32
  /// What it owns, with what it has given to those that it made.
  public var used: UInt32

  /// A quota.
  @inline(__always) public init(limit: UInt32, used: UInt32) {
    self.limit = limit
    self.used = used
  }
}
