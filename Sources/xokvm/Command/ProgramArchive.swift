import BootArchive
import GuestImages
import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The boot archive for a list of programs, bundled ones and files of the host. It carries no others: the kernel would
/// have to look past them, and each of their pages would be copied.
struct ProgramArchive {
  /// The archive.
  let image: ImageSource
  /// What the kernel's command line says of the programs, one word each.
  let words: [String]
  /// The programs that are files of the host, by the names that they have in the archive.
  let files: [(source: ImageSource, name: String)]

  /// `memoryByteCount` is the guest's memory in bytes, into which the archive must fit.
  init(_ programs: [ProgramArgument], memoryByteCount: Int = 256 << 20) throws {
    let bundled = GuestImages.programPlaces()
    let names = bundled.map(\.name)
    // Names that are taken: of the bundled programs that run here, and then of the files.
    var taken = names.filter { name in programs.contains { $0.name == name } }
    var archive = BootArchive()
    var carried: [String] = []
    var words: [String] = []
    // A file that is named twice is carried once.
    var nameOfFile: [(source: ImageSource, name: String)] = []
    for program in programs {
      let isPath = program.name.utf8.contains(UInt8(ascii: "/"))
      let name: String
      if !isPath, names.contains(program.name) {
        name = program.name
        if !carried.contains(name), let place = bundled.first(where: { $0.name == name }) {
          archive.append(name, GuestImages.programs(in: place.range))
          carried.append(name)
        }
      } else if let known = nameOfFile.first(where: { $0.source.name == program.name }) {
        name = known.name
      } else {
        // Safe: the string lives for the duration of the call.
        guard unsafe isPath || access(program.name, F_OK) == 0 else {
          throw CommandFailure(
            status: .noInput,
            "there is no program '\(program.name)': name one of \(names.joined(separator: ", ")), or an ELF file")
        }
        let source = try ImageSource(opening: program.name)
        // Before there is an array of that size.
        guard source.byteCount <= memoryByteCount else {
          throw CommandFailure(
            status: .dataError,
            "\(program.name) has \(source.byteCount) bytes, more than the guest's \(memoryByteCount >> 20) MiB: "
              + "raise --memory, or strip it")
        }
        let contents = try source.bytes(from: 0, byteCount: source.byteCount)
        guard Self.isProgram(contents) else {
          throw CommandFailure(
            status: .dataError,
            "\(program.name) is \(Self.format(of: contents))not a program: "
              + "name a statically linked 64-bit ELF executable for x86-64"
          )
        }
        name = Self.uniqueName(program.name, among: taken)
        archive.append(name, contents)
        taken.append(name)
        nameOfFile.append((source, name))
      }
      words.append("app=" + name + (program.arguments.isEmpty ? "" : ":" + program.arguments))
    }
    self.words = words
    files = nameOfFile
    image = ImageSource(archive.finished(), name: "the program archive")
  }

  /// What a file that is no program is, with a comma behind it, where that is known.
  private static func format(of contents: [UInt8]) -> String {
    // An ELF file of another kind is what the rest of the message is about.
    guard !contents.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return "" }
    return FileFormat.name(of: Array(contents.prefix(FileFormat.prefixByteCount))).map { "\($0), " } ?? ""
  }

  /// Whether `contents` start as a 64-bit little-endian executable for x86-64 that is not to be relocated; the kernel
  /// checks the rest.
  private static func isProgram(_ contents: [UInt8]) -> Bool {
    contents.count >= 64 && contents[0..<6] == [0x7f, 0x45, 0x4c, 0x46, 2, 1] && contents[16..<20] == [2, 0, 62, 0]
  }

  /// The file's name without its directory and `.elf`, in bytes that the kernel's command line can hold, unlike
  /// `names`.
  private static func uniqueName(_ path: String, among names: [String]) -> String {
    var base = String(path.split(separator: "/").last ?? "program")
    if base.hasSuffix(".elf"), base.utf8.count > 4 { base.removeLast(4) }
    let bytes = base.utf8.prefix(BootArchive.nameLimit - 8).map { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a ? $0 : 0x5f }
    base = String(decoding: bytes, as: UTF8.self)
    var name = base
    var number = 2
    while names.contains(name) {
      name = "\(base)-\(number)"
      number += 1
    }
    return name
  }
}
