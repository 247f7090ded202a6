import SystemPackage

/// One request to a disk, from its parsing to its completion. It is the device thread's but while a `DiskWorker`
/// executes it.
final class DiskOperation {
  /// Its number among the operations of its device.
  let tag: UInt64
  /// The driver's buffers.
  let chain = DescriptorChain()
  /// Where the driver is told what became of it.
  var status: SharedByte?
  /// What is asked for.
  var request = BlockRequest.flush
  /// What the driver is told was written, on top of the status byte.
  var byteCount = 0
  /// Where the rest of a read or write goes on, in bytes.
  var position: Int64 = 0

  init(tag: UInt64) { self.tag = tag }

  /// Does it, or what is left of it, on the calling thread; `isDurable` asks that writes are stable behind it. Touches
  /// nothing of the device. Throws why the host refused.
  func execute(on image: any DiskStorage, isDurable: Bool) throws(Errno) {
    switch request {
    case .read:
      try image.transfer(chain.writable, at: position, isWrite: false)
    case .write:
      try image.transfer(chain.readable, at: position, isWrite: true)
      if isDurable { try image.flush() }
    case .flush:
      try image.flush()
    case .discard(let ranges):
      // Where the host cannot free the range nothing happens: a discard is a hint.
      for range in ranges { _ = try image.punch(at: range.offset, byteCount: range.byteCount) }
    case .writeZeroes(let ranges):
      for range in ranges {
        if range.mayFree, try image.punch(at: range.offset, byteCount: range.byteCount) { continue }
        try image.zero(at: range.offset, byteCount: range.byteCount)
      }
      if isDurable { try image.flush() }
    case .identify, .refuse:
      break
    }
  }
}
