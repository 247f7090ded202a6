import Foundation

/// Many HTTP clients at once, each on a connection of its own that stays open as long as the server lets it: plain
/// sockets that wait for nothing, and one poll for all.
final class ClientCrowd {
  /// What went wrong, by kind.
  struct Errors: CustomStringConvertible {
    var connect = 0
    var write = 0
    var read = 0
    var ended = 0
    var status = 0
    var total: Int { connect + write + read + ended + status }
    var description: String { "connect \(connect), write \(write), read \(read), ended \(ended), status \(status)" }
  }

  private struct Client {
    var descriptor: Int32 = -1
    var isConnected = false
    var toSend: ArraySlice<UInt8> = []
    var received: [UInt8] = []
    /// A response is due.
    var isWaiting = false
    var since = Date()
  }

  private var clients: [Client]
  private let port: UInt16
  private let address: String
  private(set) var errors = Errors()
  /// Responses that came to their end.
  private(set) var responses = 0
  /// Connections that the server said it would end.
  private(set) var closings = 0
  /// The longest that a response took, in seconds.
  private(set) var slowest = 0.0

  /// `count` clients of 127.0.0.1 or `address`, not connected yet.
  init(_ count: Int, port: UInt16, address: String = "127.0.0.1") {
    clients = [Client](repeating: Client(), count: count)
    self.port = port
    self.address = address
  }

  deinit {
    for client in clients where client.descriptor >= 0 { close(client.descriptor) }
  }

  /// Lets every client begin to connect.
  func connectAll() { for index in clients.indices { begin(index) } }

  /// Lets every client send `text`, whatever comes of it.
  func sendAll(_ text: String, expectingResponse: Bool) {
    for index in clients.indices where clients[index].descriptor >= 0 { send(index, text, expectingResponse) }
  }

  /// Serves the sockets until every client has sent all and got what it waits for; false after `seconds`.
  func settle(seconds: Double = 10) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while clients.contains(where: { $0.descriptor >= 0 && (!$0.isConnected || !$0.toSend.isEmpty || $0.isWaiting) }) {
      guard Date() < deadline else { return false }
      step { _ in }
    }
    return true
  }

  /// Lets every client ask again and again for `seconds`, and gives the last answers another thirty.
  func ask(_ request: String, seconds: Double) -> Bool {
    let end = Date().addingTimeInterval(seconds)
    sendAll(request, expectingResponse: true)
    while Date() < end {
      step { index in self.send(index, request, true) }
    }
    return settle(seconds: 30)
  }

  private func begin(_ index: Int) {
    if clients[index].descriptor >= 0 { close(clients[index].descriptor) }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    clients[index] = Client(descriptor: descriptor)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    inet_pton(AF_INET, address, &place.sin_addr)
    let result = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result != 0, errno != EINPROGRESS { drop(index, \.connect) }
  }

  private func send(_ index: Int, _ text: String, _ expectsResponse: Bool) {
    clients[index].toSend += Array(text.utf8)
    clients[index].isWaiting = expectsResponse
    clients[index].since = Date()
  }

  private func drop(_ index: Int, _ kind: WritableKeyPath<Errors, Int>) {
    errors[keyPath: kind] += 1
    if clients[index].descriptor >= 0 { close(clients[index].descriptor) }
    clients[index] = Client()
  }

  /// One poll and what it found; `again` is called for each client whose response is complete.
  private func step(_ again: (Int) -> Void) {
    var polls: [pollfd] = []
    var owners: [Int] = []
    for index in clients.indices where clients[index].descriptor >= 0 {
      let wantsWrite = !clients[index].isConnected || !clients[index].toSend.isEmpty
      polls.append(
        pollfd(
          fd: clients[index].descriptor, events: Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0), revents: 0))
      owners.append(index)
    }
    guard poll(&polls, nfds_t(polls.count), 100) > 0 else { return }
    for (entry, index) in zip(polls, owners) where entry.revents != 0 {
      if entry.revents & Int16(POLLOUT) != 0 { write(index) }
      if clients[index].descriptor >= 0, entry.revents & (Int16(POLLIN) | Int16(POLLERR) | Int16(POLLHUP)) != 0 {
        read(index, again)
      }
    }
  }

  private func write(_ index: Int) {
    clients[index].isConnected = true
    guard !clients[index].toSend.isEmpty else { return }
    let count = clients[index].toSend.withUnsafeBytes {
      Glibc.send(clients[index].descriptor, $0.baseAddress, $0.count, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
    }
    if count > 0 {
      clients[index].toSend = clients[index].toSend.dropFirst(count)
    } else if errno != EAGAIN {
      drop(index, \.write)
    }
  }

  private func read(_ index: Int, _ again: (Int) -> Void) {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(clients[index].descriptor, &chunk, chunk.count, 0)
    if count < 0, errno == EAGAIN { return }
    if count < 0 { return drop(index, clients[index].isConnected ? \.read : \.connect) }
    if count == 0 { return drop(index, \.ended) }
    clients[index].received += chunk[..<count]
    guard let response = takeResponse(index) else { return }
    slowest = max(slowest, Date().timeIntervalSince(clients[index].since))
    responses += 1
    clients[index].isWaiting = false
    if !response.hasPrefix("HTTP/1.1 200 ") { errors.status += 1 }
    if response.contains("\r\nConnection: close\r\n") {
      closings += 1
      begin(index)
    }
    again(index)
  }

  /// The head of a response whose content is here too.
  private func takeResponse(_ index: Int) -> String? {
    let bytes = clients[index].received
    let end = Array("\r\n\r\n".utf8)
    guard let headEnd = bytes.indices.first(where: { bytes[$0] == 13 && bytes[$0...].starts(with: end) }) else {
      return nil
    }
    let head = String(decoding: bytes[..<(headEnd + 2)], as: UTF8.self)
    let length = head.components(separatedBy: "Content-Length: ").dropFirst().first.flatMap {
      Int($0.prefix { $0.isNumber })
    }
    let total = headEnd + 4 + (length ?? 0)
    guard bytes.count >= total else { return nil }
    clients[index].received.removeFirst(total)
    return head
  }
}
