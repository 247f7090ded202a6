/// Why a running virtual machine cannot go on.
public enum MachineFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// An exception inside the handling of an exception inside the handling of an exception.
  case tripleFault(processor: Int, rip: UInt64)
  /// KVM's emulator met an instruction that it does not know.
  case cannotEmulate(processor: Int, rip: UInt64, instruction: [UInt8])
  /// KVM met another situation that it cannot handle.
  case internalError(processor: Int, rip: UInt64, suberror: UInt32)
  /// The processor refused the guest's state.
  case failedEntry(processor: Int, rip: UInt64, reason: UInt64)
  /// The guest stopped in a way this hypervisor does not offer.
  case unexpectedExit(processor: Int, rip: UInt64, reason: UInt32)
  /// KVM refused to run the guest.
  case host(KVMError)

  /// What happened and what to look at, for a person.
  public var description: String {
    switch self {
    case .tripleFault(let processor, let rip):
      "the guest crashed (triple fault) at \(hexadecimal(rip)) on vCPU \(processor): look at the code there, and whether the "
        + "kernel's interrupt descriptor table is in place by then"
    case .cannotEmulate(let processor, let rip, let instruction):
      "KVM cannot emulate the instruction at \(hexadecimal(rip)) on vCPU \(processor)"
        + (instruction.isEmpty
          ? "" : " (bytes " + instruction.map { pair($0) }.joined(separator: " ") + ")")
        + ": build the kernel without it"
    case .internalError(let processor, let rip, let suberror):
      "KVM gave up at \(hexadecimal(rip)) on vCPU \(processor) (internal error, suberror \(suberror)): see the kernel log "
        + "(dmesg)"
    case .failedEntry(let processor, let rip, let reason):
      "the processor refused the guest's state at \(hexadecimal(rip)) on vCPU \(processor) (reason \(hexadecimal(reason))): "
        + "look at what the kernel loads into segment and control registers"
    case .unexpectedExit(let processor, let rip, let reason):
      "the guest stopped at \(hexadecimal(rip)) on vCPU \(processor) with KVM exit \(reason), which this hypervisor does not "
        + "offer: look at the code there"
    case .host(let error): error.description
    }
  }

  private func pair(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
