import CLinux
import VirtioLayout

/// The entropy source (VIRTIO 1.3, section 5.4): fills the driver's buffers with random bytes of the host's.
public final class VirtioEntropyDevice: VirtioDevice, @unchecked Sendable {
  /// Most bytes that one request gets; a longer buffer is filled in part, which the specification allows.
  public static let maximumByteCount = 4096
  /// Requests served before other devices have their turn.
  private static let batch = 16

  private var session: VirtioSession?
  private let chain = DescriptorChain()

  /// An entropy source fed by getrandom(2).
  public init() {}

  /// `VirtioDeviceID.entropy`.
  public var deviceID: UInt32 { VirtioDeviceID.entropy }
  /// "entropy".
  public var name: String { "entropy" }
  /// None.
  public var features: VirtioFeatures { .none }
  /// One queue.
  public var queueSizes: [UInt16] { [64] }
  /// None.
  public var configuration: [UInt8] { [] }

  /// Takes the driver's queue.
  public func start(_ session: VirtioSession) {
    self.session = session
  }

  /// Lets go of it.
  public func stop() {
    session = nil
  }

  /// Fills the buffers that wait.
  public func process(queue index: Int) throws(VirtqueueError) {
    guard let session, let queue = session.queues[index] else { return }
    var budget = Self.batch
    repeat {
      queue.disableNotifications()
      while try queue.pop(into: chain) {
        guard !chain.writable.isEmpty, chain.readable.isEmpty else {
          throw .malformedRequest("entropy wants device-writable buffers only")
        }
        queue.push(head: chain.head, byteCount: fill(chain.writable))
        budget -= 1
        if budget == 0 {
          session.complete(queue)
          return session.processAgain(queue: index)
        }
      }
      session.complete(queue)
    } while try queue.enableNotifications()
  }

  private func fill(_ list: ScatterList) -> Int {
    list.removeLast(max(0, list.byteCount - Self.maximumByteCount))
    var done = 0
    // Safe: the pieces are checked guest memory; the call writes no more than their lengths.
    for index in 0..<list.count {
      let vector = unsafe list.vectors[index]
      let count = unsafe linux_getrandom(vector.iov_base, vector.iov_len)
      guard count > 0 else { break }
      done += count
      if unsafe count < vector.iov_len { break }
    }
    return done
  }
}
