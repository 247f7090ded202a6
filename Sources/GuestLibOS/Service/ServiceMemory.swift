import ExokernelABI
import LibOS

/// How much of a machine's memory a service takes for its clients at most: so many connections, and so much for bytes
/// that wait in their buffers. Small machines serve fewer clients, and none is brought down by many.
public struct ServiceMemory: Sendable {
  /// Most connections at a time.
  public let connections: Int
  /// Bytes that the buffers of all connections hold beyond the first piece of each.
  public let buffers: Int

  /// Most bytes that one connection takes: a head of the largest size, path and response head (11 KiB), the first piece
  /// of each of its two buffers (8 KiB), its records in server and stack.
  private static let perConnection = 20 << 10
  /// A service takes no more connections, however much memory there is.
  public static let mostConnections = 1024
  private static let mostBuffers = 16 << 20

  /// Out of `frames` free frames a quarter for connections, at most `limit` of them, and an eighth for their buffers.
  public init(frames: UInt64, limit: Int = mostConnections) {
    let free = Int(clamping: frames) << 12
    connections = min(limit, Self.mostConnections, max(16, free / 4 / Self.perConnection))
    buffers = min(Self.mostBuffers, max(256 << 10, free / 8))
  }

  /// The same, out of what the books say is free for this environment.
  public init(limit: Int = mostConnections) {
    var frames = UInt64(Books.header.freeFrames)
    if let quota = Books.environment(Environment.number) {
      let left = UInt64(quota.quota(.frames).limit &- min(quota.frames, quota.quota(.frames).limit))
      frames = min(frames, left)
    }
    self.init(frames: frames, limit: limit)
  }

  /// Frames that it takes at most.
  public var frames: UInt64 { UInt64(connections * Self.perConnection + buffers) >> 12 }
}
