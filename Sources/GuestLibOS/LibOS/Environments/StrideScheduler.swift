import ExokernelABI

/// Stride scheduling (Waldspurger and Weihl, 1995) as a library: a program that holds positions of a slice vector gives
/// its slices, one after the other, to its clients in proportion to their tickets, by directed yields. The kernel knows
/// nothing of it.
///
/// Clients hold a position of their own, too, without which they could not end. What they run in it counts: the books
/// tell.
public struct StrideScheduler {
  /// Most clients.
  public static var limit: Int { 8 }

  private struct Client {
    var handle: UInt64 = 0
    var stride: UInt64 = 0
    var pass: UInt64 = 0
    var slicesRun: UInt64 = 0
  }

  private var clients: InlineArray<8, Client> = .init(repeating: Client())
  private var count = 0
  /// A large number that strides are fractions of.
  private static var scale: UInt64 { 1 << 20 }

  /// A scheduler without clients.
  public init() {}

  /// Adds a client with a number of tickets, 1...65,536; false where there is no room.
  public mutating func add(_ environment: UInt64, tickets: UInt64) -> Bool {
    guard count < Self.limit, tickets >= 1, tickets <= 65536 else { return false }
    clients[count] = Client(
      handle: environment, stride: Self.scale / tickets, pass: count == 0 ? 0 : lowestPass,
      slicesRun: Books.environment(named: environment)?.slicesRun ?? 0)
    count += 1
    return true
  }

  private var lowestPass: UInt64 {
    var lowest = UInt64.max
    for index in 0..<count where clients[index].pass < lowest { lowest = clients[index].pass }
    return lowest
  }

  /// Gives the rest of this slice to the client whose turn it is; false where no client can run. Returns in the next
  /// slice of ours.
  public mutating func giveSlice() -> Bool {
    for index in 0..<count {
      // A client that has ended runs no more, and neither does its number.
      guard let record = Books.environment(named: clients[index].handle) else { continue }
      let run = record.slicesRun
      clients[index].pass &+= (run &- clients[index].slicesRun) &* clients[index].stride
      clients[index].slicesRun = run
    }
    var tried: UInt64 = 0
    while true {
      var best: Int?
      for index in 0..<count where tried >> UInt64(index) & 1 == 0 {
        if best == nil || clients[index].pass < clients[best ?? 0].pass { best = index }
      }
      guard let next = best else { return false }
      do throws(CallError) {
        try KernelCall.yield(to: clients[next].handle)
        clients[next].pass &+= clients[next].stride
        return true
      } catch {
        // It sleeps, or has ended: the next one.
        tried |= 1 << UInt64(next)
      }
    }
  }
}
