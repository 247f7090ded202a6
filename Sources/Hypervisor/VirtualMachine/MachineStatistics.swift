import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// When a machine reached what, and what it cost: the measures of `--stats`.
public final class MachineStatistics: Sendable {
  /// A point in a machine's life.
  public enum Phase: Int, CaseIterable, Sendable {
    /// KVM's objects exist and the kernel is in memory.
    case vmCreated
    /// The first vCPU enters the guest.
    case firstGuestInstruction
    /// The kernel has set itself up; it says so through its milestone port.
    case kernelReady
    /// A library operating system starts; the kernel says so.
    case firstLibOSInstruction
    /// The first whole line of the console was written.
    case firstConsoleLine
    /// All vCPUs have stopped.
    case exit

    /// The phase's name in the statistics.
    var name: String {
      switch self {
      case .vmCreated: "vmCreated"
      case .firstGuestInstruction: "firstGuestInstruction"
      case .kernelReady: "kernelReady"
      case .firstLibOSInstruction: "firstLibOSInstruction"
      case .firstConsoleLine: "firstConsoleLine"
      case .exit: "exit"
      }
    }
  }

  /// CLOCK_MONOTONIC, in nanoseconds, when the process began.
  public let start: UInt64
  /// Zero: not yet.
  private let times: InlineArray<6, Atomic<UInt64>>
  private let collected = Mutex(Collected())

  struct Collected {
    var exits = ExitCounts()
    var emulatedInstructions: UInt64?
    var guestByteCount = 0
    var peakByteCount = 0
    var console: (written: UInt64, dropped: UInt64) = (0, 0)
  }

  /// Times count from `start`, a time of CLOCK_MONOTONIC in nanoseconds: `processStart` in a command.
  public init(start: UInt64) {
    self.start = start
    times = InlineArray { _ in Atomic(0) }
  }

  /// When this process was created, to a few microseconds, if the only thread that ever ran in it asks before it first
  /// sleeps.
  ///
  /// The kernel gives the start time in ticks of 10 ms only. But a process that has not slept was either running or
  /// waiting for a processor since it was created, and the kernel counts both in nanoseconds.
  public static func processStart() -> UInt64 {
    let fields = HostProcessor.smallFile("/proc/self/schedstat").split(separator: " ")
    var cpu = timespec()
    // Safe: the structure lives for the duration of the call.
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)
    let running = UInt64(cpu.tv_sec) * 1_000_000_000 + UInt64(cpu.tv_nsec)
    let waiting = fields.count > 1 ? UInt64(fields[1]) ?? 0 : 0
    let now = EventLoop.now
    return now - min(now, running + waiting)
  }

  /// Notes that `phase` is reached now; only the first time counts. Any thread.
  public func mark(_ phase: Phase) {
    _ = times[phase.rawValue].compareExchange(expected: 0, desired: EventLoop.now, ordering: .relaxed)
  }

  /// Microseconds from the start to `phase`, or nil where it was not reached.
  public func microseconds(_ phase: Phase) -> UInt64? {
    let time = times[phase.rawValue].load(ordering: .relaxed)
    return time == 0 ? nil : (time - min(time, start)) / 1000
  }

  /// How often the vCPUs left the guest for the hypervisor. Complete once the machine has ended.
  public var exits: ExitCounts { collected.withLock { $0.exits } }

  /// Instructions that KVM emulated, or nil where this KVM does not count. Complete once the machine has ended.
  public var emulatedInstructions: UInt64? { collected.withLock { $0.emulatedInstructions } }

  /// Bytes of guest memory that were touched.
  public var guestByteCount: Int { collected.withLock { $0.guestByteCount } }

  /// The largest resident size of this process, guest memory included.
  public var peakByteCount: Int { collected.withLock { $0.peakByteCount } }

  /// Bytes of the console that were written, and that were dropped because nobody read them or the host refused them.
  public var console: (written: UInt64, dropped: UInt64) { collected.withLock { $0.console } }

  /// Takes what is counted elsewhere, when the machine has ended.
  func collect(
    exits: ExitCounts, emulatedInstructions: UInt64?, memory: GuestMemory, console: (written: UInt64, dropped: UInt64)
  ) {
    // Not what getrusage(2) tells: that starts with the size of whoever started the command.
    let lines = HostProcessor.smallFile("/proc/self/status").split(separator: "\n")
    let words = lines.first { $0.hasPrefix("VmHWM:") }?.split { $0 == " " || $0 == "\t" } ?? []
    let peak = words.count > 1 ? (Int(words[1]) ?? 0) * 1024 : 0
    let guest = memory.residentByteCount
    collected.withLock {
      $0 = Collected(
        exits: exits, emulatedInstructions: emulatedInstructions, guestByteCount: guest, peakByteCount: peak,
        console: console)
    }
  }

  /// Everything as one JSON object; what was not reached or is not counted is null.
  public func json(outcome: MachineOutcome) -> String {
    let collected = collected.withLock { $0 }
    var json = JSONWriter()
    json.object {
      $0.member("status", outcome.exitStatus.rawValue)
      $0.member("outcome", outcome.name)
      $0.object("microseconds") { object in
        for phase in Phase.allCases { object.member(phase.name, microseconds(phase)) }
      }
      $0.object("exits") {
        $0.member("port", collected.exits.port)
        $0.member("mmio", collected.exits.mmio)
        $0.member("halt", collected.exits.halt)
        $0.member("debug", collected.exits.debug)
        $0.member("interrupted", collected.exits.interrupted)
        $0.member("other", collected.exits.other)
        $0.member("total", collected.exits.total)
      }
      $0.member("emulatedInstructions", collected.emulatedInstructions)
      $0.object("console") {
        $0.member("writtenBytes", collected.console.written)
        $0.member("droppedBytes", collected.console.dropped)
      }
      $0.object("memory") {
        $0.member("peakResidentBytes", collected.peakByteCount)
        $0.member("guestTouchedBytes", collected.guestByteCount)
        $0.member("vmmBytes", max(0, collected.peakByteCount - collected.guestByteCount))
      }
    }
    return json.text
  }
}
