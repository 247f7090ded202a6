import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How packets get into the driver's receive buffers: chains are taken off the queue ahead of need, each packet takes
/// as many of them as it fills (one without mergeable buffers), the rest wait for the next.
///
/// A packet read straight into the buffers may turn out larger than they are: the host read its end into `spill`, so
/// that it can wait here until there are more. The device's lock is held for every call.
@safe struct NetworkReceivePath {
  /// A chain taken off the queue.
  private struct Chain {
    let head: UInt16
    let vectorCount: Int
    let byteCount: Int
  }

  /// A packet that the host gave and the driver has no room for yet.
  private struct Packet {
    let header: VirtioNetwork.Header
    let frame: [UInt8]
  }

  /// The back end was told that there are no buffers, and the driver rings the doorbell for the next.
  var isWaiting = false

  /// Pieces of a chain, and pieces at which no more chains are taken: two chains, header and spill fit one call of the
  /// host.
  private static let maximumVectorCount = ScatterList.maximumCount / 2

  private var features = VirtioFeatures.none
  private var largestFrame = 0
  private var chains: [Chain] = []
  /// The pieces of all `chains`, in order.
  private var vectors: [iovec] = unsafe []
  private var byteCount = 0
  private var pending: Packet?
  private let scratch = DescriptorChain()
  private var list: [iovec] = unsafe []
  private var headerBytes = [UInt8](repeating: 0, count: VirtioNetwork.Header.byteCount)
  /// As large as the largest packet; made when first used.
  private var spill: [UInt8] = []

  private var isMergeable: Bool { features.contains(.networkMergeableBuffers) }

  mutating func start(features: VirtioFeatures, maximumTransmissionUnit: UInt16?) {
    self.features = features
    let isLarge = features.contains(.networkGuestTSO4) || features.contains(.networkGuestTSO6)
    let mtu = Int(maximumTransmissionUnit ?? 1500)
    // Four bytes more for a VLAN tag.
    largestFrame = isLarge ? VirtioNetwork.largeFrameByteCount : 14 + 4 + mtu
  }

  mutating func stop() {
    isWaiting = false
    forget()
  }

  private mutating func forget() {
    chains.removeAll()
    unsafe vectors.removeAll()
    byteCount = 0
    pending = nil
  }

  // MARK: Buffers

  /// Takes chains until they have `wanted` bytes together, or the driver has no more. Without mergeable buffers one
  /// will do.
  private mutating func prepare(_ wanted: Int, from queue: Virtqueue) throws(VirtqueueError) {
    while isMergeable ? byteCount < wanted : chains.isEmpty {
      guard !isFull(queue), try queue.pop(into: scratch) else { return }
      guard scratch.readable.isEmpty else {
        throw .malformedRequest("device-readable buffer in the receive queue")
      }
      guard scratch.writable.byteCount >= VirtioNetwork.Header.byteCount else {
        throw .malformedRequest("receive buffer without room for a header of 12 bytes")
      }
      guard scratch.writable.count <= Self.maximumVectorCount else {
        throw .tooManyBuffers(maximum: Self.maximumVectorCount)
      }
      chains.append(
        Chain(head: scratch.head, vectorCount: scratch.writable.count, byteCount: scratch.writable.byteCount))
      unsafe vectors.append(contentsOf: scratch.writable.vectors)
      byteCount += scratch.writable.byteCount
    }
  }

  /// No more chains can be taken before a packet uses some up.
  private func isFull(_ queue: Virtqueue) -> Bool {
    unsafe chains.count >= Int(queue.size) || vectors.count >= Self.maximumVectorCount
  }

  /// Whether `wanted` bytes fit what is prepared.
  private func hasRoom(for wanted: Int) -> Bool {
    isMergeable ? byteCount >= wanted : chains.first.map { $0.byteCount >= wanted } ?? false
  }

  /// What to say about a packet of `wanted` bytes that does not fit, or nil to try again.
  private mutating func outcomeWithoutRoom(for wanted: Int, in queue: Virtqueue) throws(VirtqueueError)
    -> ReceiveOutcome?
  {
    if chains.isEmpty || isMergeable {
      if isFull(queue) { return .dropped }
      isWaiting = try !queue.enableNotifications()
      if isWaiting { return .noBuffers }
      // Buffers came in meanwhile: try again.
      queue.disableNotifications()
      return nil
    }
    return .dropped
  }

  /// Gives the driver the packet of `length` bytes, header included, that is in the prepared chains but for its header.
  private mutating func finish(_ header: VirtioNetwork.Header, length: Int, to queue: Virtqueue) {
    var used = 0
    var usedVectors = 0
    var rest = length
    while rest > 0, used < chains.count {
      let chain = chains[used]
      let part = min(rest, chain.byteCount)
      queue.push(head: chain.head, byteCount: part)
      rest -= part
      byteCount -= chain.byteCount
      usedVectors += chain.vectorCount
      used += 1
    }
    var header = header
    header.flags &= visibleFlags
    header.bufferCount = UInt16(truncatingIfNeeded: used)
    // Safe: the pieces are checked guest memory, and the first chain has at least the header's 12 bytes.
    unsafe withUnsafeBytes(of: header) { bytes in unsafe store(bytes, at: 0) }
    queue.publish()
    chains.removeFirst(used)
    unsafe vectors.removeFirst(usedVectors)
  }

  /// Copies `bytes` to the prepared chains, `offset` bytes from their start, as far as they go.
  private func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    var skip = offset
    var done = 0
    var index = 0
    // Safe: each part is inside its piece, which is checked guest memory, and inside `bytes`.
    while done < bytes.count, unsafe index < vectors.count {
      let piece = unsafe UnsafeMutableRawBufferPointer(start: vectors[index].iov_base, count: vectors[index].iov_len)
      index += 1
      if skip >= piece.count {
        skip -= piece.count
        continue
      }
      let part = min(piece.count - skip, bytes.count - done)
      unsafe UnsafeMutableRawBufferPointer(rebasing: piece[skip..<skip + part]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + part]))
      done += part
      skip = 0
    }
  }

  /// Flags that the driver may see. "Data valid" is no more than a remark, which hosts make unasked: it is taken off
  /// for a driver without checksum offload.
  private var visibleFlags: UInt8 {
    features.contains(.networkGuestChecksum) ? VirtioNetwork.Flag.needsChecksum | VirtioNetwork.Flag.dataValid : 0
  }

  /// Whether the driver agreed to such packets.
  private func accepts(_ header: VirtioNetwork.Header, frameByteCount: Int) -> Bool {
    frameByteCount >= 14
      && header.isConsistent(
        byteCount: frameByteCount, checksum: features.contains(.networkGuestChecksum),
        tso4: features.contains(.networkGuestTSO4), tso6: features.contains(.networkGuestTSO6))
  }

  // MARK: Packets

  /// Copies a packet to the driver.
  mutating func deliver(
    header: VirtioNetwork.Header, frame: RawSpan, to queue: Virtqueue
  ) throws(VirtqueueError) -> ReceiveOutcome {
    guard try deliverPending(to: queue) else { return .noBuffers }
    return try copy(header: header, frame: frame, to: queue)
  }

  private mutating func copy(
    header: VirtioNetwork.Header, frame: RawSpan, to queue: Virtqueue
  ) throws(VirtqueueError) -> ReceiveOutcome {
    guard frame.byteCount <= largestFrame, accepts(header, frameByteCount: frame.byteCount) else { return .dropped }
    let length = VirtioNetwork.Header.byteCount + frame.byteCount
    while true {
      try prepare(length, from: queue)
      if hasRoom(for: length) { break }
      if let outcome = try outcomeWithoutRoom(for: length, in: queue) { return outcome }
    }
    // Safe: the bytes are used during the call only.
    unsafe frame.withUnsafeBytes { bytes in unsafe store(bytes, at: VirtioNetwork.Header.byteCount) }
    finish(header, length: length, to: queue)
    return .delivered
  }

  /// Delivers the packet that waits here, if there is one; false while it still has to wait.
  private mutating func deliverPending(to queue: Virtqueue) throws(VirtqueueError) -> Bool {
    guard let packet = pending else { return true }
    // Safe: the span is of an array that is not touched meanwhile.
    let outcome = try unsafe copy(header: packet.header, frame: packet.frame.span.bytes, to: queue)
    if outcome == .noBuffers { return false }
    pending = nil
    return true
  }

  /// Has the host put a packet into the driver's buffers.
  mutating func receive(
    from read: (borrowing ReceiveBuffers) -> Int, to queue: Virtqueue
  ) throws(VirtqueueError) -> ReceiveOutcome {
    guard try deliverPending(to: queue) else { return .noBuffers }
    let headerLength = VirtioNetwork.Header.byteCount
    try prepare(headerLength + largestFrame, from: queue)
    while chains.isEmpty {
      if let outcome = try outcomeWithoutRoom(for: headerLength, in: queue) { return outcome }
      try prepare(headerLength + largestFrame, from: queue)
    }
    if spill.isEmpty { spill = [UInt8](repeating: 0, count: VirtioNetwork.largeFrameByteCount) }
    let room = isMergeable ? byteCount : chains[0].byteCount
    let count = readPacket(read, roomVectorCount: unsafe isMergeable ? vectors.count : chains[0].vectorCount)
    guard count > 0 else { return .noPacket }
    let length = min(count, headerLength + VirtioNetwork.largeFrameByteCount)
    // Safe: twelve bytes are read from an array of twelve.
    let header = unsafe headerBytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: VirtioNetwork.Header.self) }
    guard length - headerLength <= largestFrame, accepts(header, frameByteCount: length - headerLength) else {
      return .dropped
    }
    if length <= room {
      finish(header, length: length, to: queue)
      return .delivered
    }
    guard isMergeable else { return .dropped }
    pending = Packet(header: header, frame: gather(length - headerLength))
    return try deliverPending(to: queue) ? .delivered : .noBuffers
  }

  private mutating func readPacket(_ read: (borrowing ReceiveBuffers) -> Int, roomVectorCount: Int) -> Int {
    let headerLength = VirtioNetwork.Header.byteCount
    // Safe: the arrays live and stay in place until the call returns; the pieces are checked guest memory. The first
    // chain's first 12 bytes are passed over: the header goes to `headerBytes` and is stored there when its last field
    // is known.
    return unsafe headerBytes.withUnsafeMutableBytes { header in
      unsafe spill.withUnsafeMutableBytes { spill in
        unsafe list.removeAll(keepingCapacity: true)
        unsafe list.append(iovec(iov_base: header.baseAddress, iov_len: headerLength))
        var skip = headerLength
        for index in 0..<roomVectorCount {
          let (start, length) = unsafe (vectors[index].iov_base, vectors[index].iov_len)
          let part = min(skip, length)
          skip -= part
          if part < length { unsafe list.append(iovec(iov_base: start! + part, iov_len: length - part)) }
        }
        unsafe list.append(iovec(iov_base: spill.baseAddress, iov_len: spill.count))
        return unsafe list.withUnsafeMutableBufferPointer { list in
          unsafe read(ReceiveBuffers(vectors: list))
        }
      }
    }
  }

  /// The frame that was just read: what is in the driver's buffers, then the spill.
  private func gather(_ count: Int) -> [UInt8] {
    var frame: [UInt8] = []
    frame.reserveCapacity(count)
    // Safe: the list's pieces were just handed to the host and are still in place; the first is the header, the last
    // the spill.
    for index in unsafe 1..<list.count - 1 {
      let piece = unsafe list[index]
      unsafe frame.append(contentsOf: UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len))
    }
    frame.append(contentsOf: spill.prefix(max(0, count - frame.count)))
    return frame
  }
}
