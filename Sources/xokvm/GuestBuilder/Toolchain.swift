/// Where the Swift toolchain's programs are.
struct Toolchain {
  /// The Swift compiler.
  let swiftc: String
  /// The assembler.
  let clang: String
  /// The linker.
  let linker: String
  /// Takes symbols out of ELF files.
  let objcopy: String
  /// This builder: it makes maps of code.
  let mapper: String
}

/// The flags of guest code. All modules of one ring have the same, whatever they are built for.
enum GuestFlags {
  /// Every guest module.
  static let common = [
    "-target", "x86_64-unknown-none-elf", "-enable-experimental-feature", "Embedded", "-enable-experimental-feature",
    "Extern",
    "-wmo", "-parse-as-library", "-swift-version", "6", "-O", "-strict-memory-safety", "-warnings-as-errors",
    "-enable-upcoming-feature", "ExistentialAny",
    "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector", "-Xcc", "-fno-pic", "-Xcc",
    "-fomit-frame-pointer", "-Xcc", "-ffreestanding",
    // Line tables, for epitaphs: they stay beside the images.
    "-gline-tables-only",
  ]

  /// What ring 0 needs besides: interrupts may come at any instruction, and the FPU belongs to ring 3.
  static let ringZero = [
    "-Xcc", "-mno-red-zone", "-Xcc", "-mno-sse", "-Xcc", "-mno-mmx", "-Xcc", "-mno-implicit-float", "-Xcc",
    "-mcmodel=kernel",
    "-no-allocations",
    // Two conditions stay two branches: joining them saves mispredictions on hosts with native ring 0, which a path
    // this short does not have, and costs instructions, which is what counts where ring 0 is emulated.
    "-Xllvm", "-x86-br-merging-base-cost=-1", "-Xllvm", "-bonus-inst-threshold=0",
    // Loops keep the one counter that they are written with.
    "-Xllvm", "-disable-lsr",
    // A sum of three is one instruction, on every processor that has the rest; some take two cycles for it.
    "-Xcc", "-Xclang", "-Xcc", "-target-feature", "-Xcc", "-Xclang", "-Xcc", "-slow-3ops-lea",
  ]

  /// Folders of the C modules that guest code imports.
  static let cModules = ["Sources/Exokernel/CRingZero", "Sources/GuestLibOS/CLibOS"]

  /// Folders of what assembly files include.
  static let includes = [
    "Sources/Exokernel/Assembly", "Sources/Exokernel/RingZero", "Sources/Exokernel/RingZero/Entry",
    "Sources/GuestLibOS/LibOS/Calls",
  ]

  /// Assembly files.
  static let assembly = ["-target", "x86_64-unknown-none-elf", "-gdwarf-4"] + includes.flatMap { ["-I", $0] }

  /// Every guest image.
  static let link = ["-static", "--gc-sections", "-z", "noexecstack", "--no-dynamic-linker"]
}
