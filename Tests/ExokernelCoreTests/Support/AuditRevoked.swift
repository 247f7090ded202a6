import ExokernelABI

@testable import ExokernelCore

// Frames that are taken by force.
extension Audit {
  /// Revoked frames are those that a request has chosen, or an ended environment's, and nothing but a device pins them;
  /// requests know how many they are; nobody gets frames while the kernel chooses.
  mutating func checkRevoked() {
    var revoked = [UInt32](repeating: 0, count: all.count)
    for frame in Int(header.firstFrame)..<Int(header.frameCount) where frames[frame].isRevoked {
      revoked[Int(frames[frame].owner)] += 1
    }
    for environment in all where isAlive(environment) {
      let bit: UInt64 = 1 << UInt64(environment)
      let request = world.kernel.revocations[UInt32(environment)]
      var expected = own.asked & bit == 0 ? 0 : request.chosen
      var isChoosing = false
      if own.asked & bit != 0 {
        if case .choosing = request.stage { isChoosing = true }
        if case .breaking = request.stage {
          isChoosing = true
          expected += 1
        }
      }
      if revoked[environment] != expected {
        faults.append("\(environment) has \(revoked[environment]) revoked frames, told are \(expected)")
      }
      if isChoosing != (own.choosing & bit != 0) { faults.append("\(environment) may get frames: \(!isChoosing)") }
      if own.asked & bit != 0, request.taken > request.count {
        faults.append("\(environment) lost \(request.taken) of \(request.count)")
      }
    }
  }
}
