/// Processing of the acknowledgement and of the text of a received segment.
extension ProtocolEngine {
  /// Takes the acknowledgement and the window; false if the segment must not be processed further.
  func processAcknowledgment(_ c: ControlBlock, _ segment: Segment, _ sequence: SequenceNumber) -> Bool {
    let acknowledgment = segment.acknowledgment
    if c.state == .synReceived {
      guard acknowledgment > c.unacknowledged, acknowledgment <= c.highestSent else {
        sendReset(answering: segment, from: c.local, to: c.remote)
        return false
      }
      handshakeAcknowledged(c, segment)
      return true
    }
    // RFC 5961 section 5.2: neither beyond what was sent nor older than the largest window.
    if acknowledgment > c.highestSent || acknowledgment < c.unacknowledged - max(c.largestSendWindow, 0xFFFF) {
      sendChallenge(c)
      return false
    }
    let oldWindow = c.sendWindow
    if acknowledgment >= c.unacknowledged { takeWindow(c, segment, sequence) }
    if acknowledgment > c.unacknowledged {
      acknowledged(c, upTo: acknowledgment)
      return c.state != .closed
    }
    if acknowledgment == c.unacknowledged {
      if c.probeAt != .never { c.retries = 0 }  // the peer answers our probes
      let isDuplicate =
        segment.payload.count == 0 && !segment.flags.contains(.fin) && c.sendWindow == oldWindow && c.flight > 0
        && c.probeAt == .never
      if isDuplicate { duplicateAcknowledged(c) } else if c.sendWindow > oldWindow { enqueueOutput(c) }
    }
    return true
  }

  private func takeWindow(_ c: ControlBlock, _ segment: Segment, _ sequence: SequenceNumber) {
    guard
      c.windowUpdateSequence < sequence
        || (c.windowUpdateSequence == sequence && c.windowUpdateAcknowledgment <= segment.acknowledgment)
    else { return }
    c.windowUpdateSequence = sequence
    c.windowUpdateAcknowledgment = segment.acknowledgment
    c.sendWindow = Int(segment.window) << Int(c.sendScale)
    c.largestSendWindow = max(c.largestSendWindow, c.sendWindow)
    if c.sendWindow > 0, c.probeAt != .never {
      c.probeAt = .never
      c.probes = 0
      c.retries = 0
      enqueueOutput(c)
    }
  }

  private func duplicateAcknowledged(_ c: ControlBlock) {
    let isLoss = c.congestion.duplicate(upTo: c.unacknowledged, flight: c.flight, highest: c.highestSent)
    if isLoss {
      statistics.fastRetransmits &+= 1
      c.mustRepeatFirst = true
    }
    enqueueOutput(c)
  }

  /// New data, or our FIN, is acknowledged.
  private func acknowledged(_ c: ControlBlock, upTo acknowledgment: SequenceNumber) {
    let bytes = acknowledgment - c.unacknowledged
    let finAcknowledged = c.finSent && bytes > c.sendBuffer.count
    if let end = c.measuredEnd, acknowledgment >= end {
      c.timeout.measured(now.since(c.measuredSince))
      c.measuredEnd = nil
    }
    c.sendBuffer.discard(min(bytes, c.sendBuffer.count))
    c.unacknowledged = acknowledgment
    if c.nextToSend < acknowledgment { c.nextToSend = acknowledgment }
    let wasInRecovery = c.congestion.inRecovery
    let isPartial = c.congestion.acknowledged(bytes: bytes, upTo: acknowledgment, flight: c.flight)
    if isPartial { c.mustRepeatFirst = true } else if !c.congestion.inRecovery { c.mustRepeatFirst = false }
    c.retries = 0
    if c.flight == 0 {
      c.retransmitAt = .never
    } else if c.retransmitAt != .never, !(wasInRecovery && isPartial && c.congestion.partialCount > 1) {
      // In recovery only the first partial acknowledgement restarts the timer (RFC 6582 section 3.2, step 3).
      setTimer(&c.retransmitAt, to: now + c.timeout.current)
    }
    enqueueOutput(c)
    notify(c)
    if finAcknowledged { finishAcknowledged(c) }
  }

  private func finishAcknowledged(_ c: ControlBlock) {
    switch c.state {
    case .finWait1:
      c.state = .finWait2
      if c.isReleased { setTimer(&c.lingerUntil, to: now + configuration.finWait2) }
    case .closing: enterTimeWait(c)
    case .lastAck: close(c, failure: nil)
    default: break
    }
  }

  /// Takes text, in order or not, as far as it lies in the window.
  func receiveText(_ c: ControlBlock, _ start: SequenceNumber, _ text: PacketBytes, _ segment: Segment) {
    switch c.state {
    case .established, .finWait1, .finWait2: break
    default: return
    }
    if c.isReleased, c.state == .finWait2 {
      // Nobody will read it, and nothing of ours can get lost any more (RFC 2525 section 2.17).
      sendReset(c)
      close(c, failure: nil)
      return
    }
    c.peerSegmentSize = max(c.peerSegmentSize, min(segment.mergedSegmentSize ?? text.count, ownSegmentSize))
    var first = c.nextExpected - start
    if first < 0 { first = 0 }
    var end = min(text.count, (c.nextExpected - start) + c.receiveWindow)
    if let fin = c.peerFinSequence { end = min(end, fin - start) }
    guard end > first else {
      enqueueAcknowledgment(c)  // all of it old, or no room
      return
    }
    // The sender of what was cut off learns at once how far it may go.
    if end < text.count { enqueueAcknowledgment(c) }
    let part = text.slice(from: first, count: end - first)
    let sequence = start + first
    if sequence == c.nextExpected {
      receiveInOrder(c, part)
    } else {
      receiveOutOfOrder(c, sequence, part)
    }
  }

  private func receiveInOrder(_ c: ControlBlock, _ part: PacketBytes) {
    let filledGap = !c.reassembly.isEmpty
    var next = c.nextExpected + part.count
    guard c.isReleased || c.receiveBuffer.place(part, distance: 0) else {
      // No memory: it counts as lost, and comes again when others have read.
      statistics.textDropped &+= 1
      enqueueAcknowledgment(c)
      return
    }
    while let end = c.reassembly.takePart(reaching: next) { next = SequenceNumber.later(next, end) }
    let progress = next - c.nextExpected
    if !c.isReleased { c.receiveBuffer.commit(progress) }
    c.nextExpected = next
    c.unacknowledgedReceived += progress
    if filledGap || c.unacknowledgedReceived >= 2 * c.peerSegmentSize {
      enqueueAcknowledgment(c)
    } else if c.acknowledgeAt == .never {
      setTimer(&c.acknowledgeAt, to: now + configuration.delayedAcknowledgment)
    }
    notify(c)
  }

  private func receiveOutOfOrder(_ c: ControlBlock, _ sequence: SequenceNumber, _ part: PacketBytes) {
    statistics.outOfOrderSegments &+= 1
    // A released connection keeps nothing: what is missing comes again in order. Text that was stored but found no room
    // in the reassembly list is sent again, too.
    if !c.isReleased {
      if c.receiveBuffer.place(part, distance: sequence - c.nextExpected) {
        _ = c.reassembly.insert(sequence, sequence + part.count)
      } else {
        statistics.textDropped &+= 1
      }
    }
    // At once, and one for each: the sender counts them (RFC 5681 section 4.2).
    sendAcknowledgment(c)
  }
}
