import ExokernelABI
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The machine's console: the first serial port, its output and its input on the host.
final class Console: Sendable {
  let serial: SerialPort
  private let interrupt: EventDescriptor
  private let output: ConsoleOutput?
  private let source: InputSource

  /// The input, which only the loop's thread touches; the serial port knows it as someone who wants to hear of room.
  private final class InputSource: @unchecked Sendable {
    var input: ConsoleInput?
  }

  private let readsStandardInput: Bool
  private let loop: EventLoop
  private let control: MachineControl

  /// Opens the target. Nothing is read before `start`.
  init(
    _ target: ConsoleTarget, loop: EventLoop, control: MachineControl, statistics: MachineStatistics
  ) throws {
    let onFirstLine = { @Sendable in statistics.mark(.firstConsoleLine) }
    let onError = { @Sendable (errno: Errno) in control.finish(.failed(.console(errno))) }
    switch target {
    case .standard:
      output = try ConsoleOutput(
        fd: STDOUT_FILENO, ownsDescriptor: false, loop: loop, onFirstLine: onFirstLine, onError: onError)
    case .file(let path):
      // Safe: the string lives for the duration of the call.
      let fd = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
      guard fd >= 0 else { throw MachineError.console(path: path, Errno(rawValue: errno)) }
      output = try ConsoleOutput(fd: fd, ownsDescriptor: true, loop: loop, onFirstLine: onFirstLine, onError: onError)
    case .none: output = nil
    }
    let source = InputSource()
    self.source = source
    interrupt = try EventDescriptor()
    serial = SerialPort(
      interrupt: interrupt, output: { [output] text in output?.append(text) },
      onRoom: { loop.post { source.input?.roomAvailable() } })
    readsStandardInput = target == .standard
    self.loop = loop
    self.control = control
  }

  /// Gives the port its place among the ports and its interrupt.
  func attach(
    to buses: inout MachineBuses, _ descriptor: borrowing VirtualMachineDescriptor, memory: GuestMemory
  ) throws {
    if let output {
      let text = TextPort(memory: memory) { output.append($0) }
      try buses.ports.add(text, at: UInt64(MachinePort.text), byteCount: 4)
    }
    try buses.ports.add(serial, at: SerialPort.firstPort, byteCount: SerialPort.portCount)
    buses.serial = serial
    try descriptor.connect(interrupt: interrupt.rawValue, toLine: SerialPort.firstInterrupt)
  }

  /// Writes a text of the monitor's own among the guest's lines. Any thread.
  func print(_ text: String) { output?.append(Array(text.utf8).span) }

  /// The last line that was written, as `ConsoleOutput.lastLine`.
  var lastLine: String? { output?.lastLine }

  /// Starts to read input. A terminal changes its mode from here to `finish`.
  func start() {
    guard readsStandardInput else { return }
    // A descriptor that cannot be watched gives no input, which is no reason not to run the guest.
    source.input = try? ConsoleInput(
      fd: STDIN_FILENO, loop: loop, deliver: { [serial] in serial.receive($0) },
      onQuit: { [control] in control.finish(.quit) })
  }

  /// Writers wait for a slow reader no longer than `milliseconds` from now on.
  func stop(grace milliseconds: Int32) {
    output?.stop(grace: milliseconds)
  }

  /// Writes what is left and gives the terminal its mode back.
  func finish() {
    output?.finish()
    source.input = nil
  }
}
