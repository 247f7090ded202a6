import Foundation
import KernelFixtures
import Testing

@testable import Hypervisor

/// Whether this host has a KVM that may be used.
let hasKVM = access("/dev/kvm", R_OK | W_OK) == 0

/// A path for a scratch file that no other test has.
func scratchPath(_ name: String) -> String {
  FileManager.default.temporaryDirectory.appending(path: "xokvm-\(UUID().uuidString)-\(name)").path
}

/// Boots `kernel`; returns how it ended and what it printed.
func boot(
  _ kernel: TestKernel, modules: [(ImageSource, String)] = [], commandLine: String = "",
  tracer: InstructionTracer? = nil, change: (inout MachineConfiguration) -> Void = { _ in }
) throws -> (outcome: MachineOutcome, text: String, statistics: MachineStatistics) {
  let path = scratchPath("console")
  defer { try? FileManager.default.removeItem(atPath: path) }
  var configuration = kernel.configuration(console: path, modules: modules, commandLine: commandLine)
  change(&configuration)
  let machine = try VirtualMachine(configuration, tracer: tracer)
  let outcome = machine.run()
  let text = try String(decoding: Data(contentsOf: URL(filePath: path)), as: UTF8.self)
  return (outcome, text, machine.statistics)
}

@Suite("A virtual machine on KVM", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KVMMachineTests {
  @Test("prints what the guest sends to COM1 and ends with the status of the exit port")
  func printsAndExits() throws {
    var kernel = TestKernel()
    kernel.print("hello from ring 0\n")
    kernel.out(0x501, 42)
    let (outcome, text, statistics) = try boot(kernel)
    #expect(outcome == .exited(status: 42))
    #expect(outcome.exitStatus.rawValue == 42)
    #expect(text == "hello from ring 0\n")
    // One for the exit port, and one or more for the text.
    #expect(statistics.exits.port >= 2)
    let created = try #require(statistics.microseconds(.vmCreated))
    let first = try #require(statistics.microseconds(.firstGuestInstruction))
    let line = try #require(statistics.microseconds(.firstConsoleLine))
    let exit = try #require(statistics.microseconds(.exit))
    #expect(created <= first && first <= line && line <= exit)
    #expect(statistics.microseconds(.kernelReady) == nil)
    #expect(statistics.guestByteCount >= 4096 && statistics.guestByteCount < 16 << 20)
  }

  @Test("sends texts longer than a page whole and in order")
  func longText() throws {
    let text = (0..<2000).map { "line \($0)\n" }.joined()
    var kernel = TestKernel()
    kernel.print(text)
    kernel.out(0x501, 0)
    let result = try boot(kernel)
    #expect(result.text == text)
    #expect(result.outcome == .exited(status: 0))
  }

  @Test("writes a last line without an end, too")
  func unfinishedLine() throws {
    var kernel = TestKernel()
    for byte in "prompt> ".utf8 { kernel.out(0x3f8, byte) }
    kernel.out(0x501, 0)
    #expect(try boot(kernel).text == "prompt> ")
  }

  @Test("boots a 64-bit ELF file the same way")
  func elf64() throws {
    var kernel = TestKernel()
    kernel.print("64\n")
    kernel.out(0x501, 7)
    let image = ImageSource(kernel.elf(is64: true), name: "elf64")
    let result = try boot(kernel) { $0.boot.kernel = image }
    #expect(result.outcome == .exited(status: 7))
    #expect(result.text == "64\n")
  }

  @Test("ISA debug exit gives twice the value plus one")
  func debugExit() throws {
    var kernel = TestKernel()
    kernel.out(0xf4, 3)
    #expect(try boot(kernel).outcome == .exited(status: 7))
  }

  @Test("the keyboard controller's reset ends it with status 0")
  func reset() throws {
    var kernel = TestKernel()
    kernel.out(0x64, 0xfe)
    let outcome = try boot(kernel).outcome
    #expect(outcome == .reset)
    #expect(outcome.exitStatus == .success)
  }

  @Test("ports without a device read as all ones, and writes to them are lost")
  func emptyPorts() throws {
    var kernel = TestKernel()
    kernel.out(0x1234, 1)
    // mov dx, 0x1234; in al, dx; mov dx, 0x501; out dx, al
    kernel.emit(0x66, 0xba, 0x34, 0x12, 0xec, 0x66, 0xba, 0x01, 0x05, 0xee)
    #expect(try boot(kernel).outcome == .exited(status: 255))
  }

  @Test("memory without a device reads as all ones")
  func emptyMemory() throws {
    var kernel = TestKernel()
    kernel.setEAX(5)
    kernel.storeEAX(0xd800_0000)
    kernel.loadEAX(0xd800_0000)
    kernel.emit(0x66, 0xba, 0x01, 0x05, 0xee)
    let result = try boot(kernel)
    #expect(result.outcome == .exited(status: 255))
    #expect(result.statistics.exits.mmio == 2)
  }

  @Test("a triple fault is reported with status 70")
  func tripleFault() throws {
    var kernel = TestKernel()
    // ud2, with an empty interrupt descriptor table
    kernel.emit(0x0f, 0x0b)
    let outcome = try boot(kernel).outcome
    guard case .failed(.tripleFault(0, _)) = outcome else {
      Issue.record("ended with \(outcome)")
      return
    }
    #expect(outcome.exitStatus == .software)
  }

  @Test("a guest that does not end is ended after the time limit, with status 124")
  func timeLimit() throws {
    var kernel = TestKernel()
    kernel.loopForever()
    let outcome = try boot(kernel) { $0.timeLimit = 50_000_000 }.outcome
    #expect(outcome == .timedOut)
    #expect(outcome.exitStatus.rawValue == 124)
  }

  @Test("a halted guest is ended after the time limit, too")
  func haltedTimeLimit() throws {
    var kernel = TestKernel()
    // cli; hlt
    kernel.emit(0xfa, 0xf4)
    kernel.loopForever()
    #expect(try boot(kernel) { $0.timeLimit = 50_000_000 }.outcome == .timedOut)
  }

  @Test("quit from another thread ends it")
  func quits() throws {
    var kernel = TestKernel()
    kernel.loopForever()
    let machine = try VirtualMachine(kernel.configuration())
    machine.quit()
    #expect(machine.run() == .quit)
  }

  @Test("a console nobody reads does not keep the machine from ending")
  func stuckConsole() throws {
    var kernel = TestKernel()
    let top = kernel.here
    kernel.print(at: top, count: 65536)
    // jmp top
    let distance = UInt32(bitPattern: Int32(top) - Int32(kernel.here) - 5)
    kernel.emit(
      0xe9, UInt8(distance & 0xff), UInt8(distance >> 8 & 0xff), UInt8(distance >> 16 & 0xff), UInt8(distance >> 24))
    let path = scratchPath("fifo")
    #expect(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    defer {
      close(reader)
      unlink(path)
    }
    let start = EventLoop.now
    let outcome = try VirtualMachine(
      {
        var configuration = kernel.configuration(console: path)
        configuration.timeLimit = 200_000_000
        return configuration
      }()
    ).run()
    #expect(outcome == .timedOut)
    #expect(EventLoop.now - start < 3_000_000_000)
  }

  @Test("start info, memory map, command line and modules are where the protocol says")
  func startInfo() throws {
    // The kernel prints the start info from EBX on, the command line it points to, and the first module entry.
    var kernel = TestKernel()
    // mov esi, ebx; mov ecx, 56; mov dx, 0x3f8; cld; rep outsb
    kernel.emit(0x89, 0xde, 0xb9, 56, 0, 0, 0, 0x66, 0xba, 0xf8, 0x03, 0xfc, 0xf3, 0x6e)
    // The devices follow what was asked for: here the source of random numbers alone.
    let commandLine = "quiet a=b virtio_mmio.device=4K@0xd0000000:5\0"
    let length = commandLine.utf8.count
    // mov esi, [ebx + 24]; mov ecx, length; rep outsb
    kernel.emit(0x8b, 0x73, 24, 0xb9, UInt8(length), 0, 0, 0, 0xf3, 0x6e)
    // mov esi, [ebx + 16]; mov ecx, 64; rep outsb
    kernel.emit(0x8b, 0x73, 16, 0xb9, 64, 0, 0, 0, 0xf3, 0x6e)
    // mov esi, [ebx + 40]; mov ecx, 72; rep outsb
    kernel.emit(0x8b, 0x73, 40, 0xb9, 72, 0, 0, 0, 0xf3, 0x6e)
    // mov esi, [ebx + 16]; mov esi, [esi]; mov ecx, 5; rep outsb: the first module's bytes
    kernel.emit(0x8b, 0x73, 16, 0x8b, 0x36, 0xb9, 5, 0, 0, 0, 0xf3, 0x6e)
    kernel.out(0x501, 0)
    let path = scratchPath("console")
    defer { unlink(path) }
    let modules = [
      (ImageSource(Array("first".utf8), name: "m1"), "one"), (ImageSource([9, 9], name: "m2"), "two"),
    ]
    let configuration = kernel.configuration(console: path, modules: modules, commandLine: "quiet a=b")
    #expect(try VirtualMachine(configuration).run() == .exited(status: 0))
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
    try #require(bytes.count == 56 + length + 64 + 72 + 5)
    func word(_ offset: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
    #expect(word(0, 4) == 0x336e_c578)
    #expect(word(4, 4) == 1)
    #expect(word(12, 4) == 2)
    #expect(word(48, 4) == 3)
    let modulesAt = 56 + length
    let mapAt = modulesAt + 64
    #expect(String(decoding: bytes[56..<modulesAt], as: UTF8.self) == commandLine)
    let end = UInt64(TestKernel.address) + UInt64(kernel.code.count)
    #expect(word(modulesAt, 8) == (end + 4095) & ~4095)
    #expect(word(modulesAt + 8, 8) == 5)
    #expect(word(modulesAt + 32, 8) == word(modulesAt, 8) + 4096)
    #expect(word(modulesAt + 40, 8) == 2)
    let map = (0..<3).map { (word(mapAt + 24 * $0, 8), word(mapAt + 24 * $0 + 8, 8), word(mapAt + 24 * $0 + 16, 4)) }
    #expect(map[0] == (0, 0x9_fc00, 1))
    #expect(map[1] == (0x9_fc00, 0x400, 2) || map[1] == (0x9_fc00, 0x6_0400, 2))
    #expect(map[2] == (0x10_0000, 15 << 20, 1))
    #expect(String(decoding: bytes[(mapAt + 72)...], as: UTF8.self) == "first")
  }

  @Test("milestones of the guest get their times")
  func milestones() throws {
    var kernel = TestKernel()
    kernel.out(0x502, 1)
    kernel.out(0x502, 2)
    kernel.out(0x502, 99)
    kernel.out(0x501, 0)
    let statistics = try boot(kernel).statistics
    let ready = try #require(statistics.microseconds(.kernelReady))
    let first = try #require(statistics.microseconds(.firstLibOSInstruction))
    #expect(ready <= first)
  }

  @Test("several vCPUs are made, and each is told its number by CPUID")
  func processors() throws {
    var kernel = TestKernel()
    // mov eax, 1; cpuid; shr ebx, 16; mov al, bl; mov dx, 0x501; out dx, al: logical processors
    kernel.emit(0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xc1, 0xeb, 16, 0x88, 0xd8, 0x66, 0xba, 0x01, 0x05, 0xee)
    #expect(try boot(kernel) { $0.processorCount = 3 }.outcome == .exited(status: 3))
  }

  @Test("input reaches the guest")
  func input() throws {
    var kernel = TestKernel()
    // mov dx, 0x3fd; wait: in al, dx; test al, 1; jz wait; mov dx, 0x3f8; in al, dx; mov dx, 0x501; out dx, al
    kernel.emit(0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb)
    kernel.emit(0x66, 0xba, 0xf8, 0x03, 0xec, 0x66, 0xba, 0x01, 0x05, 0xee)
    let machine = try VirtualMachine(kernel.configuration())
    machine.loop.post { [console = machine.console] in _ = console.serial.receive([77].span) }
    #expect(machine.run() == .exited(status: 77))
  }

  @Test("the tracer reports every instruction of ring 0 once, from a store to its port on")
  func tracer() throws {
    var kernel = TestKernel()
    kernel.out(0x510, 0)
    kernel.emit(0x90, 0x90, 0x90)
    kernel.out(0x501, 0)
    final class Trace: @unchecked Sendable { var addresses: [UInt64] = [] }
    let trace = Trace()
    let tracer = InstructionTracer(startPort: 0x510) { (rip, processor) throws(KVMError) in
      trace.addresses.append(rip)
      return .goOn
    }
    let result = try boot(kernel, tracer: tracer)
    #expect(result.outcome == .exited(status: 0))
    // Reported after each instruction, that is with the address of the next: three nops, mov, mov; then the out ends
    // it.
    let base = UInt64(TestKernel.address) + 7
    #expect(trace.addresses == [base + 1, base + 2, base + 3, base + 7, base + 9])
  }

  @Test("instructions that KVM emulated are counted where ring 0 is emulated")
  func emulated() throws {
    var kernel = TestKernel()
    kernel.out(0x501, 0)
    let statistics = try boot(kernel).statistics
    if let count = statistics.emulatedInstructions { #expect(count >= 1) }
  }
}

@Suite("KVM that is not there")
struct KVMErrorTests {
  @Test("a missing device names the module to load or the firmware")
  func missing() {
    do {
      _ = try KVM(path: "/dev/xokvm-there-is-no-such-device")
      Issue.record("opened")
    } catch {
      guard case .noDevice = error else {
        Issue.record("\(error)")
        return
      }
      #expect(error.description.contains("kvm_") || error.description.contains("modprobe"))
    }
  }

  @Test("another device is not taken for KVM")
  func wrongDevice() {
    #expect(throws: KVMError.self) { _ = try KVM(path: "/dev/null") }
  }
}
