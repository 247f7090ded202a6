import ExokernelABI

// What an environment may own. `used` counts what it owns and what it has given to the environments that it made; so no
// sum of what environments own is ever above what the first of them may own.
extension Quotas {
  /// All that there is of each kind on any machine: as many as the books have records. Frames and positions of slice
  /// vectors depend on the machine, and are 0 here.
  static var machine: Quotas {
    Quotas(
      frames: 0, slices: 0, filters: UInt32(BooksLayout.filters), extents: UInt32(BooksLayout.extents),
      environments: UInt32(BooksLayout.environments), regions: UInt32(BooksLayout.regions))
  }
}

extension Kernel {
  /// True where environment `index` may own `amount` more of a kind.
  @inline(__always) func hasRoom(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) -> Bool {
    let quota = environments[index].quotas[kind]
    return quota.used <= quota.limit && amount <= quota.limit &- quota.used
  }

  /// Counts `amount` more of a kind as environment `index`'s.
  @inline(__always) func charge(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) {
    environments[index].quotas[kind].used &+= amount
  }

  /// Counts `amount` of a kind as gone.
  @inline(__always) func discharge(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) {
    environments[index].quotas[kind].used &-= amount
  }
}
