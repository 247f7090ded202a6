/// Deciding what a connection sends: data as the windows permit, FIN, acknowledgements.
extension ProtocolEngine {
  /// Segments (or large frames) one connection sends before the next has its turn.
  private static var turn: Int { 16 }

  func enqueueOutput(_ c: ControlBlock) {
    if c.isQueuedForOutput || c.state == .closed { return }
    c.isQueuedForOutput = true
    tcp.outputQueue.append(c.index)
  }

  func enqueueAcknowledgment(_ c: ControlBlock) {
    c.mustAcknowledge = true
    enqueueOutput(c)
  }

  func flushConnections() {
    while !linkIsFull, let index = tcp.outputQueue.removeFirst() {
      guard let c = tcp.slots[index] else { continue }
      c.isQueuedForOutput = false
      output(c)
    }
  }

  private func output(_ c: ControlBlock) {
    c.awaitsNeighbor = false  // set again if ARP still holds it up
    switch c.state {
    case .closed: return
    case .synSent: if c.nextToSend == c.initialSequence { sendHandshake(c, .syn) }
    case .synReceived:
      if c.nextToSend == c.initialSequence {
        sendHandshake(c, [.syn, .ack])
      } else if c.mustAcknowledge {
        sendAcknowledgment(c)
      }
    case .established, .finWait1, .closeWait, .closing, .lastAck:
      if c.mustRepeatFirst, !repeatFirstSegment(c) { return }
      sendData(c)
      if c.mustAcknowledge, !c.isQueuedForOutput, !c.awaitsNeighbor { sendAcknowledgment(c) }
      armProbeTimer(c)
    case .finWait2, .timeWait: if c.mustAcknowledge { sendAcknowledgment(c) }
    }
  }

  private func sendHandshake(_ c: ControlBlock, _ flags: SegmentFlags) {
    guard sendSegment(c, sequence: c.initialSequence, flags: flags) else { return }
    if c.highestSent == c.initialSequence {
      c.highestSent = c.initialSequence + 1
      c.measuredEnd = c.highestSent
      c.measuredSince = now
    } else {
      statistics.segmentsRetransmitted &+= 1
      c.measuredEnd = nil
    }
    c.nextToSend = c.initialSequence + 1
    setTimer(&c.retransmitAt, to: now + c.timeout.current)
  }

  /// Sends the first outstanding segment again (fast retransmit, or a partial acknowledgement in recovery).
  private func repeatFirstSegment(_ c: ControlBlock) -> Bool {
    let length = min(c.segmentSize, min(c.sendBuffer.count, c.flight))
    let withFin = c.finSent && length == c.sendBuffer.count && c.flight > length
    guard length > 0 || withFin else {
      c.mustRepeatFirst = false
      return true
    }
    let flags: SegmentFlags = withFin ? [.ack, .fin] : .ack
    guard sendSegment(c, sequence: c.unacknowledged, flags: flags, dataLength: length) else { return false }
    c.mustRepeatFirst = false
    c.measuredEnd = nil
    statistics.segmentsRetransmitted &+= 1
    if c.retransmitAt == .never { setTimer(&c.retransmitAt, to: now + c.timeout.current) }
    return true
  }

  /// Largest payload of one frame.
  private func largestPayload(_ c: ControlBlock) -> Int {
    guard offload.maximumSegmentsPerSend > 1 else { return c.segmentSize }
    let largest = 65_535 - IPv4Header.length - Segment.headerLength
    return max(1, min(offload.maximumSegmentsPerSend, largest / c.segmentSize)) * c.segmentSize
  }

  private func sendData(_ c: ControlBlock) {
    if c.flight == 0, c.sendBuffer.count > 0, now > c.lastSent + c.timeout.current {
      c.congestion.restartAfterIdle()
    }
    var framesLeft = Self.turn
    c.congestion.isLimiting = false
    while let (length, withFin) = nextSegment(c) {
      if framesLeft == 0 {
        enqueueOutput(c)
        return
      }
      framesLeft -= 1
      let offset = c.nextToSend - c.unacknowledged
      var flags: SegmentFlags = .ack
      if withFin { flags.insert(.fin) }
      if length > 0, offset + length == c.sendBuffer.count { flags.insert(.psh) }
      guard sendSegment(c, sequence: c.nextToSend, flags: flags, dataOffset: offset, dataLength: length) else { return }
      noteSent(c, length: length, withFin: withFin)
    }
  }

  private func noteSent(_ c: ControlBlock, length: Int, withFin: Bool) {
    let isNew = c.nextToSend == c.highestSent
    c.nextToSend = c.nextToSend + length + (withFin ? 1 : 0)
    c.highestSent = SequenceNumber.later(c.highestSent, c.nextToSend)
    if withFin { c.finSent = true }
    if length % c.segmentSize != 0 { c.smallSegmentEnd = c.nextToSend }
    if !isNew {
      statistics.segmentsRetransmitted &+= 1
    } else if c.measuredEnd == nil {
      c.measuredEnd = c.nextToSend
      c.measuredSince = now
    }
    c.probeAt = .never
    if c.retransmitAt == .never { setTimer(&c.retransmitAt, to: now + c.timeout.current) }
  }

  /// What may be sent at `nextToSend` now; nil if nothing may.
  private func nextSegment(_ c: ControlBlock) -> (length: Int, withFin: Bool)? {
    let offset = c.nextToSend - c.unacknowledged
    let unsent = c.sendBuffer.count - offset
    // Negative once the FIN, which lies behind the data, is sent.
    if unsent < 0 || (unsent == 0 && !c.finishRequested) { return nil }
    let usable = max(0, min(c.sendWindow, c.congestion.sendWindow) - offset)
    if unsent > usable, c.congestion.sendWindow <= c.sendWindow { c.congestion.isLimiting = true }
    var length = min(min(unsent, usable), largestPayload(c))
    let rest = length % c.segmentSize
    if rest > 0, !smallSegmentMayGo(c, size: rest, isLast: length == unsent) { length -= rest }
    // Strictly below: the FIN takes a place in the window, too.
    let withFin = c.finishRequested && length == unsent && length < usable
    return length > 0 || withFin ? (length, withFin) : nil
  }

  /// Whether a segment smaller than `segmentSize` may be sent: sender's silly window avoidance (RFC 9293 section
  /// 3.8.6.2.1) and Nagle's algorithm in Minshall's form: at most one small segment outstanding.
  private func smallSegmentMayGo(_ c: ControlBlock, size: Int, isLast: Bool) -> Bool {
    if c.nextToSend < c.highestSent { return true }
    if !isLast { return size >= c.largestSendWindow / 2 }
    return !c.coalesces || c.finishRequested || c.smallSegmentEnd <= c.unacknowledged
  }

  /// Starts probing when there is something to send, nothing is outstanding, and the window does not permit it.
  private func armProbeTimer(_ c: ControlBlock) {
    guard c.retransmitAt == .never, c.probeAt == .never, !c.isQueuedForOutput else { return }
    let unsent = c.sendBuffer.count - (c.nextToSend - c.unacknowledged)
    guard unsent > 0 || (unsent == 0 && c.finishRequested) else { return }
    setTimer(&c.probeAt, to: now + c.timeout.probeInterval(after: c.probes))
  }

  /// Sends a window probe: the first byte (or the FIN) beyond the window, or what fits a window that is only small.
  func sendProbe(_ c: ControlBlock) {
    let count = c.sendBuffer.count
    let length = min(max(1, min(c.sendWindow, c.segmentSize)), count)
    let withFin = c.finishRequested && length == count
    var flags: SegmentFlags = .ack
    if withFin { flags.insert(.fin) }
    guard sendSegment(c, sequence: c.unacknowledged, flags: flags, dataLength: length) else { return }
    statistics.windowProbes &+= 1
    if withFin { c.finSent = true }
    c.highestSent = SequenceNumber.later(c.highestSent, c.unacknowledged + length + (withFin ? 1 : 0))
  }

  /// Sets a timer of a connection, and sees that `nextDeadline` knows of it.
  func setTimer(_ timer: inout Instant, to instant: Instant) {
    timer = instant
    if instant < tcp.nextDeadline { tcp.nextDeadline = instant }
  }
}
