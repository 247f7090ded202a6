import ExokernelABI

@testable import ExokernelCore

// What tests of taking by force need.
extension World {
  /// Chores within which the kernel takes what one request asks for: see the kernel's README.
  func bound(_ victim: UInt32) -> Int { Int(kernel.environments[victim].frames) / 16 + 9 * tables() + 32 }

  /// Chores within which an ended environment's record is free.
  func reaperBound(_ ended: UInt32) -> Int { Int(kernel.environments[ended].frames) / 2 + 4 * tables() + 16 }

  private func tables() -> Int {
    (0..<kernel.frames.count).count { kernel.frames[$0].kind == FrameKind.pageTable.rawValue }
  }

  /// Chores until the kernel has nothing to take from `victim` any more, `act` between them; nil where it takes more
  /// than `limit`.
  func chores(_ victim: UInt32, limit: Int, _ act: () throws -> Void) rethrows -> Int? {
    for count in 0...limit {
      if kernel.kernelPrivate.value.asked >> UInt64(victim) & 1 == 0 { return count }
      _ = kernel.doChores()
      try act()
    }
    return nil
  }

  /// What an environment was told, the last `EnvironmentPage.repossessionCapacity` entries at most.
  func told(_ environment: UInt32) -> [Repossession] {
    let place = pageAddress(environment) + EnvironmentPage.repossessionOffset
    let count = page(environment).repossessed
    return ((count > 64 ? count - 64 : 0)..<count).map { machine.get(place + $0 % 64 * 16) }
  }

  /// Memory of its own on an environment's list, large frames as 512.
  func memory(_ environment: UInt32) -> Int {
    var frame = kernel.environments[environment].firstFrame
    var count = 0
    while frame != 0 {
      let kind = kernel.frames[frame].kind
      if kind == FrameKind.memory.rawValue { count += 1 }
      if kind == FrameKind.large.rawValue { count += 512 }
      frame = kernel.frames[frame].next
    }
    return count
  }
}
