/// Why a vCPU left the guest, with everything of the exit that is a plain value.
public enum Exit: Sendable, Equatable {
  /// Loads or stores of a port: `count` items of `byteCount` (1, 2 or 4) bytes, one after another (`rep ins`, `rep
  /// outs`).
  case port(number: UInt16, isWrite: Bool, byteCount: Int, count: Int)
  /// A load or store of `byteCount` bytes at an address without memory. KVM makes 1...8 bytes, of any alignment.
  case mmio(address: GuestAddress, isWrite: Bool, byteCount: Int)
  /// HLT, where the interrupt controller is not in the kernel.
  case halt
  /// Triple fault.
  case shutdown
  /// A signal, or a kick: nothing happened in the guest.
  case interrupted
  /// A debug event of `KVM_SET_GUEST_DEBUG`; `dr6` tells which.
  case debug(rip: UInt64, dr6: UInt64)
  /// KVM could not go on; `instruction` are the bytes at RIP where it tells them.
  case internalError(suberror: UInt32, instruction: [UInt8])
  /// The processor refused the guest's state.
  case failedEntry(reason: UInt64)
  /// The guest asked for a change of power state through KVM (1 shutdown, 2 reset, 3 crash).
  case systemEvent(UInt32)
  /// An exit this hypervisor did not ask for.
  case unknown(UInt32)
}
