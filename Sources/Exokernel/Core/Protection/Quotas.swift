import ExokernelABI

// What an environment may own. `used` counts what it owns and what it has given to the environments that it made; so no sum of what
// environments own is ever above what the first of them may own.
extension Kernel {
  /// True where environment `index` may own `amount` more of a kind.
  @inline(__always) func hasRoom(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) -> Bool {
    let quota = environments[index].quotas[Int(truncatingIfNeeded: kind.rawValue)]
    return quota.used <= quota.limit && amount <= quota.limit &- quota.used
  }

  /// Counts `amount` more of a kind as environment `index`'s.
  @inline(__always) func charge(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) {
    environments[index].quotas[Int(truncatingIfNeeded: kind.rawValue)].used &+= amount
  }

  /// Counts `amount` of a kind as gone.
  @inline(__always) func discharge(_ index: UInt32, _ kind: ResourceKind, _ amount: UInt32 = 1) {
    environments[index].quotas[Int(truncatingIfNeeded: kind.rawValue)].used &-= amount
  }
}
