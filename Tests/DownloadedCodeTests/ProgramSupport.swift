import Glibc

@testable import DownloadedCode

/// A verified program with its own storage.
final class BoundFilter {
  private let storage = UnsafeMutableBufferPointer<DecodedInstruction>.allocate(capacity: FilterProgram.capacity)
  let program: FilterProgram

  init(_ words: [UInt64]) throws(VerifierError) {
    storage.initialize(repeating: DecodedInstruction())
    do throws(VerifierError) {
      program = try FilterProgram.verify(words.span, into: storage)
    } catch {
      storage.deallocate()
      throw error
    }
  }

  convenience init(_ instructions: [Instruction]) throws(VerifierError) { try self.init(instructions.map(\.word)) }

  convenience init(_ builder: FilterBuilder) throws(VerifierError) { try self.init(builder.words) }

  deinit { storage.deallocate() }

  var operations: [Operation] { (0..<program.stepCount).map { storage[$0].operation } }

  /// The verdict for `packet`, which lies between two pages that fault, first flush with the one after it, then with
  /// the one before.
  func run(_ packet: [UInt8]) -> UInt64 {
    // Registers and stack hold rubbish, to show that nothing depends on them.
    var scratch = FilterScratch()
    for index in scratch.words.indices { scratch.words[index] = 0xdead_beef_0bad_cafe &* UInt64(index + 1) }
    let pages = GuardedPages.shared
    let atEnd = program.run(packet: pages.place(packet, atEnd: true), length: packet.count, scratch: &scratch)
    let atStart = program.run(packet: pages.place(packet, atEnd: false), length: packet.count, scratch: &scratch)
    precondition(atEnd == atStart, "the verdict depends on where the packet lies")
    return atEnd
  }
}

extension FilterBuilder {
  /// The program's words.
  var words: [UInt64] {
    withWords { span in
      var result: [UInt64] = []
      for index in span.indices { result.append(span[index]) }
      return result
    }
  }
}

/// Four readable pages between two that fault, one set for each thread that tests.
final class GuardedPages: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private static let page = 4096
  private static let readable = 4 * page

  init() {
    base = mmap(nil, Self.readable + 2 * Self.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(base != MAP_FAILED)
    precondition(mprotect(base + Self.page, Self.readable, PROT_READ | PROT_WRITE) == 0)
  }

  deinit { munmap(base, Self.readable + 2 * Self.page) }

  /// The pages of the running test.
  static var shared: GuardedPages { storage }
  @TaskLocal private static var storage = GuardedPages()

  /// Runs `body` with pages of its own, as tests run in parallel.
  static func withPages<Result>(_ body: () throws -> Result) throws -> Result {
    try $storage.withValue(GuardedPages(), operation: body)
  }

  func place(_ packet: [UInt8], atEnd: Bool) -> UnsafeRawPointer {
    precondition(packet.count <= Self.readable)
    let start = base + Self.page + (atEnd ? Self.readable - packet.count : 0)
    packet.withUnsafeBytes { if let source = $0.baseAddress { memcpy(start, source, packet.count) } }
    return UnsafeRawPointer(start)
  }
}
