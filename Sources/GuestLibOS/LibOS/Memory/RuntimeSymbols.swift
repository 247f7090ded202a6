// What Embedded Swift expects of its platform; memory.S gives the functions their C names. On the host the platform is
// there already.
#if hasFeature(Embedded)
  import CLibOS

  /// posix_memalign(3): memory of `size` bytes at a multiple of `alignment`; 12 (ENOMEM) where there is none.
  @c(libos_allocate)
  public func posixMemalign(_ result: UnsafeMutablePointer<UInt>, _ alignment: UInt, _ size: UInt) -> Int32 {
    let address = Heap.allocate(UInt64(size), alignment: UInt64(alignment))
    // Safe: the caller passes where the result goes.
    unsafe result.pointee = UInt(address)
    return address == 0 ? 12 : 0
  }

  /// free(3).
  @c(libos_free)
  public func freeMemory(_ address: UInt) { Heap.free(UInt64(address)) }

  /// arc4random_buf(3): fills `count` bytes, for the seeds of hash tables.
  @c(arc4random_buf)
  public func randomBytes(_ buffer: UInt, _ count: UInt) {
    var index: UInt = 0
    while index < count {
      var value = Entropy.next()
      var byte = 0
      while byte < 8, index < count {
        // Safe: the caller passes a buffer of `count` bytes.
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: buffer &+ index).unsafelyUnwrapped.pointee = UInt8(
          truncatingIfNeeded: value)
        value &>>= 8
        index &+= 1
        byte += 1
      }
    }
  }

  /// putchar(3), which `print` uses.
  @c(putchar)
  public func putCharacter(_ character: Int32) -> Int32 {
    Console.put(UInt8(truncatingIfNeeded: character))
    return character
  }
#endif
