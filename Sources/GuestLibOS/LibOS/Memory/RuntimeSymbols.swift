// What Embedded Swift expects of its platform; memory.S gives the functions their C names. On the host the platform is
// there already.
#if hasFeature(Embedded)
  import CLibOS

  /// posix_memalign(3): memory of `size` bytes at a multiple of `alignment`. Where there is none the program ends, with
  /// a line that says so: Swift has no way to go on, and its trap would tell of an invalid instruction.
  @c(libos_allocate)
  public func posixMemalign(_ result: UnsafeMutablePointer<UInt>, _ alignment: UInt, _ size: UInt) -> Int32 {
    let address = Heap.allocate(UInt64(size), alignment: UInt64(alignment))
    if address == 0 { endWithoutMemory(UInt64(size)) }
    // Safe: the caller passes where the result goes.
    unsafe result.pointee = UInt(address)
    return 0
  }

  @inline(never) private func endWithoutMemory(_ size: UInt64) -> Never {
    // What was put of a line is no part of this one. Nothing here allocates. Safe: nothing runs beside the heap.
    Console.endLine()
    Console.put("out of memory: there are no frames for ")
    Console.put(size)
    Console.put(" bytes more, with ")
    Console.put(unsafe Heap.bytesInUse)
    Console.line(" in use; raise --memory, or allocate less")
    KernelCall.exit(status: UInt8(ExitStatus.systemError))
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
