import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An open file descriptor and the duty to close it.
struct OwnedDescriptor: ~Copyable, Sendable {
  let rawValue: Int32

  init(_ rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    close(rawValue)
  }
}

/// Every ioctl of the hypervisor on KVM's descriptors passes through here.
///
/// The kernel checks the descriptor and the request; what this file has to get right is that each request gets the
/// structure it names, which is why the functions that take pointers are unsafe and their callers few.
enum KVMCall {
  /// A request whose argument is an integer, or none. Returns the kernel's non-negative answer.
  static func value(_ descriptor: borrowing OwnedDescriptor, _ request: UInt, _ argument: Int = 0) throws(Errno)
    -> Int32
  {
    while true {
      // Safe: requests passed here take integers as wide as pointers, so the kernel does not read memory.
      let result =
        if let wide = unsafe UnsafeMutableRawPointer(bitPattern: argument) {
          unsafe ioctl(descriptor.rawValue, request, wide)
        } else {
          ioctl(descriptor.rawValue, request)
        }
      if result >= 0 { return result }
      if errno != EINTR { throw Errno(rawValue: errno) }
    }
  }

  /// A request whose argument is the structure that it names, which the kernel reads, writes or both.
  @unsafe @discardableResult
  static func structure<Value: BitwiseCopyable>(
    _ descriptor: borrowing OwnedDescriptor, _ request: UInt, _ value: inout Value
  ) throws(Errno) -> Int32 {
    while true {
      // Safe, where the caller passes the structure of the request: the value lives for the duration of the call.
      let result = unsafe withUnsafeMutablePointer(to: &value) { pointer in
        unsafe ioctl(descriptor.rawValue, request, UnsafeMutableRawPointer(pointer))
      }
      if result >= 0 { return result }
      if errno != EINTR { throw Errno(rawValue: errno) }
    }
  }

  /// A request whose argument is the structure that it names followed by as many elements as it says, at `pointer`.
  @unsafe @discardableResult
  static func raw(
    _ descriptor: borrowing OwnedDescriptor, _ request: UInt, _ pointer: UnsafeMutableRawPointer
  ) throws(Errno) -> Int32 {
    while true {
      // Safe, where the caller allocated what the structure's count says.
      let result = unsafe ioctl(descriptor.rawValue, request, pointer)
      if result >= 0 { return result }
      if errno != EINTR { throw Errno(rawValue: errno) }
    }
  }

  /// `KVM_RUN`, which a signal or `immediate_exit` ends. Returns nil where it did.
  static func run(_ descriptor: borrowing OwnedDescriptor) throws(Errno) -> Void? {
    let result = ioctl(descriptor.rawValue, CKVM_RUN)
    if result >= 0 { return () }
    if errno == EINTR || errno == EAGAIN { return nil }
    throw Errno(rawValue: errno)
  }
}
