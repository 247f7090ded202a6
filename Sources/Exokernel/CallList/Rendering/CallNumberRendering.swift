extension Rendering {
  /// `CallNumber`, which says what each call does.
  static func callNumbers(_ list: [CallDescription]) -> String {
    var text = """
      // \(notice)

      /// The kernel's calls. A call is made through the gate page: number in rax, arguments in rdi, rsi, rdx, rcx, r8;
      /// the result comes back in rax, negative where it is a `CallError`, 0 where the call says nothing else.
      /// Callee-saved registers are preserved, the other registers come back cleared.
      ///
      /// `slot` is the index of the capability that the caller presents; it must dominate the guard of the resource
      /// with the right that the call needs. `environment` and the other handles are a record's number with its
      /// generation (`Handle`): one that is out of date names nothing. `table` says whose page table is meant:
      /// `Handle.own`, or a `TableArgument`, where the capability in that slot needs the right to control. Where values
      /// share a register, a structure packs and unpacks them, `FrameMapArguments` those of `frameMap`.
      public enum CallNumber: UInt64, Sendable {

      """
    var group: CallDescription.Group?
    for call in list {
      if call.group != group { text += "  // \(call.group.rawValue).\n\n" }
      group = call.group
      text += Layout.comment("\(call.signature): \(call.doc)", indent: 2)
      text += "  case \(call.name) = \(call.number)\n"
      if call.number + 1 < list.count, list[call.number + 1].group != group { text += "\n" }
    }
    return text + """

        /// Number of calls.
        public static let count: UInt64 = \(list.count)
        /// Names "any free frame" or "any free position" where a number is asked for.
        public static let any: UInt64 = UInt64(UInt32.max)
      }

      """
  }

  /// The numbers for assembly files.
  static func assemblyNumbers(_ list: [CallDescription]) -> String {
    var text = "# \(notice)\n.set CALLS, \(list.count)\n"
    for call in list { text += ".set CALL_\(call.symbol.uppercased()), \(call.number)\n" }
    return text
  }

  /// What entries.S calls for each number.
  static func callTable(_ list: [CallDescription]) -> String {
    var text = """
      # \(notice)
      #
      # What entries.S calls for each number of `CallNumber`, in their order. A call that nobody has written is an
      # undefined symbol.
      #include "abi.inc"

      .section .rodata.calls, "a", @progbits
      .balign 8
      .globl call_table
      call_table:

      """
    for call in list { text += "  .quad call_\(call.symbol)\n" }
    return text + """
      call_table_end:
      .if (call_table_end - call_table) != CALLS * 8
        .error "the call table does not have CALLS entries"
      .endif

      """
  }
}
