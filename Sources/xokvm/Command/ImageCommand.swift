import ArgumentParser
import GuestImages

/// `xokvm image`: writes the bundled images to files, for other virtual machine monitors.
struct ImageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Writes the bundled kernel and program archive to files.",
    discussion: "They boot elsewhere, for example with qemu-system-x86_64 -M microvm -kernel KERNEL -initrd PROGRAMS.")

  @Option(help: ArgumentHelp("Where to write the kernel, an ELF file with a PVH entry.", valueName: "FILE"))
  var kernel: String?

  @Option(help: ArgumentHelp("Where to write the programs, a ustar archive.", valueName: "FILE"))
  var programs: String?

  func run() throws {
    // Here, since `validate` is called before words that nobody expects are refused.
    guard kernel != nil || programs != nil else {
      throw CommandFailure(
        status: .usage, "nothing to write, give --kernel FILE or --programs FILE: see 'xokvm image --help'")
    }
    let outputs = try [(kernel, GuestImages.kernel), (programs, GuestImages.programs)]
      .compactMap { path, image in try path.map { (file: try WholeFile($0), image: image) } }
    if outputs.count == 2, outputs[0].file.isSame(as: outputs[1].file) {
      throw CommandFailure(
        status: .usage, "--kernel and --programs are one file, \(outputs[0].file.path): name another for one of them")
    }
    do {
      for (file, image) in outputs { try file.store(image()) }
    } catch {
      for (file, _) in outputs { file.discard() }
      throw error
    }
    for (file, _) in outputs { try file.finish() }
  }
}
