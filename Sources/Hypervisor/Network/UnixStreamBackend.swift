import Logging
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a UNIX stream socket cannot carry frames.
public enum UnixStreamError: Error, Equatable, CustomStringConvertible {
  /// The path is empty or longer than a socket address holds (107 bytes).
  case invalidPath(String)
  /// Nothing exists there.
  case missing(String)
  /// Nobody listens there, or it is no stream socket.
  case notListening(String)
  /// The user may not connect.
  case noPermission(String)
  /// The host refused something else.
  case failed(String, Errno)
  /// The peer closed the connection.
  case closed(String)
  /// The peer announced a frame longer than any frame can be: it speaks another protocol.
  case frameTooLong(String, byteCount: UInt32)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .invalidPath(let path): "'\(path)' cannot be a socket's path; use 1 to 107 bytes"
    case .missing(let path): "there is no socket '\(path)'; start its server first, for example: passt --socket \(path)"
    case .notListening(let path):
      "nobody listens on stream socket '\(path)'; start its server first, for example: passt --socket \(path)"
    case .noPermission(let path): "no permission to connect to '\(path)'; check the modes of the socket and its folders"
    case .failed(let path, let errno): "socket '\(path)' failed (\(errno))"
    case .closed(let path): "the server closed socket '\(path)'; the guest's network link is down"
    case .frameTooLong(let path, let byteCount):
      "socket '\(path)' announced a frame of \(byteCount) bytes; use a server that speaks QEMU's stream protocol"
    }
  }
}

/// A UNIX stream socket as QEMU's `-netdev stream` and passt speak it: each frame is preceded by its length, 32 bits
/// big-endian.
///
/// No offloads: frames are whole. When the peer closes or breaks the protocol the link goes down and stays down. Made
/// before its loop runs or on the loop's thread, and dropped there or after the loop has ended, as all back ends.
public final class UnixStreamBackend: NetworkBackend, @unchecked Sendable {
  // Sendable: used by the device thread only.

  /// Reads per wake-up, so that other devices get their turn.
  private static let burst = 16

  private let path: String
  private let socket: OwnedDescriptor
  private let loop: EventLoop
  private let log: Logger
  private var receiver: (any NetworkReceiver)?
  private var interest: EventLoop.Interest = []
  /// The rest of a frame that the socket took in part only, and how much of it has been sent since.
  private var unsent: [UInt8] = []
  private var unsentStart = 0
  private let input = LengthPrefixedFrames()
  /// Why the link is down.
  public private(set) var failure: UnixStreamError?

  /// Frames are whole and small.
  public let offloads: VirtioFeatures = .none
  /// The ordinary one.
  public let maximumTransmissionUnit: UInt16? = nil

  /// Connects to the socket at `path`, which `loop` will watch. Failures later on go to `log`.
  public convenience init(
    path: String, loop: EventLoop, log: Logger = Logger(label: "xokvm.network")
  ) throws(UnixStreamError) {
    let fd = try UnixStreamBackend.connect(to: path)
    try self.init(connected: fd, path: path, loop: loop, log: log)
  }

  /// Takes over `fd`, a connected non-blocking stream socket, called `path` in messages.
  init(connected fd: Int32, path: String, loop: EventLoop, log: Logger) throws(UnixStreamError) {
    socket = OwnedDescriptor(fd)
    self.path = path
    self.loop = loop
    self.log = log
    do throws(EventLoopError) {
      try loop.register(fd, readable: { [weak self] in self?.receive() }, writable: { [weak self] in self?.writable() })
      try loop.update(fd, interest: [])
    } catch {
      throw .failed(path, .noMemory)
    }
  }

  deinit {
    loop.unregister(socket.rawValue)
  }

  /// Begins to carry frames.
  public func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    self.receiver = receiver
    guard failure == nil else { return receiver.setLink(isUp: false) }
    watch(interest.union(.readable))
  }

  /// Drops the frames that wait and reads no more. A frame that is sent in part is still completed, or the peer would
  /// lose count.
  public func stop() {
    receiver = nil
    input.dropFrames()
    watch(interest.subtracting(.readable))
  }

  /// Sends the frame, or keeps what the socket does not take.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard failure == nil else { return .done }
    guard unsent.isEmpty else { return .busy }
    // Copied first: the guest could change the frame between a part that is sent and the rest.
    // Safe: the bytes of a local value.
    unsafe withUnsafeBytes(of: UInt32(packet.byteCount).bigEndian) { unsafe unsent.append(contentsOf: $0) }
    packet.appendFrame(to: &unsent)
    if sendRest() == 0, failure == nil {
      unsent.removeAll(keepingCapacity: true)
      watch(interest.union(.writable))
      return .busy
    }
    return .done
  }

  /// Goes on reading.
  public func receiveBuffersAvailable() {
    guard receiver != nil, failure == nil else { return }
    watch(interest.union(.readable))
    // What is in memory already does not make the socket readable.
    if input.hasFrame { receive() }
  }

  // MARK: Sending

  /// Sends what the socket takes of `unsent`; returns how much. Watches for more room if something is left.
  private func sendRest() -> Int {
    let oldStart = unsentStart
    while unsentStart < unsent.count {
      // Safe: the range is inside the array. A peer that is gone must answer with an error, not with a signal.
      let count = unsafe unsent.withUnsafeBytes { bytes in
        retryingWhenInterrupted {
          unsafe send(
            socket.rawValue, bytes.baseAddress.unsafelyUnwrapped + unsentStart, bytes.count - unsentStart,
            Int32(truncatingIfNeeded: MSG_NOSIGNAL))
        }
      }
      if count < 0 {
        guard errno == EAGAIN else {
          fail(errno == EPIPE || errno == ECONNRESET ? .closed(path) : .failed(path, Errno(rawValue: errno)))
          return 0
        }
        if unsentStart > 0 { watch(interest.union(.writable)) }
        return unsentStart - oldStart
      }
      unsentStart += count
    }
    let sent = unsentStart - oldStart
    unsent.removeAll(keepingCapacity: true)
    unsentStart = 0
    return sent
  }

  private func writable() {
    watch(interest.subtracting(.writable))
    _ = sendRest()
    if unsent.isEmpty, failure == nil { receiver?.transmitReady() }
  }

  // MARK: Receiving

  private func receive() {
    guard let receiver, failure == nil else { return }
    defer { receiver.flush() }
    guard deliver(to: receiver) else { return }
    for _ in 0..<UnixStreamBackend.burst {
      switch input.fill(from: socket.rawValue) {
      case .filled: guard deliver(to: receiver) else { return }
      case .empty: return
      case .ended: return fail(.closed(path))
      case .failed(let errno): return fail(errno == .connectionReset ? .closed(path) : .failed(path, errno))
      }
    }
  }

  /// Gives the whole frames to the guest; false when reading must not go on.
  private func deliver(to receiver: any NetworkReceiver) -> Bool {
    while true {
      switch input.nextFrame() {
      case .incomplete: return true
      case .tooLong(let byteCount):
        fail(.frameTooLong(path, byteCount: byteCount))
        return false
      case .frame(let range):
        let bytes = input.bytes
        // Safe: bytes have no padding.
        let frame = unsafe bytes.span.bytes.extracting(range)
        let outcome = receiver.deliver(header: VirtioNetwork.Header(), frame: frame)
        if outcome == .noBuffers {
          watch(interest.subtracting(.readable))
          return false
        }
        input.consume(range)
      }
    }
  }

  private func fail(_ error: UnixStreamError) {
    guard failure == nil else { return }
    failure = error
    log.error("\(error)")
    unsent.removeAll()
    unsentStart = 0
    input.dropFrames()
    watch([])
    receiver?.setLink(isUp: false)
    // Frames that the card holds back are let go, to be dropped.
    receiver?.transmitReady()
  }

  private func watch(_ new: EventLoop.Interest) {
    guard new != interest else { return }
    do throws(EventLoopError) {
      try loop.update(socket.rawValue, interest: new)
      interest = new
    } catch {
      interest = []
      fail(.failed(path, .noMemory))
    }
  }

  // MARK: Connecting

  private static func connect(to path: String) throws(UnixStreamError) -> Int32 {
    var address = sockaddr_un()
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard !path.isEmpty, path.utf8.count < capacity, !path.utf8.contains(0) else { throw .invalidPath(path) }
    address.sun_family = sa_family_t(AF_UNIX)
    // Safe: the path was checked to be shorter than the field.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let fd = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard fd >= 0 else { throw .failed(path, Errno(rawValue: errno)) }
    // Safe: the address lives for the duration of the call.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0, fcntl(fd, F_SETFL, O_NONBLOCK) == 0 else {
      let reason = Errno(rawValue: errno)
      close(fd)
      switch reason {
      case .noSuchFileOrDirectory, .notDirectory: throw .missing(path)
      case .connectionRefused, .protocolWrongTypeForSocket: throw .notListening(path)
      case .permissionDenied, .notPermitted: throw .noPermission(path)
      default: throw .failed(path, reason)
      }
    }
    return fd
  }
}
