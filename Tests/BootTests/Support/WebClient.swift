import Foundation

@testable import Hypervisor

/// An HTTP response as it came.
struct WebResponse {
  let status: Int
  let headers: [String: String]
  let body: [UInt8]
}

/// What went wrong on a connection.
struct WebFailure: Error, CustomStringConvertible {
  let description: String
}

/// A plain HTTP/1.1 client on one connection, so that tests see exactly what is sent and what comes.
final class WebClient {
  private let descriptor: Int32
  private var buffered: [UInt8] = []

  /// Connects to 127.0.0.1 or `address`; waits for answers at most `seconds`.
  init(port: UInt16, address: String = "127.0.0.1", seconds: Int = 30) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw WebFailure(description: "socket: \(errno)") }
    var timeout = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    inet_pton(AF_INET, address, &place.sin_addr)
    let connected = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    // The object is whole by now, so its end closes the socket; closed here as well, the number might be somebody
    // else's.
    guard connected == 0 else {
      throw WebFailure(description: "connect to port \(port): \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// Sends text as it stands.
  func send(_ text: String) throws {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { bytes in
        retryingWhenInterrupted { write(descriptor, bytes.baseAddress, bytes.count) }
      }
      guard count > 0 else { throw WebFailure(description: "write: \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  /// Sends a request and reads the answer.
  func request(_ method: String, _ path: String, headers: String = "") throws -> WebResponse {
    try send("\(method) \(path) HTTP/1.1\r\nHost: test\r\n\(headers)\r\n")
    return try response(hasBody: method != "HEAD")
  }

  /// Reads one answer.
  func response(hasBody: Bool = true) throws -> WebResponse {
    var end = 0
    while true {
      if let found = headEnd() {
        end = found
        break
      }
      guard try receive() else { throw WebFailure(description: "the connection ended inside a head") }
    }
    let head = String(decoding: buffered[..<end], as: UTF8.self)
    buffered.removeFirst(end)
    let lines = head.components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    let words = lines[0].split(separator: " ")
    guard words.count >= 2, let status = Int(words[1]) else {
      throw WebFailure(description: "bad status line \(lines[0])")
    }
    let length = hasBody && status != 304 ? Int(headers["content-length"] ?? "0") ?? 0 : 0
    while buffered.count < length {
      guard try receive() else {
        throw WebFailure(description: "the connection ended inside a body of \(length) bytes")
      }
    }
    let body = Array(buffered[..<length])
    buffered.removeFirst(length)
    return WebResponse(status: status, headers: headers, body: body)
  }

  /// True where the server ends the connection without another byte.
  func isEnded() throws -> Bool {
    guard buffered.isEmpty else { return false }
    return try !receive()
  }

  private func headEnd() -> Int? {
    guard buffered.count >= 4 else { return nil }
    for index in 0...(buffered.count - 4) where buffered[index] == 13 {
      if buffered[index..<(index + 4)].elementsEqual([13, 10, 13, 10]) { return index + 4 }
    }
    return nil
  }

  private func receive() throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65536)
    // With a time limit the call ends with EINTR where the process was stopped or frozen for a while.
    let count = chunk.withUnsafeMutableBytes { bytes in
      retryingWhenInterrupted { read(descriptor, bytes.baseAddress, bytes.count) }
    }
    guard count >= 0 else { throw WebFailure(description: "read: \(String(cString: strerror(errno)))") }
    buffered.append(contentsOf: chunk[..<count])
    return count > 0
  }
}
