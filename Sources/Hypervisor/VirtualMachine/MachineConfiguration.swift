import CodeMap

/// Where the guest's console goes.
public enum ConsoleTarget: Equatable, Sendable {
  /// Standard input and output.
  case standard
  /// Output to a file, which is created or emptied; no input.
  case file(path: String)
  /// Nowhere.
  case none
}

/// A disk image of the host.
public struct DiskConfiguration: Equatable, Sendable {
  /// The image: a file or a block device.
  public var path: String
  /// Whether the guest may only read it.
  public var isReadOnly: Bool

  /// The image at `path`, writable unless said otherwise.
  public init(path: String, isReadOnly: Bool = false) {
    self.path = path
    self.isReadOnly = isReadOnly
  }
}

/// What a network card is connected to.
public enum NetworkConfiguration: Equatable, Sendable {
  /// An in-process network that gives the guest an address and publishes its ports on the host.
  case user(publishing: [PublishedPort])
  /// A TAP device that exists.
  case tap(name: String)
  /// A stream socket that another program listens at.
  case unix(path: String)
  /// Nothing: every frame comes back.
  case echo
}

/// Gives the map of a program's code, or of the kernel's where the name is nil; nil where nothing is known of it.
public typealias CodeMapSource = @Sendable (_ program: String?) throws(CodeMap.ReadingError) -> CodeMap?

/// Everything a virtual machine is made of.
public struct MachineConfiguration: Sendable {
  /// The most guest memory that may be asked for: 1 TiB.
  public static let maximumMemoryByteCount = 1 << 40
  /// The most vCPUs that may be asked for. Local APICs have 8 bits for a processor's number, of which one value means
  /// all: with more vCPUs, what is sent to one would reach another, too.
  public static let maximumProcessorCount = 255

  /// Kernel, modules and command line; the devices' places are appended to the command line.
  public var boot: BootConfiguration
  /// Guest memory in bytes.
  public var memoryByteCount: Int
  /// How many vCPUs; the first starts, the others wait to be started by it.
  public var processorCount: Int
  /// Where the console goes.
  public var console: ConsoleTarget
  /// Disks, in the order in which the guest finds them.
  public var disks: [DiskConfiguration]
  /// Network cards, in the order in which the guest finds them, after the disks.
  public var networks: [NetworkConfiguration]
  /// Ends the machine after so many nanoseconds.
  public var timeLimit: UInt64?
  /// Signals of the process that end the machine.
  public var signals: [Int32]
  /// Gives the map of the code of a program, by the name in its environment's record, or of the kernel's where the name
  /// is nil; asked when something has crashed, on a vCPU's thread, which waits: what takes long is to be given up with
  /// an error, which the console tells.
  public var codeMap: CodeMapSource = { _ in nil }
  /// The KVM device.
  public var kvmPath = "/dev/kvm"

  /// A machine with 256 MiB, one vCPU and a console on standard input and output, unless said otherwise.
  public init(
    boot: BootConfiguration, memoryByteCount: Int = 256 << 20, processorCount: Int = 1,
    console: ConsoleTarget = .standard,
    disks: [DiskConfiguration] = [],
    networks: [NetworkConfiguration] = [], timeLimit: UInt64? = nil,
    signals: [Int32] = []
  ) {
    self.boot = boot
    self.memoryByteCount = memoryByteCount
    self.processorCount = processorCount
    self.console = console
    self.disks = disks
    self.networks = networks
    self.timeLimit = timeLimit
    self.signals = signals
  }
}
