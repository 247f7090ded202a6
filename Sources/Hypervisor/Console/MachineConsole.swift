import ExokernelABI
import Logging
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
  /// The file that the output goes to, where it is one.
  private let file: OutputFile?
  private let source: InputSource

  /// The input, which only the loop's thread touches; the serial port knows it as someone who wants to hear of room.
  private final class InputSource: @unchecked Sendable {
    var input: ConsoleInput?
    /// Stops and continues the process, where the input is a terminal.
    var jobControl: SignalEvents?

    /// SIGTSTP stops the process with the terminal in the mode that others expect; SIGCONT, also after SIGSTOP, makes
    /// it raw again.
    func control(_ signal: Int32) {
      if signal == SIGTSTP {
        input?.willStop()
        jobControl?.performDefault(of: SIGTSTP)
      }
      input?.hasContinued()
    }
  }

  private let readsStandardInput: Bool
  private let loop: EventLoop
  private let control: MachineControl

  /// What the host's refusal to write means for the text.
  private static func consequence(of error: Errno) -> String {
    switch error {
    case .badFileDescriptor: "standard output is closed, so its text is dropped; give it a file, a pipe or --console"
    case .noSpace, Errno(rawValue: EDQUOT): "its text is dropped until there is room"
    default: "its text is dropped while that lasts"
    }
  }

  /// Opens the file of a target that is one. It is emptied when output starts.
  static func open(_ target: ConsoleTarget) throws(MachineError) -> OutputFile? {
    guard case .file(let path) = target else { return nil }
    // A FIFO without a reader is refused instead of waited for.
    do throws(Errno) {
      return try OutputFile(opening: path, isWaiting: false)
    } catch {
      throw .console(path: path, error)
    }
  }

  /// A console that goes to `target`, or to its file, which `open` has opened. Nothing is read before `start`.
  init(
    _ target: ConsoleTarget, file: OutputFile?, loop: EventLoop, control: MachineControl, statistics: MachineStatistics,
    log: Logger = Logger(label: "xokvm.console")
  ) throws {
    var events = BoundedOutput.Events()
    events.onFirstLine = { statistics.mark(.firstConsoleLine) }
    events.onError = { log.warning("cannot write the console (\($0)): \(Self.consequence(of: $0))") }
    events.onClosed = { control.finish(.consoleClosed) }
    switch target {
    case .standard: output = try ConsoleOutput(fd: STDOUT_FILENO, ownsDescriptor: false, events: events)
    case .file: output = try file.map { try ConsoleOutput(fd: $0.file.rawValue, ownsDescriptor: true, events: events) }
    case .none: output = nil
    }
    self.file = file
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
      let text = TextPort(memory: memory, isTerminal: output.isTerminal) { output.append($0) }
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

  /// What our kernel said is wrong, as `ConsoleOutput.kernelLine`.
  var kernelLine: String? { output?.kernelLine }

  /// Bytes that were written and dropped so far, and why the host first refused to write.
  var result: (written: UInt64, dropped: UInt64, error: Errno?) { output?.result ?? (0, 0, nil) }

  /// Starts to write output; what the guest said before waits for it.
  func startOutput() throws(EventLoopError) {
    // Who may write a file may empty it.
    try? file?.begin()
    try output?.start()
  }

  /// Starts to read input. A terminal changes its mode from here to `finish`.
  func startInput() {
    guard readsStandardInput else { return }
    // A descriptor that cannot be watched gives no input, which is no reason not to run the guest.
    source.input = try? ConsoleInput(
      fd: STDIN_FILENO, loop: loop, deliver: { [serial] in serial.receive($0) },
      onQuit: { [control] in control.finish(.quit) })
    guard source.input?.isTerminal == true else { return }
    source.jobControl = try? SignalEvents([SIGTSTP, SIGCONT], loop: loop) { [unowned source] in source.control($0) }
  }

  /// Writes what is left, for as long as the reader takes something every `milliseconds` (see `BoundedOutput.finish`),
  /// and gives the terminal its mode back. To be called when no vCPU runs any more.
  func finish(grace milliseconds: Int32) {
    output?.endDrawing()
    output?.finish(grace: milliseconds)
    source.jobControl = nil
    source.input = nil
  }
}
