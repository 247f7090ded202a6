import Foundation
import Testing

/// Measures of a release build, whose command the environment variable XOKVM_RELEASE names; a debug build would measure
/// itself.
@Suite(
  "A release build",
  .enabled(
    if: Command.hasKVM && Command.release != nil,
    "no release build is named: swift build -c release, then XOKVM_RELEASE=.build/release/xokvm"),
  .serialized)
struct ReleaseMeasureTests {
  private let xokvm = Command.release ?? ""

  @Test("prints its first library-OS line in less than half of the time of QEMU, and within 20 ms where that takes 75")
  func firstLine() throws {
    let folder = try ScratchFolder()
    let kernel = folder.path("kernel.elf")
    let programs = folder.path("programs.tar")
    #expect(try Command.run(xokvm, ["image", "--kernel", kernel, "--programs", programs]).status == 0)
    let qemu = Command.find("qemu-system-x86_64")
    let microvm = [
      "-enable-kvm", "-cpu", "qemu64", "-M", "microvm,acpi=off,isa-serial=on,x-option-roms=off", "-nodefaults",
      "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-m", "256", "-device",
      "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", kernel, "-initrd", programs, "-append", "app=hello app=hello",
    ]
    // Noise only ever adds: the best of three medians of 20 counts.
    var ours = Double.infinity
    var theirs = Double.infinity
    for _ in 0..<3 {
      var pairs: [(Double, Double)] = []
      for _ in 0..<20 {
        pairs.append((try Self.time(xokvm, ["boot"]), try qemu.map { try Self.time($0, microvm) } ?? .infinity))
      }
      ours = min(ours, Self.median(pairs.map(\.0)))
      theirs = min(theirs, Self.median(pairs.map(\.1)))
    }
    print("measure first-line xokvm \(ours) ms, QEMU microvm \(theirs) ms, ratio \(ours / theirs)")
    // 20 ms are meant for the README's machine, where QEMU takes some 70: a slower or busier one is held to the ratio
    // alone, and one without QEMU to the 20 ms alone.
    if qemu == nil {
      #expect(ours <= 20)
    } else {
      #expect(ours < theirs / 2)
      #expect(ours <= 20 || theirs > 75)
    }
  }

  @Test("uses at most 12 MiB beside the guest's pages")
  func memory() throws {
    let folder = try ScratchFolder()
    let result = try Command.run(xokvm, ["boot", "--stats", folder.path("stats.json")])
    #expect(result.status == 0)
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: folder.path("stats.json"))))
    let memory = try #require((json as? [String: Any])?["memory"] as? [String: Int])
    print("measure vmm-memory \(memory["vmmBytes"] ?? 0) bytes")
    // A command that has run at all has used more than the lower bound.
    #expect((1 << 20...12 << 20).contains(try #require(memory["vmmBytes"])))
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// Milliseconds from the start of the command to its first line with "hello".
  private static func time(_ path: String, _ arguments: [String]) throws -> Double {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    for (descriptor, mode) in [(Int32(0), O_RDONLY), (2, O_WRONLY)] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", mode, 0)
    }
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    var child: pid_t = 0
    let start = DispatchTime.now().uptimeNanoseconds
    let result = posix_spawn(&child, path, &actions, nil, &words, environ)
    close(ends[1])
    defer { close(ends[0]) }
    try #require(result == 0, "cannot start \(path)")
    var text = ""
    var elapsed: Double?
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(ends[0], &buffer, buffer.count)
      guard count > 0 else { break }
      text += String(decoding: buffer[..<count], as: UTF8.self)
      if elapsed == nil, text.contains("hello from") {
        elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
      }
    }
    var status: Int32 = 0
    waitpid(child, &status, 0)
    return try #require(elapsed, "\(path) printed no hello: \(text)")
  }
}
