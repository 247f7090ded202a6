import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How often a vCPU left the guest for the hypervisor, by reason. What KVM settles itself (doorbells, interrupts,
/// timers) is not among them.
public struct ExitCounts: Sendable, Equatable {
  /// Ports.
  public var port: UInt64 = 0
  /// Device memory.
  public var mmio: UInt64 = 0
  /// HLT.
  public var halt: UInt64 = 0
  /// Single steps.
  public var debug: UInt64 = 0
  /// Signals and kicks.
  public var interrupted: UInt64 = 0
  /// Everything else, each of which ends the machine.
  public var other: UInt64 = 0

  /// All together.
  public var total: UInt64 { port + mmio + halt + debug + interrupted + other }

  static func + (left: ExitCounts, right: ExitCounts) -> ExitCounts {
    ExitCounts(
      port: left.port + right.port, mmio: left.mmio + right.mmio, halt: left.halt + right.halt,
      debug: left.debug + right.debug, interrupted: left.interrupted + right.interrupted,
      other: left.other + right.other)
  }
}

/// A vCPU and the host thread that runs it: enters the guest, serves what it left for, until the machine ends.
@safe final class ProcessorThread: @unchecked Sendable {
  let number: Int
  /// Counted by the thread; to be read after `join`.
  private(set) var exits = ExitCounts()
  private var processor: VirtualCPU
  private let kicker: VirtualCPU.Kicker
  private let buses: MachineBuses
  private let control: MachineControl
  private let onStart: @Sendable () -> Void
  private let tracer: InstructionTracer?
  private let reporter: CrashReporter?
  private var crashPorts = CrashPorts()
  private var thread: pthread_t?

  /// `onStart` is called on the thread right before it first enters the guest.
  init(
    _ processor: consuming VirtualCPU, number: Int, buses: MachineBuses, control: MachineControl,
    tracer: InstructionTracer?, reporter: CrashReporter?, onStart: @escaping @Sendable () -> Void
  ) {
    self.processor = processor
    kicker = self.processor.kicker
    self.number = number
    self.buses = buses
    self.control = control
    self.tracer = tracer
    self.reporter = reporter
    self.onStart = onStart
  }

  /// Starts the thread.
  func start() throws(KVMError) {
    ThreadKick.prepare()
    var thread = pthread_t()
    // Safe: the reference is balanced at the thread's start, and the thread is joined before the object may go.
    let reference = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(&thread, nil, { unsafe ProcessorThread.main($0) }, reference)
    guard result == 0 else {
      unsafe Unmanaged<ProcessorThread>.fromOpaque(reference).release()
      throw .refused(request: "a thread for a vCPU", Errno(rawValue: result))
    }
    self.thread = thread
  }

  private static func main(_ reference: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let reference = unsafe reference else { return nil }
    // Safe: `start` passed a retained ProcessorThread.
    unsafe Unmanaged<ProcessorThread>.fromOpaque(reference).takeRetainedValue().run()
    return nil
  }

  /// Makes the thread leave the guest; to be called after the machine was told to end.
  func kick() {
    guard let thread else { return }
    kicker.requestExit()
    ThreadKick.send(to: thread)
  }

  /// Waits for the thread's end.
  func join() {
    guard let thread else { return }
    pthread_join(thread, nil)
    self.thread = nil
  }

  /// KVM's count of the instructions it emulated for this vCPU, where it counts them.
  var emulatedInstructions: UInt64? {
    processor.statistics()?.value(of: "insn_emulation")
  }

  // MARK: On the thread

  private func run() {
    ThreadKick.admit()
    onStart()
    do {
      while !control.isStopping {
        let exit = try processor.enter()
        if let outcome = try serve(exit) { control.finish(outcome) }
      }
    } catch {
      exits.other += 1
      control.finish(.failed(.host(error)))
    }
  }

  /// Does what the guest left for; returns how the machine ended, if it did.
  private func serve(_ exit: Exit) throws(KVMError) -> MachineOutcome? {
    switch exit {
    case .port(let port, let isWrite, let byteCount, _):
      exits.port += 1
      // Safe: the data of this very exit, which stays in place until the next entry.
      unsafe buses.servePort(port, isWrite: isWrite, byteCount: byteCount, data: processor.portData)
      if isWrite {
        if let crash = crashPorts.store(port, processor.portValue) {
          reporter?.report(instruction: crash.instruction, record: crash.record, processor)
        }
        try tracer?.portWritten(port, &processor)
      }
    case .mmio(let address, true, let byteCount):
      exits.mmio += 1
      buses.memory.write(at: address.rawValue, byteCount: byteCount, value: processor.mmioData)
      try tracer?.deviceServed(&processor)
    case .mmio(let address, false, let byteCount):
      exits.mmio += 1
      processor.mmioData = buses.memory.read(at: address.rawValue, byteCount: byteCount)
    case .interrupted: exits.interrupted += 1
    case .debug(let rip, _):
      exits.debug += 1
      try tracer?.step(rip, processor)
    case .halt:
      // Only without KVM's interrupt controller, which every machine here has.
      exits.halt += 1
      return .failed(.unexpectedExit(processor: number, rip: rip, reason: UInt32(KVM_EXIT_HLT)))
    default:
      exits.other += 1
      if case .internalError(_, let instruction) = exit {
        reporter?.reportEnd(instruction: instruction, processor)
      } else if exit == .shutdown {
        reporter?.reportEnd(instruction: [], processor)
      }
      return ending(exit)
    }
    return nil
  }

  private func ending(_ exit: Exit) -> MachineOutcome {
    switch exit {
    case .shutdown: .failed(.tripleFault(processor: number, rip: rip))
    case .internalError(UInt32(KVM_INTERNAL_ERROR_EMULATION), let instruction):
      .failed(.cannotEmulate(processor: number, rip: rip, instruction: instruction))
    case .internalError(let suberror, _): .failed(.internalError(processor: number, rip: rip, suberror: suberror))
    case .failedEntry(let reason): .failed(.failedEntry(processor: number, rip: rip, reason: reason))
    case .systemEvent(UInt32(KVM_SYSTEM_EVENT_SHUTDOWN)), .systemEvent(UInt32(KVM_SYSTEM_EVENT_RESET)): .reset
    case .unknown(let reason): .failed(.unexpectedExit(processor: number, rip: rip, reason: reason))
    default: .failed(.unexpectedExit(processor: number, rip: rip, reason: UInt32(KVM_EXIT_SYSTEM_EVENT)))
    }
  }

  private var rip: UInt64 {
    (try? processor.registers())?.rip ?? 0
  }
}
