import ArgumentParser
import CodeMap
import GuestImages
import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `xokvm boot`: runs a virtual machine until it ends, and ends with its status.
struct BootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boot",
    abstract: "Boots a kernel in a virtual machine: the bundled exokernel unless another is named.",
    discussion: """
      The command ends with the guest's status, with 124 when time is up, with 130 after Ctrl-C (128 + n after signal n), with 141 \
      when the console's reader has gone away, or with a status of sysexits(3): 64 wrong use, 65 wrong input, 66 missing \
      input, 69 no KVM, 70 the guest crashed, 71, 73, 74 the host refused something, 77 no permission.

      On a terminal, Ctrl-C or Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends Ctrl-A; every other key is the guest's, Ctrl-\\ and Ctrl-Z, \
      too.

      Bundled programs, with their arguments divided by commas:
        hello[:fault]           tells what it holds; with fault it makes a mistake
        web[:ARG,...]           serves its disk, a tar archive, by HTTP; ip=A.B.C.D/N
                                (else by DHCP), gateway=, port=, disk=, interface=
        status[:ARG,...]        serves the books as a web page; ARG as of web
        books[:once|:frames=N]  draws the books in the terminal; to be named first
      """)

  @Argument(help: "A PVH kernel, an ELF file. With it, no programs are given to the kernel unless --app is.")
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      """
      A program to run: a bundled one by its name or an ELF file, and behind a colon its arguments. A path may hold colons where the \
      file is there. May be repeated; hello twice by default.
      """,
      valueName: "NAME|FILE[:ARG,...]"), transform: ProgramArgument.init(parsing:))
  var app: [ProgramArgument] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Guest memory in MiB, from 1 to 1048576; 256 by default.", valueName: "MIB"),
    transform: integer(in: 1...MachineConfiguration.maximumMemoryByteCount >> 20, "MiB"))
  var memory = 256

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How many vCPUs, from 1 to 255; 1 by default.", valueName: "COUNT"),
    transform: integer(in: 1...MachineConfiguration.maximumProcessorCount, "vCPUs"))
  var cpus = 1

  @Option(
    help: ArgumentHelp(
      "A disk image. May be repeated. A file whose own name ends in ,readonly is named whole.",
      valueName: "FILE[,readonly]"))
  var disk: [DiskArgument] = []

  @Option(
    help: ArgumentHelp(
      "A network card and what it is connected to. May be repeated.", valueName: "none|user|tap=NAME|unix=PATH"))
  var network: [NetworkArgument] = []

  @Option(
    help: ArgumentHelp(
      "A TCP port of the host that leads to one of the guest; implies --network user. May be repeated.",
      valueName: "[ADDRESS:]HOSTPORT:GUESTPORT"), transform: PublishedPort.init(parsing:))
  var publish: [PublishedPort] = []

  @Option(help: ArgumentHelp("Text for the kernel's command line. May be repeated.", valueName: "TEXT"))
  var commandLine: [String] = []

  @Option(help: ArgumentHelp("A boot module for the kernel. May be repeated.", valueName: "FILE"))
  var module: [String] = []

  @Option(help: ArgumentHelp("Where the console goes.", valueName: "stdio|file=PATH|none"))
  var console = ConsoleArgument(target: .standard)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Ends the machine after so many seconds, with status 124.", valueName: "SECONDS"),
    transform: seconds)
  var timeout: Double?

  @Option(help: ArgumentHelp("Writes measures to a file, as JSON, when the machine has ended.", valueName: "FILE"))
  var stats: String?

  func run() throws {
    // Before anything sleeps or another thread runs; see there.
    let start = stats == nil ? EventLoop.now : MachineStatistics.processStart()
    let statistics = MachineStatistics(start: start)
    // Opened now, so that a file that cannot be written is told early; left as it is until the machine starts.
    let report = try stats.map { try openOutput($0) }
    if kernel == nil { for line in unusedValues { StandardError.say("warning: \(line)") } }
    let machine: VirtualMachine
    do {
      try refuseOutputsInUse()
      machine = try VirtualMachine(try machineConfiguration(), statistics: statistics)
      try report?.beginWriting()
    } catch {
      report?.discard()
      throw error
    }
    let outcome = machine.run()
    try report?.store(Array(statistics.json(outcome: outcome).utf8))
    if case .failed(let failure) = outcome {
      throw CommandFailure(
        status: outcome.exitStatus,
        failure.description + (machine.kernelLine.map { "; the kernel said '\($0)'" } ?? ""))
    }
    if case .exited(let status) = outcome, Self.tellingStatuses.contains(status) {
      // The guest told why on its console, which need not be where errors are looked for.
      throw CommandFailure(
        status: outcome.exitStatus,
        "the guest ended with status \(status): see its console"
          + (machine.kernelLine.map { ", where the kernel said '\($0)'" }
            ?? machine.lastConsoleLine.map { ", whose last line was '\($0)'" } ?? " with --console stdio"))
    }
    // What was lost of the console was told when it was lost.
    let hasLostConsole = machine.consoleError != nil && outcome.exitStatus == .success
    throw CommandEnd(status: hasLostConsole ? .ioError : outcome.exitStatus)
  }

  /// The statuses of sysexits(3), by which kernel and programs say that they could not do their work.
  private static let tellingStatuses: ClosedRange<UInt8> = 64...78

  private func machineConfiguration() throws -> MachineConfiguration {
    var words = commandLine
    var modules: [(image: ImageSource, commandLine: String)] = []
    let image: ImageSource
    if let kernel {
      image = try ImageSource(opening: kernel)
    } else {
      image = ImageSource(GuestImages.kernel(), name: "the bundled kernel")
    }
    var programs = app
    if kernel == nil, app.isEmpty { programs = [ProgramArgument(name: "hello"), ProgramArgument(name: "hello")] }
    if console.target == .standard { programs = programs.map { $0.fitting(rows: TerminalSize.rows(STDOUT_FILENO)) } }
    var maps = CodeMaps(kernelFile: kernel == nil ? nil : image)
    if !programs.isEmpty {
      let archive = try ProgramArchive(programs, memoryByteCount: memory << 20)
      if kernel == nil { try checkMemory(for: image, archive.image) }
      maps.files = archive.files
      modules.append((archive.image, "programs"))
      words += archive.words
    }
    for path in module { modules.append((try ImageSource(opening: path), path)) }
    var configuration = MachineConfiguration(
      boot: BootConfiguration(kernel: image, modules: modules, commandLine: words.joined(separator: " ")),
      memoryByteCount: memory << 20, processorCount: cpus, console: console.target)
    configuration.disks = disk.map { $0.configuration }
    configuration.networks = networks
    configuration.timeLimit = timeout.map { UInt64($0 * 1e9) }
    configuration.codeMap = { [maps] name throws(CodeMap.ReadingError) in try maps.map(of: name) }
    configuration.signals = [SIGINT, SIGTERM, SIGHUP]
    return configuration
  }

  /// The cards; the first user network gets the published ports.
  var networks: [NetworkConfiguration] {
    let asked = network.isEmpty && !publish.isEmpty ? [.user] : network
    var ports = publish
    return asked.compactMap { argument in
      switch argument {
      case .none: return nil
      case .user:
        defer { ports = [] }
        return .user(publishing: ports)
      case .tap(let name): return .tap(name: name)
      case .unix(let path): return .unix(path: path)
      }
    }
  }
}
