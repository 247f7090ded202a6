/// ELF files that were made to keep their reader busy, or to bring it down. Each costs far more than its size, or holds
/// a value that no compiler writes.
struct HostileELF: CustomStringConvertible, Sendable {
  let description: String
  let bytes: @Sendable () -> [UInt8]

  init(_ description: String, _ bytes: @escaping @Sendable () -> [UInt8]) {
    self.description = description
    self.bytes = bytes
  }

  /// One compilation unit of version 4 with that body, whose abbreviations are at the section's start.
  private static func unit(_ body: [UInt8]) -> [UInt8] { counted([4, 0] + little(0, 4) + [8] + body) }

  /// The abbreviations of a unit with children (1), and of a function with attributes (2).
  private static func abbreviations(_ attributes: [UInt8], unit: [UInt8] = []) -> [UInt8] {
    [1, 0x11, 1] + unit + [0, 0, 2, 0x2e, 0] + attributes + [0, 0, 0]
  }

  /// A line program of version 4 with one file and those instructions, which may use opcodes from 13 on.
  private static func lines(_ instructions: [UInt8]) -> [UInt8] {
    let rest: [UInt8] =
      [1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0] + Array("a.c".utf8) + [0, 0, 0, 0, 0]
    return counted([4, 0] + little(rest.count, 4) + rest + instructions)
  }

  /// A common entry of .debug_frame with those initial instructions.
  private static func common(_ instructions: [UInt8]) -> [UInt8] {
    counted([0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, 16] + instructions)
  }

  /// An entry of .debug_frame for code at 0x1000, whose common one is at the section's start.
  private static func frames(_ instructions: [UInt8]) -> [UInt8] {
    counted(little(0, 4) + little(0x1000, 8) + little(0x1000, 8) + instructions)
  }

  /// Saves each register that a number may name.
  private static let everyRegister: [UInt8] = (0..<256).flatMap { number -> [UInt8] in
    [5, UInt8(number & 0x7f) | 0x80, UInt8(number >> 7), 1]
  }
  private static let setAddress: [UInt8] = [0, 9, 2] + little(0x1000, 8)
  private static let long = [UInt8](repeating: 0x61, count: 1 << 20)

  /// Those that want time or memory.
  static let greedy = [
    HostileELF("tables of a million files without a format, 20 bytes each") {
      let rest: [UInt8] = [1, 1, 1, 0xfb, 14, 1, 0, 0xff, 0xff, 0x3f, 0, 0xff, 0xff, 0x3f]
      return SectionFile.of([".debug_line": repeated(counted([5, 0, 8, 0] + little(rest.count, 4) + rest), 20_000)])
    },
    HostileELF("a row for each of a million bytes") {
      SectionFile.of([".debug_line": lines(setAddress + repeated([0x20], 4 << 20) + [0, 1, 1])])
    },
    HostileELF("a million units with one table of abbreviations of a megabyte") {
      let table = repeated([3, 0x2e, 0, 3, 8, 0, 0], 150_000) + [0]
      return SectionFile.of([".debug_abbrev": table, ".debug_info": repeated(unit([0]), 100_000)])
    },
    HostileELF("entries of one byte with attributes that have no bytes") {
      let table = abbreviations(repeated([0x3c, 0x19], 200_000))
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + repeated([2], 200_000))])
    },
    HostileELF("names that are tails of one string without an end") {
      let table = abbreviations([3, 0x0e, 0x11, 1, 0x12, 6])
      let entries = (0..<20_000).flatMap { place -> [UInt8] in
        [2] + little(place, 4) + little(0x1000 + place % 0x1000, 8) + little(1, 4)
      }
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + entries), ".debug_str": long])
    },
    HostileELF("symbols that are tails of one string without an end") {
      let symbols = (1..<20_000).flatMap { place -> [UInt8] in
        little(place, 4) + [2, 0, 1, 0] + little(0x1000 + place % 0x1000, 8) + little(1, 8)
      }
      return SectionFile.of([".symtab": symbols, ".strtab": long])
    },
    HostileELF("functions that share one list of ranges") {
      let table = abbreviations([3, 8, 0x55, 0x17])
      let list = repeated(little(0x1000, 8) + little(0x1001, 8), 60_000)
      let entries = repeated([2, 0x61, 0] + little(0, 4), 20_000)
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + entries), ".debug_ranges": list])
    },
    HostileELF("entries that each read a table of files") {
      let table = abbreviations([0x10, 0x17])
      let entries = repeated([2] + little(0, 4), 50_000)
      let files = repeated([0x61, 0, 0, 0, 0], 100_000)
      let rest: [UInt8] = [1, 1, 1, 0xfb, 14, 1, 0] + files + [0]
      let line = counted([4, 0] + little(rest.count, 4) + rest)
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + entries), ".debug_line": line])
    },
    HostileELF("rows of 256 saved registers, three bytes each") {
      let entry = frames(everyRegister + repeated([0x41, 0x83, 1], 300_000))
      return SectionFile.of([".debug_frame": common([]) + entry])
    },
    HostileELF("states that are remembered and never restored") {
      let entry = frames(everyRegister + repeated([0x0a, 0x83, 1], 300_000))
      return SectionFile.of([".debug_frame": common([]) + entry])
    },
    HostileELF("entries of call frames that share one long common one") {
      let start = common(repeated([0x83, 1], 500_000))
      return SectionFile.of([".debug_frame": start + repeated(frames([]), 40_000)])
    },
    HostileELF("sections named by tails of one string without an end, each of them code") {
      var file = SectionFile()
      for _ in 0..<60_000 { file.add("", [0x90], flags: 6, address: 0x100_0000) }
      file.add(".debug_line", lines(setAddress + repeated([0x20], 1 << 17) + [0, 1, 1]))
      let symbols = repeated(little(1, 4) + [2, 0, 1, 0] + little(0x1000, 8) + little(1, 8), 40_000)
      file.add(".symtab", symbols)
      file.add(".strtab", Array("\0aa\0".utf8))
      return file.bytes
    },
    HostileELF("a mangled name of a million identifiers") {
      let name = Array("$s".utf8) + repeated(Array("1a".utf8), 500_000)
      let symbols = little(1, 4) + [2, 0, 1, 0] + little(0x1000, 8) + little(1, 8)
      return SectionFile.of([".symtab": symbols, ".strtab": [0] + name])
    },
    HostileELF("inlined calls at one place, a million") {
      let table =
        [1, 0x11, 1, 0, 0, 2, 0x2e, 1, 3, 8, 0x11, 1, 0x12, 6, 0, 0] + [3, 0x1d, 1, 0x11, 1, 0x12, 6, 0, 0, 0]
        as [UInt8]
      let function = [2, 0x61, 0] + little(0x1000, 8) + little(0x1000, 4)
      let call = [3] + little(0x1000, 8) + little(0x1000, 4)
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + function + repeated(call, 500_000))])
    },
  ]

  /// Those that hold values at the end of what a number can hold, or lead in a circle.
  static let extreme = [
    HostileELF("a mangled name whose length is the greatest number") {
      let symbols = little(1, 4) + [2, 0, 1, 0] + little(0x1000, 8) + little(1, 8)
      return SectionFile.of([".symtab": symbols, ".strtab": [0] + Array("$s9223372036854775807main".utf8) + [0]])
    },
    HostileELF("numbers of seven bits a byte without an end") {
      let endless = [UInt8](repeating: 0xff, count: 4096)
      return SectionFile.of([
        ".debug_info": unit([1, 2] + endless), ".debug_abbrev": endless, ".debug_line": lines([2] + endless),
        ".debug_frame": common([5] + endless) + frames([0x0e] + endless), ".eh_frame": endless,
      ])
    },
    HostileELF("lengths and offsets of 2^32 - 17") {
      let greatest = little(0xffff_ffef, 4)
      return SectionFile.of([
        ".debug_info": greatest + [4, 0] + greatest + [8, 1],
        ".debug_abbrev": [1, 0x11, 1, 3, 0x0e, 0x10, 0x17, 0, 0, 0],
        ".debug_line": greatest + [4, 0] + greatest + [0, 0, 0, 0, 0], ".debug_frame": greatest + greatest,
      ])
    },
    HostileELF("entries that are their own origin") {
      let table = abbreviations([0x31, 0x13, 0x11, 1, 0x12, 6])
      let own = [2] + little(12, 4) + little(0x1000, 8) + little(16, 4)
      return SectionFile.of([".debug_abbrev": table, ".debug_info": unit([1] + own)])
    },
    HostileELF("common entries that are call frames, themselves, or outside") {
      let places: [Int] = [0, 4, 8, 0x7fff_ffff, 0xffff_fffe]
      let text = places.flatMap { place -> [UInt8] in
        counted(little(place, 4) + little(0x1000, 8) + little(-1, 8) + [0x41])
      }
      return SectionFile.of([".debug_frame": text])
    },
    HostileELF("a line program of greatest steps, lines and files") {
      let greatest: [UInt8] = repeated([0xff], 9) + [0x7f]
      let steps = [2] + greatest + [3] + greatest + [4] + greatest + [8, 9, 0xff, 0xff, 0xff, 1]
      return SectionFile.of([".debug_line": lines(setAddress + repeated(steps, 50) + [0, 1, 1])])
    },
    HostileELF("frames with expressions and with the least and greatest offsets") {
      let least: [UInt8] = repeated([0x80], 9) + [0x7f]
      let body = [0x0f, 2, 0x77, 8] as [UInt8]
      let offsets = [0x12, 7] + least + [0x11, 16] + least + [0x41, 0x13] + least + [0x04] + little(-1, 4) + [0x0b]
      return SectionFile.of([".debug_frame": common([]) + frames(body) + frames(offsets)])
    },
  ]
}
