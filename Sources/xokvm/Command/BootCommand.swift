import ArgumentParser
import ExokernelABI
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

  func validate() throws {
    let sizes = 1...MachineConfiguration.maximumMemoryByteCount >> 20
    guard sizes.contains(memory) else {
      throw ValidationError("--memory \(memory) is not a size in MiB from 1 to \(sizes.upperBound)")
    }
    let numbers = 1...MachineConfiguration.maximumProcessorCount
    guard numbers.contains(cpus) else {
      throw ValidationError("--cpus \(cpus) is not a number from 1 to \(numbers.upperBound)")
    }
    if kernel?.isEmpty == true {
      throw ValidationError("the name of the kernel is empty: name a file, or none for the bundled kernel")
    }
    if kernel == nil, app.count > BooksLayout.environments {
      throw ValidationError(
        "--app is given \(app.count) times: the exokernel runs \(BooksLayout.environments) programs at most")
    }
    if network.contains(.none), network.count > 1 {
      throw ValidationError("--network none excludes other networks")
    }
    for (index, port) in publish.enumerated() {
      guard let other = publish[..<index].first(where: { $0.excludes(port) }) else { continue }
      throw ValidationError(
        "--publish is given port \(port.hostPort) of \(port.hostAddress) for \(port.guestPort), which it has already "
          + "as \(other.hostAddress):\(other.hostPort) for \(other.guestPort): use two host ports")
    }
    if !publish.isEmpty, !network.isEmpty, !network.contains(.user) {
      throw ValidationError("--publish needs --network user")
    }
  }

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

  /// No output may be a file that is there for something else.
  private func refuseOutputsInUse() throws {
    var uses = FileUses()
    if let kernel { uses.add("the kernel", kernel) }
    for program in app { uses.add("--app", program.name) }
    for path in module { uses.add("--module", path) }
    for disk in disk { uses.add("--disk", disk.configuration.path) }
    if let stats { try uses.add(output: "--stats", stats) }
    if case .file(let path) = console.target { try uses.add(output: "--console file=", path) }
  }

  /// What was asked for and the exokernel leaves alone, one line each.
  private var unusedValues: [String] {
    var lines: [String] = []
    let usable = Int(min(GuestMemory.lowEnd.rawValue, AddressMap.directMapSize) >> 20)
    if memory > usable { lines.append("the exokernel uses the first \(usable) MiB of --memory \(memory)") }
    let limits = [
      ("--cpus \(cpus)", cpus, BooksLayout.processors), ("\(disk.count) disks", disk.count, BooksLayout.disks),
      ("\(networks.count) networks", networks.count, BooksLayout.interfaces),
    ]
    for (what, count, limit) in limits where count > limit {
      lines.append("the exokernel uses the first \(limit) of \(what)")
    }
    return lines
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
    var maps = CodeMaps(kernelFile: kernel)
    if !programs.isEmpty {
      let archive = try ProgramArchive(programs)
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
    configuration.codeMap = { [maps] in maps[$0] }
    configuration.signals = [SIGINT, SIGTERM, SIGHUP]
    return configuration
  }

  /// Refuses a machine in which the bundled kernel would end at once.
  private func checkMemory(for kernel: ImageSource, _ archive: ImageSource) throws {
    let least = LeastMemory.mebibytes(kernelEnd: Int(try ELFImage(kernel).end), archive: archive.byteCount)
    guard memory < least else { return }
    throw CommandFailure(
      status: .dataError,
      "the bundled kernel and these programs do not run in \(memory) MiB: give --memory \(least) or more")
  }

  /// The cards; the first user network gets the published ports.
  private var networks: [NetworkConfiguration] {
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
