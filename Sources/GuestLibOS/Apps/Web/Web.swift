import DownloadedCode
import ExokernelABI
import FileSystems
import HTTP
import InternetStack
import LibOS

/// A web server as a library operating system: its own TCP/IP, its own file system on raw blocks, its own cache. From the
/// kernel it has frames, an extent of a disk, and the packets that its filter asks for.
@c(program_main)
public func webMain() -> Int32 {
  guard let arguments = WebArguments(Environment.arguments()) else {
    Console.line("web: usage: web[:ip=A.B.C.D/N][,gateway=A.B.C.D][,port=N][,disk=N][,interface=N]")
    return ExitStatus.usage
  }
  do throws(WebFailure) {
    let archive = try openArchive(disk: arguments.disk)
    return try serve(archive, arguments)
  } catch {
    return error.report(arguments)
  }
}

private typealias Site = UstarArchive<BlockCache<KernelDisk>>

/// Reads the archive's index, sleeping while the disk works.
private func openArchive(disk number: UInt64) throws(WebFailure) -> Site {
  guard Books.disk(number) != nil else { throw .noDisk }
  let disk: KernelDisk
  do throws(CallError) { disk = try KernelDisk(disk: number) } catch { throw .diskRefused(error) }
  var memory = CacheMemory()
  guard let frames = memory.take() else { throw .noMemory }
  var site = Site(storage: BlockCache(device: disk, frames: frames, capacity: CacheMemory.limit))
  do throws(UstarError) {
    while true {
      let events = Environment.events
      if try site.scan() { return site }
      if !site.storage.isIdle, !site.poll() { KernelCall.sleep(events: events, deadline: 0) }
    }
  } catch {
    throw .archive(error)
  }
}

/// Serves `site` for ever.
private func serve(_ site: consuming Site, _ arguments: WebArguments) throws(WebFailure) -> Int32 {
  let link = try makeLink(arguments)
  var configuration = StackConfiguration()
  // Requests are small; responses want room for the path's delay times its speed.
  configuration.receiveBufferSize = 16 << 10
  let addressing: Addressing =
    if let address = arguments.address {
      .manual(address: address, prefixLength: arguments.prefixLength, gateway: arguments.gateway)
    } else {
      .dhcp
    }
  let stack = NetworkStack(
    link: link, hardwareAddress: link.hardwareAddress, addressing: addressing, configuration: configuration,
    seed: (Entropy.next(), Entropy.next()))
  let listener: Listener
  do throws(NetworkError) { listener = try stack.listen(port: arguments.port, backlog: 64) } catch {
    throw .listen(error)
  }

  Console.put("web: ")
  Console.put(UInt64(site.memberCount))
  Console.line(
    arguments.address == nil ? " members in the archive; asking DHCP for an address" : " members in the archive")
  var server = HTTPServer(transport: StackTransport(stack: stack, listener: listener), files: site)
  var memory = CacheMemory(grown: server.files.storage.frameCount)
  var evictions: UInt64 = 0
  var announced: IPv4Address?
  while true {
    // Read before anything is looked at: what comes later ends the sleep at once.
    let events = Environment.events
    let now = Clock.nanoseconds
    var progressed = false
    for _ in 0..<packetsPerRound {
      guard link.receive(into: stack, now: Instant(nanoseconds: now)) else { break }
      progressed = true
    }
    if server.step(now: MonotonicTime(nanoseconds: now)) { progressed = true }
    stack.poll(now: Instant(nanoseconds: now))

    if stack.address != announced {
      announced = stack.address
      announce(stack.address, port: arguments.port)
    }
    if server.files.storage.statistics.evictions != evictions {
      evictions = server.files.storage.statistics.evictions
      if let more = memory.take() { server.files.storage.add(more) }
    }
    if !progressed {
      sleep(events: events, now: now, until: stack.nextDeadline?.nanoseconds, server.nextDeadline?.nanoseconds)
    }
  }
}

/// Frames taken from the ring before the connections get their turn.
private let packetsPerRound = 64

private func makeLink(_ arguments: WebArguments) throws(WebFailure) -> KernelLink {
  guard Books.interface(arguments.interface) != nil else { throw .noInterface }
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

/// Sleeps until something happens, or the earlier of two times comes.
private func sleep(events: UInt64, now: UInt64, until first: UInt64?, _ second: UInt64?) {
  let deadline = min(first ?? .max, second ?? .max)
  if deadline <= now { return }
  KernelCall.sleep(events: events, deadline: deadline == .max ? 0 : Clock.timeStamp(after: deadline - now))
}

/// Says where the site is, once the interface has an address.
private func announce(_ address: IPv4Address?, port: UInt16) {
  guard let address else { return Console.line("web: the address was lost") }
  Console.put("web: serving at http://")
  for shift in [24, 16, 8, 0] as [UInt32] {
    Console.put(UInt64(address.value >> shift & 255))
    Console.put(shift == 0 ? ":" : ".")
  }
  Console.put(UInt64(port))
  Console.line("/")
}
