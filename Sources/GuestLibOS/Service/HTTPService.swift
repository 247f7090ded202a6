import DownloadedCode
import ExokernelABI
import FileSystems
import HTTP
import InternetStack
import LibOS

/// An HTTP server on a network interface of this machine: the packet filter, the program's own TCP/IP, and the loop
/// that serves them.
public struct HTTPService<Files: ReadOnlyFileSystem & ~Copyable>: ~Copyable {
  private let name: StaticString
  private let port: UInt16
  private let link: KernelLink
  private let stack: NetworkStack<KernelLink>
  private var server: HTTPServer<StackTransport, Files>
  private var watch = AddressWatch()

  /// Frames taken from the ring before the connections get their turn.
  private static var packetsPerRound: Int { 64 }

  /// A server of `files` as `arguments` say, which takes no more memory for its clients than `memory`; `name` begins
  /// the lines that it writes.
  public init(
    _ name: StaticString, _ arguments: ServiceArguments, files: consuming Files, memory: ServiceMemory = ServiceMemory()
  ) throws(ServiceFailure) {
    let link = try Self.makeLink(arguments)
    var configuration = ServerConfiguration()
    configuration.connections = memory.connections
    var network = StackConfiguration()
    // Those that are served, as many that wait, and as many that the server has ended and their clients have not: the
    // oldest of these make room.
    network.maximumConnections = 3 * memory.connections
    network.bufferMemory = memory.buffers
    // Requests are small; responses want room for the path's delay times its speed.
    network.receiveBufferSize = 16 << 10
    let addressing: Addressing =
      if let address = arguments.address {
        .manual(address: address, prefixLength: arguments.prefixLength, gateway: arguments.gateway)
      } else {
        .dhcp
      }
    let stack = NetworkStack(
      link: link, hardwareAddress: link.hardwareAddress, addressing: addressing, configuration: network,
      seed: (Entropy.next(), Entropy.next()))
    let listener: Listener
    do throws(NetworkError) { listener = try stack.listen(port: arguments.port, backlog: memory.connections) } catch {
      throw .listen(error)
    }
    // A part of a value that cannot be copied must not be left behind by an error: so all of it comes last.
    self.name = name
    port = arguments.port
    self.link = link
    self.stack = stack
    server = HTTPServer(
      transport: StackTransport(stack: stack, listener: listener), files: files, configuration: configuration)
  }

  /// Serves for ever; `tend` looks after the files once a round.
  public consuming func run(tend: (inout Files) -> Void = { _ in }) -> Never {
    while true {
      // Read before anything is looked at: what comes later ends the sleep at once.
      let events = Environment.events
      let now = Clock.nanoseconds
      var progressed = false
      for _ in 0..<Self.packetsPerRound {
        guard link.receive(into: stack, now: Instant(nanoseconds: now)) else { break }
        progressed = true
      }
      if server.step(now: MonotonicTime(nanoseconds: now)) { progressed = true }
      stack.poll(now: Instant(nanoseconds: now))
      if let event = watch.look(stack.address, now: Instant(nanoseconds: now)) { tell(event) }
      tend(&server.files)
      if !progressed {
        let deadline = min(
          stack.nextDeadline?.nanoseconds ?? .max, server.nextDeadline?.nanoseconds ?? .max,
          watch.nextDeadline?.nanoseconds ?? .max)
        sleep(events: events, now: now, until: deadline)
      }
    }
  }

  private static func makeLink(_ arguments: ServiceArguments) throws(ServiceFailure) -> KernelLink {
    guard Books.interface(arguments.interface) != nil else { throw .noInterface(arguments.interface) }
    let filter: FilterBuilder
    do throws(FilterBuilderError) {
      filter = try KernelLink.filter(port: arguments.port, address: arguments.address)
    } catch {
      throw .filterTooLong
    }
    do throws(CallError) {
      return try KernelLink(interface: arguments.interface, filter: filter)
    } catch {
      throw .networkRefused(error)
    }
  }

  /// Sleeps until something happens, or `deadline` comes; `.max` is never.
  private func sleep(events: UInt64, now: UInt64, until deadline: UInt64) {
    if deadline <= now { return }
    KernelCall.sleep(events: events, deadline: deadline == .max ? 0 : Clock.timeStamp(after: deadline - now))
  }

  /// Says where the server is, or why nobody can reach it.
  private func tell(_ event: AddressWatch.Event) {
    Console.put(name)
    switch event {
    case .acquired(let address):
      Console.put(": serving at http://")
      for shift in [24, 16, 8, 0] as [UInt32] {
        Console.put(UInt64(address.value >> shift & 255))
        Console.put(shift == 0 ? ":" : ".")
      }
      Console.put(UInt64(port))
      Console.line("/")
    case .lost: Console.line(": the address was lost; asking DHCP for another")
    case .missing:
      Console.put(": no DHCP server has given an address for ")
      Console.put(AddressWatch.patience.nanoseconds / 1_000_000_000)
      Console.put(" s; still asking, or start it with one: --app ")
      Console.put(name)
      Console.line(":ip=A.B.C.D/N")
    }
  }
}
