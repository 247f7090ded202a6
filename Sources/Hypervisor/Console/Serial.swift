import Synchronization

/// A 16550A serial port with its two 16-byte FIFOs (National Semiconductor PC16550D data sheet), eight ports wide.
///
/// Transmission takes no time: the transmitter is always empty. Line parameters are kept and mean nothing.
public final class SerialPort: PortDevice {
  /// Where the first serial port of a PC is.
  public static let firstPort: UInt64 = 0x3f8
  /// Its interrupt line.
  public static let firstInterrupt: UInt32 = 4
  /// How many ports it takes.
  public static let portCount: UInt64 = 8

  private enum Register {
    static let data: UInt64 = 0
    static let interruptEnable: UInt64 = 1
    static let interruptIdentification: UInt64 = 2
    static let lineControl: UInt64 = 3
    static let modemControl: UInt64 = 4
    static let lineStatus: UInt64 = 5
    static let modemStatus: UInt64 = 6
    static let scratch: UInt64 = 7
  }

  /// In order of priority; the raw value is what the identification register shows.
  private enum Cause: UInt8 {
    case lineStatus = 0x06
    case dataAvailable = 0x04
    case transmitterEmpty = 0x02
    case none = 0x01
  }

  private struct State {
    var interruptEnable: UInt8 = 0
    var fifoControl: UInt8 = 0
    var lineControl: UInt8 = 0
    var modemControl: UInt8 = 0
    var scratch: UInt8 = 0
    var divisor: UInt16 = 12
    var received: [UInt8] = []
    var hasOverrun = false
    var isTransmitterInterruptPending = false
    /// The level of the interrupt output; a rise is what the controller sees.
    var isInterrupting = false
    /// Input waits in the host for room.
    var isInputWaiting = false

    var isDivisorLatch: Bool { lineControl & 0x80 != 0 }
    var isLoopback: Bool { modemControl & 0x10 != 0 }
    var capacity: Int { fifoControl & 1 != 0 ? 16 : 1 }

    var cause: Cause {
      if interruptEnable & 4 != 0, hasOverrun { return .lineStatus }
      if interruptEnable & 1 != 0, !received.isEmpty { return .dataAvailable }
      if interruptEnable & 2 != 0, isTransmitterInterruptPending { return .transmitterEmpty }
      return .none
    }

    /// Recomputes the interrupt output; returns whether it rose.
    mutating func rises() -> Bool {
      let was = isInterrupting
      isInterrupting = cause != .none
      return isInterrupting && !was
    }
  }

  private let state = Mutex(State())
  private let interrupt: any InterruptLine
  private let output: @Sendable (Span<UInt8>) -> Void
  private let onRoom: @Sendable () -> Void

  /// A port that hands what the guest sends to `output` (on the vCPU's thread), and calls `onRoom` when the
  /// guest has made room after `receive` took less than it was given.
  public init(
    interrupt: any InterruptLine, output: @escaping @Sendable (Span<UInt8>) -> Void,
    onRoom: @escaping @Sendable () -> Void = {}
  ) {
    self.interrupt = interrupt
    self.output = output
    self.onRoom = onRoom
  }

  // MARK: The host's side

  /// Gives the guest input; returns how many of the bytes fitted. Any thread.
  public func receive(_ bytes: Span<UInt8>) -> Int {
    let (taken, rises) = state.withLock { state in
      let room = state.isLoopback ? 0 : max(0, state.capacity - state.received.count)
      let taken = min(room, bytes.count)
      for index in 0..<taken { state.received.append(bytes[index]) }
      if taken < bytes.count { state.isInputWaiting = true }
      return (taken, state.rises())
    }
    if rises { interrupt.raise() }
    return taken
  }

  // MARK: The guest's side

  /// Sends all of `bytes`, which the guest wrote to the data port with one string instruction.
  public func transmit(_ bytes: Span<UInt8>) {
    let isPlain = state.withLock { !$0.isDivisorLatch && !$0.isLoopback }
    guard isPlain else {
      for index in bytes.indices { write(offset: Register.data, byteCount: 1, value: UInt64(bytes[index])) }
      return
    }
    output(bytes)
    let rises = state.withLock { state in
      state.isTransmitterInterruptPending = true
      return state.rises()
    }
    if rises { interrupt.raise() }
  }

  /// A load from port `offset`; wider loads read the one register and zeroes.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 {
    let (value, hasRoom, rises) = state.withLock { state in
      let before = state.received.count
      let value = Self.read(offset, &state)
      let hasRoom = state.isInputWaiting && state.received.count < before
      if hasRoom { state.isInputWaiting = false }
      return (value, hasRoom, state.rises())
    }
    if rises { interrupt.raise() }
    if hasRoom { onRoom() }
    return UInt64(value)
  }

  private static func read(_ offset: UInt64, _ state: inout State) -> UInt8 {
    switch offset {
    case Register.data where state.isDivisorLatch: return UInt8(truncatingIfNeeded: state.divisor)
    case Register.data: return state.received.isEmpty ? 0 : state.received.removeFirst()
    case Register.interruptEnable where state.isDivisorLatch: return UInt8(truncatingIfNeeded: state.divisor >> 8)
    case Register.interruptEnable: return state.interruptEnable
    case Register.interruptIdentification:
      let cause = state.cause
      // Reading acknowledges the transmitter, where that is the cause shown.
      if cause == .transmitterEmpty { state.isTransmitterInterruptPending = false }
      return cause.rawValue | (state.fifoControl & 1 != 0 ? 0xc0 : 0)
    case Register.lineControl: return state.lineControl
    case Register.modemControl: return state.modemControl
    case Register.lineStatus:
      // Transmitter and its holding register empty; overrun, which reading clears; data ready.
      let value: UInt8 = 0x60 | (state.hasOverrun ? 2 : 0) | (state.received.isEmpty ? 0 : 1)
      state.hasOverrun = false
      return value
    case Register.modemStatus:
      // Carrier, data set ready, clear to send; in loop-back the four outputs come back as the four inputs.
      guard state.isLoopback else { return 0xb0 }
      let control = state.modemControl
      return (control & 2) << 3 | (control & 1) << 5 | (control & 4) << 4 | (control & 8) << 4
    case Register.scratch: return state.scratch
    default: return 0xff
    }
  }

  /// A store to port `offset`; of wider stores the low byte counts.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    let byte = UInt8(truncatingIfNeeded: value)
    let (isOutput, hasRoom, rises) = state.withLock { state in
      let wasInputWaiting = state.isInputWaiting
      let isOutput = Self.write(byte, offset, &state)
      // Clearing the FIFO or leaving loop-back makes room.
      let hasRoom = wasInputWaiting && !state.isLoopback && state.received.count < state.capacity
      if hasRoom { state.isInputWaiting = false }
      return (isOutput, hasRoom, state.rises())
    }
    if isOutput {
      let text: InlineArray<1, UInt8> = [byte]
      output(text.span)
    }
    if rises { interrupt.raise() }
    if hasRoom { onRoom() }
  }

  /// Returns whether the byte goes out.
  private static func write(_ byte: UInt8, _ offset: UInt64, _ state: inout State) -> Bool {
    switch offset {
    case Register.data where state.isDivisorLatch:
      state.divisor = state.divisor & 0xff00 | UInt16(byte)
    case Register.data:
      state.isTransmitterInterruptPending = true
      guard state.isLoopback else { return true }
      if state.received.count < state.capacity { state.received.append(byte) } else { state.hasOverrun = true }
    case Register.interruptEnable where state.isDivisorLatch:
      state.divisor = state.divisor & 0x00ff | UInt16(byte) << 8
    case Register.interruptEnable:
      // Enabling the transmitter's interrupt while it is empty raises it.
      if byte & 2 != 0, state.interruptEnable & 2 == 0 { state.isTransmitterInterruptPending = true }
      state.interruptEnable = byte & 0x0f
    case Register.interruptIdentification:
      // FIFO control: a change of the enable bit clears both FIFOs, as does the clear bit of the receiver's.
      if byte & 2 != 0 || (byte ^ state.fifoControl) & 1 != 0 { state.received.removeAll(keepingCapacity: true) }
      state.fifoControl = byte & 0xc9
    case Register.lineControl: state.lineControl = byte
    case Register.modemControl: state.modemControl = byte & 0x1f
    case Register.scratch: state.scratch = byte
    default: break
    }
    return false
  }
}
