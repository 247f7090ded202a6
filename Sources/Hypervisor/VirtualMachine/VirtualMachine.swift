import CKVM
import ExokernelABI
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A virtual machine: guest memory with a kernel in it, vCPUs, devices, and the event loop that serves them.
///
/// It is assembled by `init`, which checks everything and runs nothing, and lives during `run`.
public final class VirtualMachine {
  /// When it reached what, and what it cost.
  public let statistics: MachineStatistics
  /// The I/O thread's loop; it runs on the thread that calls `run`.
  public let loop: EventLoop

  private let memory: GuestMemory
  private let descriptor: VirtualMachineDescriptor
  private let control: MachineControl
  private let slots: VirtioSlots
  private let processors: [ProcessorThread]
  let console: Console
  private let signals: SignalEvents?
  private let timeLimit: UInt64?

  /// Makes the machine that `configuration` describes. With a `tracer`, vCPU 0 is followed instruction by instruction.
  public init(
    _ configuration: MachineConfiguration, statistics: MachineStatistics = MachineStatistics(start: EventLoop.now),
    tracer: InstructionTracer? = nil
  ) throws(MachineError) {
    self.statistics = statistics
    let consoleFile = try Console.open(configuration.console)
    var isComplete = false
    defer { if !isComplete { consoleFile?.discard() } }
    do {
      memory = try GuestMemory(byteCount: configuration.memoryByteCount)
      loop = try EventLoop()
      let control = MachineControl(loop: loop)
      self.control = control
      let devices = try Self.devices(configuration, loop: loop)
      let kvm = try KVM(path: configuration.kvmPath)
      descriptor = try kvm.makeVirtualMachine()
      try descriptor.register(memory)
      try descriptor.makeInterruptController()

      var buses = MachineBuses()
      console = try Console(
        configuration.console, file: consoleFile, loop: loop, control: control, statistics: statistics)
      try console.attach(to: &buses, descriptor, memory: memory)
      try Self.addControlPorts(to: &buses, control: control, statistics: statistics)
      slots = VirtioSlots(memory: memory, loop: loop)
      for device in devices { try slots.add(device, to: &buses.memory, descriptor) }

      var kernel = configuration.boot
      kernel.commandLine += slots.commandLine
      let boot = try PVHBoot(kernel, into: memory)
      tracer?.attach(memory)
      let reporter = CrashReporter(memory: memory, maps: configuration.codeMap) { [console] in console.print($0) }
      var processors: [ProcessorThread] = []
      let cpuid = try kvm.supportedCPUID()
      for number in 0..<configuration.processorCount {
        let processor = try descriptor.makeProcessor(number)
        try processor.setCPUID(
          cpuid.forProcessor(
            UInt32(number), of: UInt32(configuration.processorCount), hasDeadlineTimer: descriptor.hasDeadlineTimer,
            timestampKilohertz: processor.timestampKilohertz))
        if number == 0 { try boot.prepare(processor) }
        processors.append(
          ProcessorThread(
            processor, number: number, buses: buses, control: control, tracer: number == 0 ? tracer : nil,
            reporter: reporter,
            onStart: { if number == 0 { statistics.mark(.firstGuestInstruction) } }))
      }
      self.processors = processors
      signals =
        configuration.signals.isEmpty
        ? nil : try SignalEvents(configuration.signals, loop: loop) { control.finish(.signalled($0)) }
    } catch let error as KVMError {
      throw .kvm(error)
    } catch let error as GuestMemoryError {
      throw .memory(error)
    } catch let error as DiskImageError {
      throw .disk(error)
    } catch let error as TapError {
      throw .tap(error)
    } catch let error as UnixStreamError {
      throw .unixStream(error)
    } catch let error as PublishError {
      throw .publish(error)
    } catch let error as BootError {
      throw .boot(error)
    } catch let error as EventLoopError {
      throw .eventLoop(error)
    } catch let error as AddressBusError {
      throw .bus(error)
    } catch let error as MachineError {
      throw error
    } catch {
      // The calls above throw nothing else.
      throw .eventLoop(.cannotCreate(.invalidArgument))
    }
    timeLimit = configuration.timeLimit
    isComplete = true
    statistics.mark(.vmCreated)
  }

  /// The virtio devices in their order: disks, network cards, and a source of random numbers.
  private static func devices(_ configuration: MachineConfiguration, loop: EventLoop) throws -> [any VirtioDevice] {
    var devices: [any VirtioDevice] = []
    for (index, disk) in configuration.disks.enumerated() {
      let image = try DiskImage(path: FilePath(disk.path), isReadOnly: disk.isReadOnly)
      devices.append(VirtioBlockDevice(image: image, identifier: "xokvm-disk-\(index)"))
    }
    for (index, network) in configuration.networks.enumerated() {
      let backend: any NetworkBackend =
        switch network {
        case .user(let ports): try UserNetworkBackend(publishing: ports, loop: loop)
        case .tap(let name): try TapBackend(name: name, loop: loop)
        case .unix(let path): try UnixStreamBackend(path: path, loop: loop)
        case .echo: EchoBackend()
        }
      devices.append(VirtioNetDevice(backend: backend, macAddress: MACAddress(index: UInt32(index + 1))))
    }
    devices.append(VirtioEntropyDevice())
    return devices
  }

  private static func addControlPorts(
    to buses: inout MachineBuses, control: MachineControl, statistics: MachineStatistics
  ) throws(AddressBusError) {
    let exit = { @Sendable (status: UInt8) in control.finish(.exited(status: status)) }
    try buses.ports.add(ExitPort(.plain, onExit: exit), at: UInt64(MachinePort.exit), byteCount: 1)
    try buses.ports.add(ExitPort(.debugExit, onExit: exit), at: UInt64(MachinePort.debugExit), byteCount: 4)
    try buses.ports.add(YieldPort(), at: UInt64(MachinePort.yield), byteCount: 1)
    try buses.ports.add(ResetPort { control.finish(.reset) }, at: ResetPort.port, byteCount: 1)
    let milestones = MilestonePort { milestone in
      switch milestone {
      case .kernelReady: statistics.mark(.kernelReady)
      case .firstEnvironment: statistics.mark(.firstLibOSInstruction)
      }
    }
    try buses.ports.add(milestones, at: UInt64(MachinePort.milestone), byteCount: 1)
  }

  /// Runs the machine until it ends, serving its devices on the calling thread. To be called once.
  public func run() -> MachineOutcome {
    if let timeLimit {
      loop.schedule(after: timeLimit) { [control] in control.finish(.timedOut) }
    }
    console.startInput()
    do {
      for processor in processors { try processor.start() }
      // The guest's first steps do not wait for this.
      try console.startOutput()
      loop.run()
    } catch let error as KVMError {
      control.finish(.failed(.host(error)))
    } catch {
      control.finish(.failed(.host(.refused(request: "a thread for the console", .resourceTemporarilyUnavailable))))
    }
    let outcome = control.outcome ?? .quit
    for processor in processors { processor.kick() }
    for processor in processors { processor.join() }
    slots.shutDown()
    // A guest that ended by itself had its last words; a user who ends it does not want to wait for a slow reader.
    switch outcome {
    case .exited, .reset, .failed: console.finish(grace: 2000)
    case .quit, .signalled, .timedOut, .consoleClosed: console.finish(grace: 100)
    }
    statistics.mark(.exit)
    collectStatistics()
    return outcome
  }

  /// The last line on the guest's console, without control characters and cut where it is long; nil where nothing was
  /// written, or there is no console. Any thread.
  public var lastConsoleLine: String? { console.lastLine }

  /// The first line that our kernel wrote in its own name, which it does where something is wrong; nil where there was
  /// none. Any thread.
  public var kernelLine: String? { console.kernelLine }

  /// Why the host refused to write the console, the first time; nil where it did not. Any thread.
  public var consoleError: Errno? { console.result.error }

  /// Ends the machine. May be called from any thread, before `run` as well.
  public func quit() {
    control.finish(.quit)
  }

  private func collectStatistics() {
    let counts = processors.map { $0.emulatedInstructions }
    statistics.collect(
      exits: processors.reduce(ExitCounts()) { $0 + $1.exits },
      emulatedInstructions: counts.contains(nil) ? nil : counts.reduce(0) { $0 + ($1 ?? 0) }, memory: memory,
      console: (console.result.written, console.result.dropped))
  }
}
