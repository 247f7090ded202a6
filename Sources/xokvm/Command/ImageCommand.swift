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

  func validate() throws {
    if kernel == nil, programs == nil {
      throw ValidationError("nothing to write, give --kernel FILE or --programs FILE")
    }
  }

  func run() throws {
    if let kernel { try store(GuestImages.kernel(), in: try openForWriting(kernel), path: kernel) }
    if let programs { try store(GuestImages.programs(), in: try openForWriting(programs), path: programs) }
  }
}
