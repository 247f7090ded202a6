import CLibOS
import ExokernelABI

/// User threads: several stacks in one environment, switched by the program itself. The kernel does not know of them.
///
/// Cooperative: a thread runs until it calls `yield` or returns. The environment itself is preempted at slice ends by
/// the epilogue upcall, which saves whichever thread runs.
///
/// Safety: one thread of the processor; upcalls never come here, so the tables need no lock.
public enum Threads {
  /// Names a thread; a finished thread's name stays invalid.
  public struct Identifier: Equatable, Sendable {
    let index: Int
    let generation: UInt32
  }

  private struct Thread {
    var stackBase: UInt64 = 0
    var generation: UInt32 = 0
    var isLive = false
    var body: (() -> Void)?
  }

  /// Most threads of a program, the first one included.
  public static var limit: Int { 64 }
  /// Bytes of a thread's stack; the page below is left unmapped, so an overflow is a page fault.
  public static var stackSize: UInt64 { 64 &<< 10 }

  nonisolated(unsafe) private static var threads: [Thread] = []
  nonisolated(unsafe) private static var running = 0

  /// Starts a thread that runs `body`; nil where threads or memory are used up. It runs first when the caller yields.
  public static func start(_ body: @escaping () -> Void) -> Identifier? {
    adoptFirstThread()
    var index = 1
    while unsafe index < threads.count && threads[index].isLive { index += 1 }
    if unsafe index == threads.count {
      guard index < limit else { return nil }
      unsafe threads.append(Thread())
    }
    if unsafe threads[index].stackBase == 0 {
      guard let base = PageSpace.mapStack(pages: stackSize / 4096) else { return nil }
      unsafe threads[index].stackBase = base
    }
    // What `libos_switch` pops: six registers, then the address to return to.
    let top = unsafe threads[index].stackBase &+ stackSize &- 64
    for offset in 0..<6 as Range<UInt> { libos_store64(UInt(top) &+ offset &* 8, 0) }
    libos_store64(UInt(top) &+ 48, UInt64(libos_thread_entry_address()))
    libos_set_thread_stack(UInt64(index), top)
    unsafe threads[index].generation &+= 1
    unsafe threads[index].isLive = true
    unsafe threads[index].body = body
    return unsafe Identifier(index: index, generation: threads[index].generation)
  }

  /// Lets the next live thread run; returns when it is this one's turn again.
  public static func yield() {
    adoptFirstThread()
    let from = unsafe running
    var next = from
    repeat { next = unsafe (next + 1) % threads.count } while unsafe !threads[next].isLive && next != from
    guard next != from else { return }
    unsafe running = next
    libos_switch(UInt64(from), UInt64(next))
  }

  /// True while the thread has not returned.
  public static func isLive(_ thread: Identifier) -> Bool {
    guard unsafe thread.index < threads.count else { return false }
    return unsafe threads[thread.index].isLive && threads[thread.index].generation == thread.generation
  }

  /// Runs other threads until `thread` has returned.
  public static func join(_ thread: Identifier) {
    while isLive(thread) { yield() }
  }

  /// Runs the body of the thread that has just been switched to for the first time, and leaves it for good.
  static func runBody() {
    let own = unsafe running
    let body = unsafe threads[own].body
    unsafe threads[own].body = nil
    body?()
    unsafe threads[own].isLive = false
    // The first thread is live as long as the program is, so there is another to run.
    yield()
  }

  private static func adoptFirstThread() {
    guard unsafe threads.isEmpty else { return }
    var first = Thread()
    first.isLive = true
    unsafe threads.append(first)
  }
}

#if hasFeature(Embedded)
  /// The first code of every thread but the first; threads.S calls it on the thread's own stack.
  @c(libos_thread_main)
  public func libosThreadMain() {
    Threads.runBody()
  }
#endif
