/// Loads and stores of single values in physical memory, by way of the direct map.
///
/// Addresses are the kernel's own: made of frame numbers that were checked, or of places in rings and books. Nothing
/// that a program chose comes here unchecked.
extension Kernel {
  // Safe: every address is inside a frame, a ring or the books, which lie in the direct map.
  /// Stores `value` at physical address `address`.
  @inline(__always) func put<Value: BitwiseCopyable>(_ address: UInt64, _ value: Value) {
    unsafe hardware.memory(at: address).storeBytes(of: value, as: Value.self)
  }

  /// The value at physical address `address`, which need not be aligned.
  @inline(__always) func get<Value: BitwiseCopyable>(_ address: UInt64) -> Value {
    unsafe hardware.memory(at: address).loadUnaligned(as: Value.self)
  }
}
