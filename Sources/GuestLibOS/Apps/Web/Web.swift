import ExokernelABI
import FileSystems
import LibOS
import Service

/// A web server as a library operating system: its own TCP/IP, its own file system on raw blocks, its own cache. From
/// the kernel it has frames, an extent of a disk, and the packets that its filter asks for.
@c(program_main)
public func webMain() -> Int32 {
  // Counted from 0 in the order of the command line.
  var disk: UInt64 = 0
  let parsed = ServiceArguments(Environment.arguments()) { key, number in
    guard ArgumentText.equal(key, "disk") else { return false }
    disk = number
    return true
  }
  guard let arguments = parsed else {
    Console.line("web: usage: web[:ip=A.B.C.D/N][,gateway=A.B.C.D][,port=N][,disk=N][,interface=N]")
    return ExitStatus.usage
  }
  do throws(WebFailure) {
    let archive = try openArchive(disk: disk)
    try serve(archive, arguments)
  } catch {
    return error.report(disk: disk)
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
private func serve(_ site: consuming Site, _ arguments: ServiceArguments) throws(WebFailure) -> Never {
  let members = UInt64(site.memberCount)
  let clients = ServiceMemory()
  var memory = CacheMemory(grown: site.storage.frameCount, reserve: clients.frames)
  let service = try makeService(site, arguments, clients)
  Console.put("web: ")
  Console.put(members)
  Console.line(
    arguments.address == nil ? " members in the archive; asking DHCP for an address" : " members in the archive")
  var evictions: UInt64 = 0
  service.run { site in
    guard site.storage.statistics.evictions != evictions else { return }
    evictions = site.storage.statistics.evictions
    if let more = memory.take() { site.storage.add(more) }
  }
}

private func makeService(
  _ site: consuming Site, _ arguments: ServiceArguments, _ memory: ServiceMemory
) throws(WebFailure) -> HTTPService<Site> {
  do throws(ServiceFailure) {
    return try HTTPService("web", arguments, files: site, memory: memory)
  } catch {
    throw .service(error)
  }
}
