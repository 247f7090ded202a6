import CLinux
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A word that says whose turn it is, in memory that processes share. Each of two sides waits for its own number and
/// writes the other's.
@safe private struct Turn: ~Copyable {
  static let mine: UInt32 = 0
  static let peers: UInt32 = 1
  static let ended: UInt32 = 2

  private let pages: MappedPages

  init() throws(Errno) {
    pages = try MappedPages(count: 1, protection: PROT_READ | PROT_WRITE, isShared: true)
  }

  /// Safe while the word is mapped: `Atomic<UInt32>` has the representation of UInt32, and zeroes are `mine`.
  var word: UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe pages.base.assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}

extension LinuxService {
  /// Two processes on one processor; each yields until it is its turn. Half of the time of both turns.
  static func measureYield() throws(Errno) -> Double {
    let turn = try Turn()
    // Safe: the word is mapped until the peer has gone, which is first destroyed.
    let word = unsafe turn.word
    func hand(from side: UInt32, to other: UInt32) {
      while unsafe word.pointee.load(ordering: .acquiring) != side { sched_yield() }
      unsafe word.pointee.store(other, ordering: .releasing)
    }
    let peer = try ChildProcess {
      while true { hand(from: Turn.peers, to: Turn.mine) }
    }
    let time = try Stopwatch.nanoseconds { rounds in
      var round = 0
      while round < rounds {
        hand(from: Turn.mine, to: Turn.peers)
        round &+= 1
      }
    }
    _ = consume peer
    _ = consume turn
    return time / 2
  }

  /// Two processes on one processor send each other one byte by pipes. Half of the time there and back.
  static func measurePipe() throws(Errno) -> Double {
    let there = try Pipe()
    let back = try Pipe()
    let peer = try ChildProcess {
      do throws(Errno) {
        while true {
          try there.receive()
          try back.send()
        }
      } catch {
        // The measuring side misses the byte, and its time limit tells.
      }
    }
    let time = try Stopwatch.nanoseconds { (rounds) throws(Errno) in
      var round = 0
      while round < rounds {
        try there.send()
        try back.receive()
        round &+= 1
      }
    }
    _ = consume peer
    return time / 2
  }

  /// Two threads on one processor; each wakes the other and sleeps until it is woken. Half of the time of both.
  static func measureFutex() throws(Errno) -> Double {
    let turn = try Turn()
    // Safe: the word is mapped until the thread has been joined.
    let word = unsafe turn.word
    var thread = pthread_t()
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let word = unsafe argument?.assumingMemoryBound(to: Atomic<UInt32>.self) else { return nil }
        while unsafe LinuxService.sleep(at: word, until: Turn.peers) { unsafe LinuxService.wake(word, Turn.mine) }
        return nil
      }, word)
    guard result == 0 else { throw Errno(rawValue: result) }
    let time = try Stopwatch.nanoseconds { rounds in
      var round = 0
      while round < rounds {
        unsafe wake(word, Turn.peers)
        _ = unsafe sleep(at: word, until: Turn.mine)
        round &+= 1
      }
    }
    unsafe wake(word, Turn.ended)
    pthread_join(thread, nil)
    _ = consume turn
    return time / 2
  }

  private static func wake(_ word: UnsafeMutablePointer<Atomic<UInt32>>, _ side: UInt32) {
    unsafe word.pointee.store(side, ordering: .releasing)
    _ = unsafe linux_futex_wake(word)
  }

  /// Whether it became this side's turn; false where it has ended.
  private static func sleep(at word: UnsafeMutablePointer<Atomic<UInt32>>, until side: UInt32) -> Bool {
    while true {
      let value = unsafe word.pointee.load(ordering: .acquiring)
      if value == side { return true }
      if value == Turn.ended { return false }
      // Returns at once where the value has changed meanwhile. Where it is refused, the time limit of the process
      // tells.
      _ = unsafe linux_futex_wait(word, value)
    }
  }
}

/// A pipe for single bytes.
private struct Pipe: ~Copyable {
  private let reader: Int32
  private let writer: Int32

  init() throws(Errno) {
    var ends: [Int32] = [-1, -1]
    // Safe: room for two numbers.
    guard unsafe pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
    reader = ends[0]
    writer = ends[1]
  }

  func send() throws(Errno) {
    var byte: UInt8 = 0
    // Safe: one byte, for the duration of the call.
    guard unsafe write(writer, &byte, 1) == 1 else { throw Errno(rawValue: errno) }
  }

  func receive() throws(Errno) {
    var byte: UInt8 = 0
    let count = unsafe read(reader, &byte, 1)
    guard count == 1 else { throw count == 0 ? .brokenPipe : Errno(rawValue: errno) }
  }

  deinit {
    close(reader)
    close(writer)
  }
}
