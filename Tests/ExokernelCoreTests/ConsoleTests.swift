import RandomFixtures
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("The console")
struct ConsoleTests {
  private func write(_ bytes: [UInt8], _ world: World = World()) -> String {
    world.run(1)
    world.machine.put(world.pageAddress(1) + EnvironmentPage.consoleOffset, bytes: bytes + [0])
    #expect(world.kernel.consoleWrite(count: UInt64(bytes.count)).error == nil)
    return world.machine.takeConsole()
  }

  @Test("a line begins with its author's number and name")
  func prefix() {
    #expect(write(Array("hello, world".utf8)) == "[1 p] hello, world\n")
    #expect(write([]) == "[1 p] \n")
  }

  @Test("the longest line is written whole, a longer one is refused", arguments: [225, 1 << 32, UInt64.max])
  func longest(count: UInt64) {
    let world = World()
    world.run(0)
    #expect(world.kernel.consoleWrite(count: count).error == .badArgument)
    #expect(world.machine.takeConsole() == "")
    let text = String(repeating: "x", count: 224)
    #expect(write(Array(text.utf8), world) == "[1 p] \(text)\n")
  }

  @Test("no control character gets through, wherever it stands")
  func controls() {
    for byte: UInt8 in Array(0..<0x20) + [0x7f] where byte != 9 {
      for place in [0, 3, 7, 8, 11] {
        var text = Array("abcdefghijkl".utf8)
        text[place] = byte
        let line = write(text)
        text[place] = 0x3f
        #expect(line == "[1 p] \(String(decoding: text, as: UTF8.self))\n", "byte \(byte) at \(place)")
      }
    }
    #expect(write([0x61, 9, 0x62]) == "[1 p] a\tb\n")
  }

  @Test("well-formed text in any script gets through, the second set of control characters does not")
  func unicode() {
    for text in ["Grüße, 世界, 🙂 and \u{a0}", "\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "aé", "\u{d7ff}\u{e000}"] {
      #expect(write(Array(text.utf8)) == "[1 p] \(text)\n")
    }
    #expect(write([0xc2, 0x9b, 0x32, 0x4a]) == "[1 p] ??2J\n")
  }

  @Test(
    "bytes that are no characters become question marks",
    arguments: [
      [0x9b], [0x80], [0xc0, 0x9b], [0xc1, 0xbf], [0xe0, 0x82, 0x9b], [0xf0, 0x80, 0x82, 0x9b], [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x99],
    ] as [[UInt8]])
  func malformed(bytes: [UInt8]) {
    #expect(write(bytes) == "[1 p] \(String(repeating: "?", count: bytes.count))\n")
    #expect(write(bytes + [0x61]) == "[1 p] \(String(repeating: "?", count: bytes.count))a\n")
  }

  @Test("random bytes come out as one line of well-formed text without control characters")
  func random() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the console's random bytes: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let world = World()
    for _ in 0..<500 {
      let bytes = (0..<Int.random(in: 0...224, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      // Each line in a period of its own, so that none is dropped.
      world.machine.now += world.kernel.header.value.sliceLength
      world.run(1)
      world.machine.put(world.pageAddress(1) + EnvironmentPage.consoleOffset, bytes: bytes)
      _ = world.kernel.consoleWrite(count: UInt64(bytes.count))
      let line = world.machine.console
      world.machine.console = []
      let text = String(validating: line, as: UTF8.self)
      #expect(text != nil && line.last == 10, "seed \(seed)")
      let controls = text.map {
        $0.unicodeScalars.dropLast().contains { ($0.value < 0x20 && $0.value != 9) || (0x7f...0x9f).contains($0.value) }
      }
      #expect(controls == false, "seed \(seed)")
    }
  }

  @Test("who may write over the console draws bytes as they are, nobody else does")
  func draw() {
    let world = World()
    world.run(0)
    let text = Array("\u{1b}[2Jbooks".utf8)
    world.machine.put(world.pageAddress(0) + EnvironmentPage.consoleOffset, bytes: text)
    #expect(world.kernel.consoleDraw(slot: 0, count: 9).error == .notPermitted)
    #expect(world.kernel.consoleDraw(slot: 9, count: 9).error == .noSuchCapability)
    #expect(world.kernel.consoleDraw(slot: 3, count: 225).error == .badArgument)
    #expect(world.kernel.consoleDraw(slot: 3, count: .max).error == .badArgument)
    #expect(world.machine.takeConsole() == "")
    #expect(world.kernel.consoleDraw(slot: 3, count: UInt64(text.count)).error == nil)
    #expect(Array(world.machine.takeConsole().utf8) == text)
    world.kernel.header.value.consoleKind = 1
    #expect(world.kernel.consoleDraw(slot: 3, count: UInt64(text.count)).error == .noSuchResource)
    #expect(world.machine.takeConsole() == "")
  }

  @Test("a line too long for its buffer still ends")
  func capacity() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Int(LineWriter.capacity), alignment: 8)
    defer { memory.deallocate() }
    for step in [1, 3, 7, 8, 100] {
      var line = LineWriter(base: memory)
      let text = Array(repeating: UInt8(0x78), count: step)
      for _ in 0..<1000 { text.withUnsafeBytes { line.append($0.baseAddress!, count: UInt32(step)) } }
      for _ in 0..<1000 { line.append(UInt8(0x79)) }
      line.endLine()
      #expect(line.count <= LineWriter.capacity)
      #expect(memory.load(fromByteOffset: Int(line.count) - 1, as: UInt8.self) == 10)
    }
  }

  @Test("an epitaph names the cause, the address and the instruction")
  func epitaphs() {
    let world = World()
    let cases: [(Cause, String)] = [
      (.exception(vector: 13, code: 0x18), "protection violation (vector 13, code 0x18)"),
      (.exception(vector: 0, code: 0), "division error (vector 0, code 0x0)"),
      (.exception(vector: .max, code: .max), "exception (vector 18446744073709551615, code 0xffffffffffffffff)"),
      (.pageFault(address: 0xffff_ffff_8020_0000, code: 7), "page fault, writing 0xffffffff80200000 (the kernel's)"),
      (.pageFault(address: 0x10, code: 4), "page fault, reading 0x10"),
      (.nestedPageFault(address: 0x10, code: 20), "page fault inside its fault handler, executing 0x10"),
      (.sliceOverrun, "kept the CPU past its slice"),
    ]
    for (cause, text) in cases {
      world.kernel.writeEpitaph(of: 1, cause: cause, instruction: 0x40_0123)
      #expect(world.machine.takeConsole() == "[1 p] ended: \(text) at instruction 0x400123\n")
    }
  }

  @Test("numbers are written as they are")
  func numbers() {
    let world = World()
    for value: UInt64 in [0, 1, 9, 10, 15, 16, 99, 100, 1 << 32, .max] {
      world.kernel.writeLine("number ", value)
      #expect(world.machine.takeConsole() == "[kernel] number 0x\(String(value, radix: 16))\n")
      let memory = UnsafeMutableRawPointer.allocate(byteCount: Int(LineWriter.capacity), alignment: 8)
      defer { memory.deallocate() }
      var line = LineWriter(base: memory)
      line.append(decimal: value)
      let bytes = UnsafeRawBufferPointer(start: memory, count: Int(line.count))
      #expect(String(decoding: bytes, as: UTF8.self) == String(value))
    }
  }
}
