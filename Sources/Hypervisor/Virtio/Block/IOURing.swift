import CKVM
import CLinux
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A Linux io_uring: requests to the host's disks that run while the I/O thread does something else (io_uring(7)).
///
/// One thread at a time: the block device's lock is held for every call. Whoever submits keeps the memory of a request
/// mapped until its completion is reaped.
@safe final class IOURing {
  /// A request of the ring, with the pieces of memory it moves.
  @unsafe enum Operation {
    case read(UnsafeMutableBufferPointer<iovec>, offset: Int64)
    case write(UnsafeMutableBufferPointer<iovec>, offset: Int64)
    case synchronizeData
  }

  /// Becomes readable when requests are completed while it is not muted. It starts muted.
  let event: FileDescriptor

  private let ring: FileDescriptor
  private let rings: UnsafeMutableRawBufferPointer
  private let entries: UnsafeMutableRawBufferPointer
  private let parameters: io_uring_params
  /// Prepared and not yet submitted.
  private var preparedCount: UInt32 = 0
  private var localTail: UInt32 = 0

  /// A ring for `depth` requests at a time. Throws where the host has none, or does not allow it.
  init(depth: UInt32) throws(Errno) {
    var parameters = io_uring_params()
    // Safe: the structure lives for the duration of the call.
    let number = unsafe linux_io_uring_setup(depth, &parameters)
    guard number >= 0 else { throw Errno(rawValue: errno) }
    let descriptor = FileDescriptor(rawValue: number)
    let needed: UInt32 =
      UInt32(IORING_FEAT_SINGLE_MMAP) | UInt32(IORING_FEAT_NODROP) | UInt32(IORING_FEAT_SUBMIT_STABLE)
    let counter = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard counter >= 0, parameters.features & needed == needed else {
      try? descriptor.close()
      if counter >= 0 { close(counter) }
      throw .notSupported
    }
    var number32 = counter
    let submissionEnd = Int(parameters.sq_off.array) + Int(parameters.sq_entries) * 4
    let completionEnd = Int(parameters.cq_off.cqes) + Int(parameters.cq_entries) * 16
    do throws(Errno) {
      guard
        unsafe linux_io_uring_register(number, UInt32(IORING_REGISTER_EVENTFD), &number32, 1) == 0
      else { throw Errno(rawValue: errno) }
      unsafe rings = try Self.map(number, max(submissionEnd, completionEnd), at: off_t(IORING_OFF_SQ_RING))
      do throws(Errno) {
        unsafe entries = try Self.map(number, Int(parameters.sq_entries) * 64, at: off_t(IORING_OFF_SQES))
      } catch {
        unsafe munmap(rings.baseAddress, rings.count)
        throw error
      }
    } catch {
      try? descriptor.close()
      close(counter)
      throw error
    }
    self.parameters = parameters
    ring = descriptor
    event = FileDescriptor(rawValue: counter)
    localTail = load(parameters.sq_off.tail)
    isMuted = true
    // The index array never changes: slot N names entry N.
    for slot in 0..<parameters.sq_entries {
      unsafe rings.storeBytes(
        of: slot, toByteOffset: Int(parameters.sq_off.array) + 4 * Int(slot), as: UInt32.self)
    }
  }

  deinit {
    // Safe: the mappings belong to this object, and no request is under way (the device drains the ring when it stops).
    unsafe munmap(rings.baseAddress, rings.count)
    unsafe munmap(entries.baseAddress, entries.count)
    try? ring.close()
    try? event.close()
  }

  private static func map(_ ring: Int32, _ byteCount: Int, at offset: off_t) throws(Errno)
    -> UnsafeMutableRawBufferPointer
  {
    let mapping = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset)
    guard unsafe mapping != MAP_FAILED else { throw Errno(rawValue: errno) }
    return unsafe UnsafeMutableRawBufferPointer(start: mapping, count: byteCount)
  }

  /// The 32-bit word at `offset`, which the kernel shares.
  private func word(_ offset: UInt32) -> UnsafeMutablePointer<Atomic<UInt32>> {
    // Safe: offsets come from the kernel and are inside the mapping; the word has the atomic's representation.
    unsafe (rings.baseAddress! + Int(offset)).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  private func load(_ offset: UInt32) -> UInt32 {
    unsafe word(offset).pointee.load(ordering: .acquiring)
  }

  private func store(_ value: UInt32, at offset: UInt32) {
    unsafe word(offset).pointee.store(value, ordering: .releasing)
  }

  /// Adds a request for `file`, whose completion will carry `tag`; false when the ring is full.
  @unsafe func prepare(_ operation: Operation, file: FileDescriptor, tag: UInt64) -> Bool {
    let head = load(parameters.sq_off.head)
    guard localTail &- head < parameters.sq_entries else { return false }
    let start = Int(localTail & (parameters.sq_entries - 1)) * 64
    // Safe: `start` is one of the mapping's entries of 64 bytes, laid out as struct io_uring_sqe in linux/io_uring.h.
    let entry = unsafe UnsafeMutableRawBufferPointer(rebasing: entries[start..<start + 64])
    unsafe entry.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe entry.storeBytes(of: file.rawValue, toByteOffset: 4, as: Int32.self)
    unsafe entry.storeBytes(of: tag, toByteOffset: 32, as: UInt64.self)
    func fill(_ code: io_uring_op, _ vectors: UnsafeMutableBufferPointer<iovec>?, _ offset: Int64, flags: UInt32) {
      unsafe entry.storeBytes(of: UInt8(truncatingIfNeeded: code.rawValue), toByteOffset: 0, as: UInt8.self)
      unsafe entry.storeBytes(of: offset, toByteOffset: 8, as: Int64.self)
      unsafe entry.storeBytes(
        of: UInt64(UInt(bitPattern: vectors?.baseAddress)), toByteOffset: 16, as: UInt64.self)
      unsafe entry.storeBytes(of: UInt32(vectors?.count ?? 0), toByteOffset: 24, as: UInt32.self)
      unsafe entry.storeBytes(of: flags, toByteOffset: 28, as: UInt32.self)
    }
    switch unsafe operation {
    case .read(let vectors, let offset): unsafe fill(IORING_OP_READV, vectors, offset, flags: 0)
    case .write(let vectors, let offset): unsafe fill(IORING_OP_WRITEV, vectors, offset, flags: 0)
    case .synchronizeData: fill(IORING_OP_FSYNC, nil, 0, flags: UInt32(IORING_FSYNC_DATASYNC))
    }
    localTail &+= 1
    preparedCount += 1
    return true
  }

  /// Hands prepared requests to the kernel; those for data in the page cache are complete on return. Returns how many
  /// of the last prepared ones the kernel refused: they are forgotten.
  func submit() -> Int {
    store(localTail, at: parameters.sq_off.tail)
    while preparedCount > 0 {
      let taken = linux_io_uring_enter(ring.rawValue, preparedCount, 0, 0)
      if taken > 0 {
        preparedCount -= UInt32(taken)
      } else if taken == 0 || errno != EINTR {
        break
      }
    }
    let refused = preparedCount
    localTail &-= refused
    store(localTail, at: parameters.sq_off.tail)
    preparedCount = 0
    return Int(refused)
  }

  private var hasCompletions: Bool {
    load(parameters.cq_off.head) != load(parameters.cq_off.tail)
  }

  /// Calls `body` with tag and result (bytes, or a negative error number) of each request that is complete.
  func reap(_ body: (_ tag: UInt64, _ result: Int32) -> Void) {
    var head = load(parameters.cq_off.head)
    while head != load(parameters.cq_off.tail) {
      let start = Int(parameters.cq_off.cqes) + Int(head & (parameters.cq_entries - 1)) * 16
      // Safe: the entry is inside the mapping and was published by the kernel.
      let tag = unsafe rings.load(fromByteOffset: start, as: UInt64.self)
      let result = unsafe rings.load(fromByteOffset: start + 8, as: Int32.self)
      head &+= 1
      store(head, at: parameters.cq_off.head)
      body(tag, result)
    }
  }

  /// Waits until at least one request that was submitted is complete; false when the kernel cannot wait.
  func wait() -> Bool {
    while !hasCompletions {
      let result = linux_io_uring_enter(ring.rawValue, 0, 1, UInt32(IORING_ENTER_GETEVENTS))
      if result < 0, errno != EINTR { return false }
    }
    return true
  }

  /// Whether completions leave `event` alone. Whoever unmutes it reaps once more afterwards: what was completed before
  /// is silent.
  var isMuted: Bool {
    get { load(parameters.cq_off.flags) & UInt32(IORING_CQ_EVENTFD_DISABLED) != 0 }
    set {
      store(newValue ? UInt32(IORING_CQ_EVENTFD_DISABLED) : 0, at: parameters.cq_off.flags)
      // The kernel publishes a completion and then looks at the flag.
      atomicMemoryFence(ordering: .sequentiallyConsistent)
    }
  }

  /// Makes `event` unreadable until the next completion.
  func clearEvent() {
    var count: UInt64 = 0
    // Safe: eight bytes are read into a variable of eight bytes.
    _ = unsafe read(event.rawValue, &count, 8)
  }
}
