import ArgumentParser
import ExokernelABI
import Hypervisor

// What is looked at before the machine is made.
extension BootCommand {
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

  /// No output may be a file that is there for something else.
  func refuseOutputsInUse() throws {
    var uses = FileUses()
    if let kernel { uses.add("the kernel", kernel) }
    for program in app { uses.add("--app", program.name) }
    for path in module { uses.add("--module", path) }
    for disk in disk { uses.add("--disk", disk.configuration.path) }
    if let stats { try uses.add(output: "--stats", stats) }
    if case .file(let path) = console.target { try uses.add(output: "--console file=", path) }
  }

  /// What was asked for and the exokernel leaves alone, one line each.
  var unusedValues: [String] {
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

  /// Refuses a machine in which the bundled kernel would end at once.
  func checkMemory(for kernel: ImageSource, _ archive: ImageSource) throws {
    let least = LeastMemory.mebibytes(kernelEnd: Int(try ELFImage(kernel).end), archive: archive.byteCount)
    guard memory < least else { return }
    throw CommandFailure(
      status: .dataError,
      "the bundled kernel and these programs do not run in \(memory) MiB: give --memory \(least) or more")
  }
}
