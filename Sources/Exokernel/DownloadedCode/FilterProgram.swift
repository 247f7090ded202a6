/// A verified packet filter, ready to run: authorised once when it is bound, checked cheaply on each packet.
///
/// The machine a program sees (RFC 9669, restricted): on entry r1 is the address of the packet's first byte, which is
/// 0, and r2 the packet's length; addresses are offsets into the packet, so a program can neither learn nor guess an
/// address of the kernel. Packets are read-only. Below r10 are `stackByteCount` bytes of stack. `exit` ends with r0 as
/// the verdict; a load outside the packet ends with verdict 0. `clang -target bpf -mcpu=v4 -O2 -mllvm
/// -disable-block-placement` compiles `u64 filter(const u8 *packet, u64 length)` to such a program, its section
/// `.text`.
@safe @frozen public struct FilterProgram: Sendable, BitwiseCopyable {
  /// The most 64-bit words a program may have.
  public static var capacity: Int { 64 }
  /// Bytes of stack below r10.
  public static var stackByteCount: Int { 64 }
  /// Bytes of the registers r0 to r9 in the memory of a run, before the stack.
  static var registersByteCount: Int { 80 }

  /// How many steps the program was decoded to: the bound on the steps of one run.
  public let stepCount: Int

  // Sendable: the steps are never changed while the program is in use, which `verify` demands of its caller.
  nonisolated(unsafe) let steps: UnsafePointer<DecodedInstruction>

  /// Checks the program `code` and decodes it into `storage`, in time linear in its length.
  ///
  /// Each word of `code` is read once, so memory that changes meanwhile does no harm. `storage` must hold as many
  /// elements as `code` and belong to the program, unchanged, as long as it is used. After an error the storage holds a
  /// program that rejects everything.
  public static func verify(
    _ code: Span<UInt64>, into storage: UnsafeMutableBufferPointer<DecodedInstruction>
  ) throws(VerifierError) -> FilterProgram {
    guard !code.isEmpty else { throw VerifierError(reason: .emptyProgram, index: 0) }
    // Safe: the base address is used only if the buffer holds as many elements as the code, that is, one at least.
    guard code.count <= capacity, code.count <= storage.count, let steps = storage.baseAddress
    else { throw VerifierError(reason: .programTooLong, index: code.count) }
    var facts = InlineArray<64, Verifier.Facts>(repeating: Verifier.Facts())
    // Safe: the array's elements are used during the closure only, as many as a program may have words.
    return try unsafe withUnsafeMutableBytes(of: &facts) { bytes throws(VerifierError) -> FilterProgram in
      let table = unsafe Verifier.FactsTable(
        base: bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Verifier.Facts.self))
      var verifier = unsafe Verifier(steps: steps, count: code.count, facts: table)
      do throws(VerifierError) {
        try verifier.check(code)
      } catch {
        unsafe steps.pointee = DecodedInstruction()
        throw error
      }
      verifier.findLiveRegisters()
      let stepCount = verifier.fuse()
      verifier.resolveJumps(stepCount: stepCount)
      return unsafe FilterProgram(stepCount: stepCount, steps: UnsafePointer(steps))
    }
  }
}

/// Memory for the registers and the stack of a program while it runs, reusable from run to run, one for each CPU.
///
/// It need not be cleared in between: the verifier proved that a program reads nothing it has not written.
@frozen public struct FilterScratch: Sendable, BitwiseCopyable {
  var words = InlineArray<18, UInt64>(repeating: 0)

  /// Scratch memory for any program.
  public init() {}
}
