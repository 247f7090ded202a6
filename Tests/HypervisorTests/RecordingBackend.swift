import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A back end that keeps what it is told. One thread.
final class RecordingBackend: NetworkBackend, @unchecked Sendable {
  struct Packet: Equatable {
    var header: VirtioNetwork.Header
    var frame: [UInt8]
  }

  let offloads: VirtioFeatures
  let maximumTransmissionUnit: UInt16?
  var receiver: (any NetworkReceiver)?
  var features = VirtioFeatures.none
  var startCount = 0
  var stopCount = 0
  var availableCount = 0
  var packets: [Packet] = []
  /// How many frames are taken before the back end is busy.
  var capacity = Int.max
  /// Called for each frame that is sent.
  var answer: ((Packet) -> Void)?

  init(offloads: VirtioFeatures = .none, maximumTransmissionUnit: UInt16? = nil) {
    self.offloads = offloads
    self.maximumTransmissionUnit = maximumTransmissionUnit
  }

  func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    startCount += 1
    self.receiver = receiver
    self.features = features
  }

  func stop() {
    stopCount += 1
    receiver = nil
  }

  func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard capacity > 0 else { return .busy }
    capacity -= 1
    var frame: [UInt8] = []
    packet.appendFrame(to: &frame)
    // What writev would send must be the same.
    let prefix: [UInt8] = [1, 2, 3]
    let gathered = prefix.withUnsafeBytes { prefix in
      packet.withVectors(prefix: prefix) { vectors in
        vectors.flatMap { Array(UnsafeRawBufferPointer(start: $0.iov_base, count: $0.iov_len)) }
      }
    }
    #expect(gathered == [1, 2, 3] + frame && frame.count == packet.byteCount)
    packets.append(Packet(header: packet.header, frame: frame))
    answer?(packets[packets.count - 1])
    return .done
  }

  func receiveBuffersAvailable() { availableCount += 1 }
}

/// Everything that a card with checksum and segmentation offload has.
let allOffloads: VirtioFeatures =
  .networkChecksum | .networkHostTSO4 | .networkGuestChecksum | .networkGuestTSO4
