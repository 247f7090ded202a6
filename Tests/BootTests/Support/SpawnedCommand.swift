import Foundation

/// A command whose standard descriptors are the test's own: pipes that nobody reads, terminals, devices.
final class SpawnedCommand {
  let pid: pid_t
  private let folder: ScratchFolder
  private var waited: Int32?

  /// Where a standard descriptor goes.
  enum Stream {
    /// A descriptor of the test's.
    case descriptor(Int32)
    /// A file, opened in the command; a terminal becomes its controlling one.
    case file(String)
  }

  /// Starts the command in a session of its own, so that the first terminal that it opens becomes its controlling
  /// terminal. Standard error goes to a file, unless told otherwise.
  init(
    _ path: String, _ arguments: [String], input: Stream = .file("/dev/null"), output: Stream, errors: Stream? = nil,
    ignoring: [Int32] = []
  ) throws {
    folder = try ScratchFolder()
    let errorPath = try folder.store("errors", [])
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, stream) in [(Int32(0), input), (1, output), (2, errors ?? .file(errorPath))] {
      switch stream {
      case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
      case .file(let path): posix_spawn_file_actions_addopen(&actions, number, path, number == 0 ? O_RDWR : O_WRONLY, 0)
      }
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    // Those that Foundation ignores are the test's business, not the command's.
    for number in ignoring { sigdelset(&all, number) }
    posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // POSIX_SPAWN_SETSID, _SETSIGDEF and _SETSIGMASK.
    posix_spawnattr_setflags(&attributes, 0x80 | 0x04 | 0x08)
    let before = ignoring.map { ($0, Glibc.signal($0, SIG_IGN)) }
    defer { for (number, handler) in before { Glibc.signal(number, handler) } }
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    // Without the Swift runtime's report of a crash, which takes longer than the tests wait.
    let inherited = ProcessInfo.processInfo.environment.filter { $0.key != "SWIFT_BACKTRACE" }
    let settings = inherited.map { "\($0.key)=\($0.value)" } + ["SWIFT_BACKTRACE=enable=no"]
    var environment: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0) } + [nil]
    defer { (words + environment).forEach { free($0) } }
    var child: pid_t = 0
    let result = posix_spawn(&child, path, &actions, &attributes, &words, &environment)
    guard result == 0 else {
      throw WebFailure(description: "cannot start \(path): \(String(cString: strerror(result)))")
    }
    pid = child
  }

  /// What it has written to standard error so far.
  var errors: String {
    String(decoding: (try? Data(contentsOf: URL(filePath: folder.path("errors")))) ?? Data(), as: UTF8.self)
  }

  func signal(_ number: Int32) { kill(pid, number) }

  /// The status it ended with, 128 + n where signal n ended it; nil where it runs on after `seconds`.
  func status(within seconds: Double) -> Int32? {
    if let waited { return waited }
    let deadline = Date().addingTimeInterval(seconds)
    repeat {
      var status: Int32 = 0
      if waitpid(pid, &status, WNOHANG) == pid {
        waited = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        return waited
      }
      usleep(5_000)
    } while Date() < deadline
    return nil
  }

  /// One of the letters of proc(5) that tells what its first thread does, such as T where it is stopped.
  var state: Character? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let name = text.lastIndex(of: ")")
    else { return nil }
    return text[name...].dropFirst(2).first
  }

  /// Waits until it is in `state`; false after `seconds`.
  func waitForState(_ state: Character, seconds: Double = 5) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while self.state != state {
      guard Date() < deadline else { return false }
      usleep(5_000)
    }
    return true
  }

  deinit {
    guard waited == nil else { return }
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }
}

/// A pipe, whose ends are closed with the object unless that was done before.
final class TestPipe {
  private(set) var reader: Int32
  private(set) var writer: Int32

  /// `capacity` is in bytes; the host rounds it up to whole pages.
  init(capacity: Int32? = nil) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw WebFailure(description: "pipe: \(errno)") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reader, writer) = (ends[0], ends[1])
    // F_SETPIPE_SZ
    if let capacity { _ = fcntl(writer, 1031, capacity) }
  }

  func closeReader() {
    if reader >= 0 { close(reader) }
    reader = -1
  }

  func closeWriter() {
    if writer >= 0 { close(writer) }
    writer = -1
  }

  /// Everything up to the end of the stream.
  func readAll() -> String {
    closeWriter()
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(reader, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }

  deinit {
    closeReader()
    closeWriter()
  }
}

/// A pseudo-terminal. The test holds both sides, so that it can see the mode that a command has left.
final class TestTerminal {
  let master: Int32
  let slave: Int32
  /// Where a command opens it.
  let path: String

  init() throws {
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var number: Int32 = -1
    var isLocked: Int32 = 0
    // TIOCGPTN and TIOCSPTLCK (ioctl_tty(2)).
    guard master >= 0, ioctl(master, 0x8004_5430, &number) == 0, ioctl(master, 0x4004_5431, &isLocked) == 0 else {
      throw WebFailure(description: "no pseudo-terminal: \(errno)")
    }
    path = "/dev/pts/\(number)"
    slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard slave >= 0 else { throw WebFailure(description: "cannot open \(path): \(errno)") }
  }

  /// The flags of its mode that a raw terminal lacks: line editing and echo.
  var isRaw: Bool { mode.c_lflag & tcflag_t(ICANON | ECHO) == 0 }

  var mode: termios {
    var mode = termios()
    tcgetattr(slave, &mode)
    return mode
  }

  /// Waits until its mode is raw, or is not; false after `seconds`.
  func waitUntil(raw: Bool, seconds: Double = 10) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while isRaw != raw {
      guard Date() < deadline else { return false }
      usleep(5_000)
    }
    return true
  }

  /// What a user types.
  func type(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(master, bytes, bytes.count)
  }

  /// Reads what is shown until it holds `text`; returns all, with or without it after `seconds`.
  func read(until text: String, seconds: Double = 10) -> String {
    let deadline = Date().addingTimeInterval(seconds)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while Date() < deadline, !String(decoding: bytes, as: UTF8.self).contains(text) {
      var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 50) > 0 else { continue }
      let count = Glibc.read(master, &chunk, chunk.count)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  func resize(rows: UInt16, columns: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  deinit {
    close(master)
    close(slave)
  }
}
