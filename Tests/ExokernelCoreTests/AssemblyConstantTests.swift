import CRingZero
import ExokernelABI
import Foundation
import Testing
import VirtioLayout

@testable import ExokernelCore

/// Assembly files cannot ask Swift where a field is, so they say it in numbers: `.set NAME, NUMBER`, names in capitals.
@Suite("Numbers that assembly files and Swift both have")
struct AssemblyConstantTests {
  /// What each constant must be, but those whose names are made of a call's.
  private static let expected: [String: UInt64] = {
    var all: [String: UInt64] = [
      // abi.inc
      "ENVIRONMENT_PAGE": AddressMap.environmentPage,
      "PAGE_EPILOGUE_RETURN": offset(\EnvironmentPage.epilogueReturn),
      "PAGE_FAULT_INSTRUCTION": offset(\EnvironmentPage.faultInstruction),
      "PAGE_FAULT_ADDRESS": offset(\EnvironmentPage.faultAddress),
      "PAGE_FAULT_CODE": offset(\EnvironmentPage.faultCode),
      "PAGE_FAULT_PENDING": offset(\EnvironmentPage.faultPending),
      "PAGE_CRITICAL_SECTION": offset(\EnvironmentPage.criticalSection),
      "PAGE_FAULT_STACK_POINTER": offset(\EnvironmentPage.faultStackPointer),
      "PAGE_FAULT_STACK_TOP": offset(\EnvironmentPage.faultStackTop),
      "PAGE_EPILOGUE_DUE": offset(\EnvironmentPage.epilogueDue),
      "PAGE_EXCEPTION_ENTRY": offset(\EnvironmentPage.exceptionEntry),
      "PAGE_EXCEPTION_STACK_END": EnvironmentPage.exceptionStackEnd,
      "PAGE_EXCEPTION_STACK_SIZE": EnvironmentPage.exceptionStackSize,
      "GATE_PAGE": AddressMap.gatePage,
      "GATE_PRESERVING": Gate.callPreservingRegisters - AddressMap.gatePage,
      "GATE_WINDOW": AddressMap.gateWindow - AddressMap.gatePage,
      "GATE_WINDOW_SIZE": AddressMap.gateWindowSize,
      "GATE_EXCEPTION": AddressMap.exceptionGate - AddressMap.gatePage,
      "GATE_ARRIVAL": AddressMap.arrivalGate - AddressMap.gatePage,
      "CALLS": CallNumber.count,
      // layout.inc
      "KERNEL_BASE": UInt64(ImageLayout.base),
      "DATA": UInt64(ImageLayout.data),
      "STACKS": UInt64(ImageLayout.stacks),
      "STACK_SIZE": UInt64(ImageLayout.stackSize),
      "TRAMPOLINE": ImageLayout.trampoline,
      "YIELD_PORT": UInt64(MachinePort.yield),
      "PROBE_SYSCALL": ImageLayout.syscallProbe,
      "PROBE_VECTORS": ImageLayout.vectorProbe,
      "DIRECT_MAP": AddressMap.directMap,
      "PROCESSORS": BooksLayout.processors,
      "BOOKS_SIZE": BooksLayout.size,
      "PRIVATE_SIZE": UInt64(PrivateLayout.size),
      "RECEIVE_BUFFERS": BooksLayout.interfaces * UInt64(InterfaceDriver.receiveQueueSize) * 2048,
      "STATE_SIZE": UInt64(ProcessorState.size),
      "STATE_RECORD": offset(\ProcessorState.record),
      "STATE_FLUSH": UInt64(ProcessorState.flushOffset),
      "STATE_TIMER": offset(\ProcessorState.timer),
      "STATE_PENDING": offset(\ProcessorState.epiloguePending),
      "PRIVATE_NEEDS_CHORES": offset(\PrivateState.needsChores),
      "RECORD_PAGE": offset(\EnvironmentRecord.environmentPage),
      "RECORD_EPILOGUE": offset(\EnvironmentRecord.epilogueEntry),
      "BOOKS_SLICE_LENGTH": offset(\BooksHeader.sliceLength),
      "PRESENT": PageEntry.present,
      "WRITE": PageEntry.write,
      "USER": PageEntry.user,
      "LARGE": PageEntry.large,
      "NX": PageEntry.noExecute,
    ]
    // x86.inc
    for (name, value) in [
      ("KERNEL_CODE", Selector.kernelCode), ("KERNEL_DATA", Selector.kernelData),
      ("USER_CODE_32", Selector.userCode32), ("USER_DATA", Selector.userData), ("USER_CODE", Selector.userCode),
      ("PRIVILEGE", Selector.privilege), ("FLAGS_ALWAYS", ProcessorFlags.always), ("FLAGS_USER", ProcessorFlags.user),
      ("FLAGS_USER_CHOICE", ProcessorFlags.userChoice), ("VECTOR_DIVISION_ERROR", Vector.divisionError),
      ("VECTOR_NON_MASKABLE", Vector.nonMaskable), ("VECTOR_BREAKPOINT", Vector.breakpoint),
      ("VECTOR_CALL", Vector.call),
      ("VECTOR_INVALID_INSTRUCTION", Vector.invalidInstruction), ("VECTOR_DOUBLE_FAULT", Vector.doubleFault),
      ("VECTOR_PAGE_FAULT", Vector.pageFault), ("VECTOR_FLOATING_POINT", Vector.floatingPoint),
      ("VECTOR_ALIGNMENT", Vector.alignment), ("VECTOR_MACHINE_CHECK", Vector.machineCheck),
      ("VECTOR_VECTOR_FLOATING_POINT", Vector.vectorFloatingPoint), ("VECTOR_FIRST_INTERRUPT", Vector.firstInterrupt),
      ("VECTOR_TIMER", Vector.timer), ("VECTOR_PROCESSOR", Vector.processor), ("VECTOR_SPURIOUS", Vector.spurious),
      ("MSR_TIME_STAMP_DEADLINE", UInt64(ModelSpecificRegister.timeStampDeadline)),
      ("MSR_END_OF_INTERRUPT", UInt64(ModelSpecificRegister.endOfInterrupt)),
      ("MSR_EXTENDED_FEATURES", UInt64(ModelSpecificRegister.extendedFeatures)),
      ("FRAME_INSTRUCTION", offset(\UserFrame.instruction)), ("FRAME_CODE_SEGMENT", offset(\UserFrame.codeSegment)),
      ("FRAME_FLAGS", offset(\UserFrame.flags)), ("FRAME_STACK", offset(\UserFrame.stack)),
      ("FRAME_STACK_SEGMENT", offset(\UserFrame.stackSegment)), ("FRAME_SIZE", UInt64(MemoryLayout<UserFrame>.size)),
      ("EXCEPTION_VECTOR", offset(\ExceptionFrame.vector)), ("EXCEPTION_CODE", offset(\ExceptionFrame.code)),
      ("EXCEPTION_FRAME", offset(\ExceptionFrame.instruction)), ("TRAP_R11", offset(\TrapFrame.r11)),
      ("TRAP_RCX", offset(\TrapFrame.rcx)),
      ("TRAP_FRAME", offset(\TrapFrame.instruction)),
    ] { all[name] = value }
    // entries.S: what the processor pushes, from the instruction pointer to the stack segment, and three registers.
    let interruptFrame = UInt64(MemoryLayout<ExceptionFrame>.size) - offset(\ExceptionFrame.instruction)
    all["FROM_RING_3"] = interruptFrame + 3 * 8
    // rings.S
    all["NEXT"] = UInt64(VirtqueueDescriptor.Flag.next)
    all["DEVICE_WRITES"] = UInt64(VirtqueueDescriptor.Flag.write)
    return all
  }()

  /// Offsets from one assembly file to another's code, which Swift never sees.
  private static let assemblyOnly: Set<String> = [
    "ENTRY_CALL", "ENTRY_PAGE_FAULT", "ENTRY_TIMER", "EXCEPTION_STUBS",
  ]

  private static func offset<Structure, Field>(_ field: KeyPath<Structure, Field>) -> UInt64 {
    UInt64(MemoryLayout<Structure>.offset(of: field)!)
  }

  /// The calls by the names that assembly files have for them: `yieldTo` is `yield_to`.
  private static let calls: [String] = (0..<CallNumber.count).map { number in
    guard let call = CallNumber(rawValue: number) else { return "\(number) is no call's" }
    return "\(call)".map { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" }.joined()
  }

  private let ringZero: URL
  private let libOS: URL
  private let files: [URL]

  init() throws {
    let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources")
    ringZero = sources.appending(path: "Exokernel/RingZero")
    libOS = sources.appending(path: "GuestLibOS/LibOS")
    files = [ringZero, libOS, sources.appending(path: "Exokernel/Assembly")].flatMap {
      FileManager.default.enumerator(at: $0, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
    }.filter { ["S", "inc"].contains($0.pathExtension) }
  }

  /// The lines of a file without comments.
  private func lines(_ file: URL) throws -> [Substring] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { $0.prefix { $0 != "#" } }
  }

  /// `.set NAME, EXPRESSION` lines of a file whose names are in capitals; the others are the assembler's own variables.
  private func constants(_ file: URL) throws -> [(name: String, expression: String)] {
    try lines(file).compactMap { line in
      let words = line.split(separator: " ", omittingEmptySubsequences: true)
      guard words.count > 2, words[0] == ".set", words[1].hasSuffix(","), !words[1].contains(where: \.isLowercase)
      else { return nil }
      return (String(words[1].dropLast()), words[2...].joined(separator: " "))
    }
  }

  /// The value of numbers with one kind of operator between them; nil for anything else.
  private func value(_ expression: String) -> UInt64? {
    for (sign, combine) in [(" + ", { $0 &+ $1 }), (" << ", { $0 << $1 }), (" * ", { $0 &* $1 })]
      as [(
        String, (UInt64, UInt64) -> UInt64
      )]
    {
      let operands = expression.components(separatedBy: sign)
      guard operands.count > 1 else { continue }
      let values = operands.compactMap(number)
      return values.count == operands.count ? values.dropFirst().reduce(values[0], combine) : nil
    }
    return number(expression)
  }

  private func number(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }

  @Test("every constant is what Swift says, is said once, and is known here")
  func constants() throws {
    var seen: Set<String> = []
    for file in files {
      for (name, expression) in try constants(file) {
        let place = "\(name) in \(file.lastPathComponent)"
        #expect(seen.insert(name).inserted, "\(place) is said elsewhere, too")
        guard let value = value(expression) else {
          Issue.record("\(place): '\(expression)' is not a number, nor numbers with +, * or << between them")
          continue
        }
        if Self.assemblyOnly.contains(name) { continue }
        if let expected = Self.expected[name] {
          #expect(value == expected, "\(place)")
        } else if name.hasPrefix("CALL_"), let call = Self.calls.firstIndex(of: String(name.dropFirst(5)).lowercased())
        {
          #expect(value == UInt64(call), "\(place)")
        } else {
          Issue.record("\(place) is compared with nothing: add it to `expected`")
        }
      }
    }
    for name in Self.assemblyOnly.union(Self.expected.keys).subtracting(seen).sorted() {
      Issue.record("\(name) is in no assembly file any more")
    }
  }

  /// Where a field or a constant is declared that assembly files have by a name of theirs.
  private static let declarations: [(file: String, names: [String: String])] = [
    (
      "ABI/EnvironmentPage.swift",
      [
        "PAGE_EPILOGUE_RETURN": "epilogueReturn", "PAGE_FAULT_INSTRUCTION": "faultInstruction",
        "PAGE_FAULT_ADDRESS": "faultAddress", "PAGE_FAULT_CODE": "faultCode", "PAGE_FAULT_PENDING": "faultPending",
        "PAGE_CRITICAL_SECTION": "criticalSection", "PAGE_FAULT_STACK_POINTER": "faultStackPointer",
        "PAGE_FAULT_STACK_TOP": "faultStackTop", "PAGE_EPILOGUE_DUE": "epilogueDue",
        "PAGE_EXCEPTION_ENTRY": "exceptionEntry", "PAGE_EXCEPTION_STACK_END": "exceptionStackEnd",
        "PAGE_EXCEPTION_STACK_SIZE": "exceptionStackSize",
      ]
    ),
    (
      "Core/State/PrivateState.swift",
      [
        "STATE_RECORD": "record", "STATE_FLUSH": "flush", "STATE_TIMER": "timer", "STATE_PENDING": "epiloguePending",
        "PRIVATE_NEEDS_CHORES": "needsChores",
      ]
    ),
    ("ABI/EnvironmentRecord.swift", ["RECORD_PAGE": "environmentPage", "RECORD_EPILOGUE": "epilogueEntry"]),
    ("ABI/Books.swift", ["BOOKS_SLICE_LENGTH": "sliceLength"]),
    (
      "Core/Memory/PageTables.swift",
      ["PRESENT": "present", "WRITE": "write", "USER": "user", "LARGE": "large", "NX": "noExecute"]
    ),
  ]

  @Test("every field that assembly files know says so where it is declared, and by which name")
  func warnings() throws {
    var named: Set<String> = []
    for (file, names) in Self.declarations {
      let place = ringZero.deletingLastPathComponent().appending(path: file)
      let lines = try String(contentsOf: place, encoding: .utf8).components(separatedBy: "\n")
      for (constant, field) in names {
        named.insert(constant)
        let warning = "/// Assembly files have it as \(constant)."
        let places = lines.indices.filter { lines[$0].trimmingCharacters(in: .whitespaces) == warning }
        #expect(places.count == 1, "\(file) says \(places.count) times: \(warning)")
        guard let line = places.first, line + 1 < lines.count else { continue }
        let words = lines[line + 1].split(separator: " ")
        #expect(words.contains("\(field):"), "\(file): \(constant) stands above \(lines[line + 1])")
      }
      #expect(lines.count { $0.contains("/// Assembly files have it as ") } == names.count, "\(file)")
    }
    // What is a place in a structure of the kernel's has such a prefix; sizes are computed from the whole.
    for constant in Self.expected.keys
    where ["PAGE_", "STATE_", "PRIVATE_", "RECORD_", "BOOKS_"].contains(where: constant.hasPrefix) {
      if ["STATE_SIZE", "PRIVATE_SIZE", "BOOKS_SIZE"].contains(constant) { continue }
      #expect(named.contains(constant), "\(constant) is not in `declarations`")
    }
  }

  @Test("the words of the environment page are where the library looks for them")
  func environmentWords() throws {
    let expected: [String: UInt64] = [
      "events": Self.offset(\EnvironmentPage.events), "criticalSection": Self.offset(\EnvironmentPage.criticalSection),
      "epilogueDue": Self.offset(\EnvironmentPage.epilogueDue),
      "argumentsLength": Self.offset(\EnvironmentPage.argumentsLength),
      "environment": Self.offset(\EnvironmentPage.environment), "handle": Self.offset(\EnvironmentPage.handle),
      "matchedTerm": Self.offset(\EnvironmentPage.matchedTerm),
      "revocationKind": Self.offset(\EnvironmentPage.revocationKind),
      "revocationCount": Self.offset(\EnvironmentPage.revocationCount),
      "revocationDeadline": Self.offset(\EnvironmentPage.revocationDeadline),
      "repossessed": Self.offset(\EnvironmentPage.repossessed),
      "exceptionEntry": Self.offset(\EnvironmentPage.exceptionEntry),
    ]
    // The library is for ring 3 and is not linked here: its text is looked at.
    let text = try String(contentsOf: libOS.appending(path: "Books/EnvironmentWord.swift"), encoding: .utf8)
    var words: [String: UInt64] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ")
      guard parts.count == 4, parts[0] == "case", parts[2] == "=" else { continue }
      words[String(parts[1])] = UInt64(parts[3])
    }
    #expect(words == expected)
  }

  @Test("fields that assembly files look at together lie together")
  func neighbours() {
    // One 64-bit comparison with 0.
    #expect(Self.offset(\ProcessorState.overrun) == Self.offset(\ProcessorState.epiloguePending) + 2)
    #expect(Self.offset(\ProcessorState.isAlone) == Self.offset(\ProcessorState.epiloguePending) + 4)
    #expect(Self.offset(\EnvironmentPage.criticalSection) == Self.offset(\EnvironmentPage.faultPending) + 4)
    // What other processors set.
    #expect(Self.offset(\ProcessorState.flush) == UInt64(ProcessorState.flushOffset))
  }

  @Test("the call table has the calls in the order of their numbers")
  func callTable() throws {
    let table = try lines(ringZero.appending(path: "Entry/Generated/call_table.S")).filter { $0.contains(" .quad ") }
    let entries = table.flatMap { line in
      line.drop { $0 != "c" }.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    #expect(entries == Self.calls.map { "call_\($0)" })
  }

  @Test("the linker script puts the image where Swift and the assembly files say")
  func linkerScript() throws {
    let script = try String(contentsOf: ringZero.appending(path: "Start/kernel.ld"), encoding: .utf8)
    let base = UInt64(ImageLayout.base)
    #expect(script.contains("KERNEL_BASE = 0x\(String(base, radix: 16));"))
    #expect(
      script.contains("ASSERT(boot_root == KERNEL_BASE + 0x\(String(UInt64(ImageLayout.data) - base, radix: 16)),"))
  }
}
