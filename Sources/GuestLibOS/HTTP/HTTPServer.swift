import FileSystems

/// An HTTP/1.1 server of files (RFC 9110, RFC 9112): GET and HEAD, persistent connections, pipelining, conditions,
/// ranges.
///
/// Nothing here waits. The owner calls `step` when a packet or a disk block has arrived or `nextDeadline` has come, and
/// again at once as long as it answers true. Memory is taken by places for connections when they are first used, and
/// kept.
///
/// While clients wait for a place, the oldest connection without a complete request gives way to them, and connections
/// that are answered are told to end: nobody holds a place by sending half a request, or none.
public struct HTTPServer<Transport: StreamTransport & ~Copyable, Files: ReadOnlyFileSystem & ~Copyable>: ~Copyable {
  /// The connections; the owner may drive the network through it between steps.
  public var transport: Transport
  /// The files; the owner may look at them between steps.
  public var files: Files
  /// Bounds and patience.
  public let configuration: ServerConfiguration
  /// What the server did.
  public private(set) var statistics = ServerStatistics()

  private var connections: [ServerConnection<Transport.Connection>]
  /// Places from here on are free.
  private var usedPlaces = 0
  /// A connection that was accepted and has no place yet.
  private var waiting: Transport.Connection?

  /// A server of `files`, which must be ready, to the clients of `transport`.
  public init(
    transport: consuming Transport, files: consuming Files, configuration: ServerConfiguration = ServerConfiguration()
  ) {
    self.transport = transport
    self.files = files
    self.configuration = configuration
    connections = [ServerConnection](repeating: ServerConnection(), count: max(1, configuration.connections))
  }

  /// Connections that have a place now.
  public var openConnections: Int {
    var count = 0
    for index in 0..<usedPlaces where !connections[index].isFree { count += 1 }
    return count
  }

  /// Does for every connection what can be done at `now` without waiting; true when that was anything.
  public mutating func step(now: MonotonicTime) -> Bool {
    var progressed = files.poll()
    if accept(now) { progressed = true }
    var context = StepContext(
      now: now, configuration: configuration, isContested: waiting != nil, statistics: statistics)
    for index in 0..<usedPlaces where !connections[index].isFree {
      if connections[index].advance(transport: &transport, files: &files, context: &context) { progressed = true }
    }
    if makeRoom(&context) { progressed = true }
    while usedPlaces > 0, connections[usedPlaces - 1].isFree { usedPlaces -= 1 }
    statistics = context.statistics
    return progressed
  }

  /// When `step` has to be called though nothing has arrived; nil when there is no such time.
  public var nextDeadline: MonotonicTime? {
    var earliest = MonotonicTime.never
    for index in 0..<usedPlaces {
      earliest = min(earliest, connections[index].deadline)
      if waiting != nil, connections[index].canYield { earliest = min(earliest, connections[index].yieldsAt) }
    }
    return earliest == .never ? nil : earliest
  }

  private mutating func accept(_ now: MonotonicTime) -> Bool {
    var any = false
    var index = 0
    while index < connections.count {
      guard connections[index].isFree else {
        index += 1
        continue
      }
      if waiting == nil { waiting = transport.accept() }
      guard let connection = waiting else { return any }
      waiting = nil
      connections[index].open(connection, now: now, configuration)
      usedPlaces = max(usedPlaces, index + 1)
      statistics.connections &+= 1
      any = true
    }
    // All places are taken: look whether somebody waits for one.
    if waiting == nil {
      waiting = transport.accept()
      any = any || waiting != nil
    }
    return any
  }

  /// Ends the connection that should have given way first, if a client waits for its place.
  private mutating func makeRoom(_ context: inout StepContext) -> Bool {
    guard waiting != nil else { return false }
    var oldest: Int?
    for index in connections.indices {
      if connections[index].isFree { return true }
      guard connections[index].canYield, connections[index].yieldsAt <= context.now else { continue }
      if let found = oldest, connections[found].yieldsAt <= connections[index].yieldsAt { continue }
      oldest = index
    }
    guard let oldest else { return false }
    connections[oldest].evict(&transport, &context)
    return true
  }
}
