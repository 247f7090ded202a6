import Foundation
import InternetStack
import Testing

@testable import Hypervisor

@Suite("Published ports")
struct PublishedPortTests {
  @Test("a host and a guest port, on the loopback address unless told otherwise")
  func parsing() throws {
    #expect(try PublishedPort(parsing: "8080:80") == PublishedPort(hostPort: 8080, guestPort: 80))
    #expect(try PublishedPort(parsing: "8080:80").hostAddress == .ipv4(IPv4Address(127, 0, 0, 1)))
    #expect(
      try PublishedPort(parsing: "0.0.0.0:1:65535")
        == PublishedPort(hostAddress: .ipv4(IPv4Address(0, 0, 0, 0)), hostPort: 1, guestPort: 65_535))
  }

  @Test("localhost is 127.0.0.1, and an IPv6 address is written in brackets")
  func names() throws {
    #expect(try PublishedPort(parsing: "localhost:8080:80") == PublishedPort(parsing: "127.0.0.1:8080:80"))
    let port = try PublishedPort(parsing: "[::1]:8080:80")
    #expect(port == PublishedPort(hostAddress: .ipv6(high: 0, low: 1), hostPort: 8080, guestPort: 80))
    #expect(port.hostAddress.description == "[::1]")
    let long = try PublishedPort(parsing: "[2001:db8:0:0:1:2:3:4]:1:2").hostAddress
    #expect(long == .ipv6(high: 0x2001_0db8_0000_0000, low: 0x0001_0002_0003_0004))
    #expect(long.description == "[2001:db8::1:2:3:4]")
  }

  @Test(
    "what is not a published port is refused with the reason and the form to use",
    arguments: [
      ("", "there is no colon between two ports"), (":", "the host's port '' is not a number"),
      ("80", "there is no colon between two ports"), ("80:", "the guest's port '' is not a number"),
      (":80", "the host's port '' is not a number"), ("0:80", "the host's port 0 is not one from 1 to 65535"),
      ("80:0", "the guest's port 0 is not one from 1 to 65535"),
      ("65536:80", "the host's port 65536 is not one from 1 to 65535"),
      ("80:65536", "the guest's port 65536 is not one from 1 to 65535"), ("a:b", "the host's port 'a' is not a number"),
      ("+80:80", "the host's port '+80' is not a number"), ("1:2:3", "'1' is neither localhost nor an IPv4 address"),
      ("1.2.3:4:5", "'1.2.3' is neither localhost nor an IPv4 address"),
      ("1.2.3.4:5:6:7", "an IPv6 address is written in brackets"), ("-1:80", "the host's port '-1' is not a number"),
      (" 80:80", "the host's port ' 80' is not a number"), ("::1:80:80", "an IPv6 address is written in brackets"),
      ("[::1:80:80", "the bracket of an IPv6 address is not closed before a colon"),
      ("[::1]80:80", "the bracket of an IPv6 address is not closed before a colon"),
      ("[127.0.0.1]:80:80", "'127.0.0.1' is not an IPv6 address"), ("[]:80:80", "'' is not an IPv6 address"),
      ("[::1]:80", "there is no colon between two ports"), ("[::1]:80:80:80", "there are too many colons"),
      ("[::1%lo]:80:80", "'::1%lo' is not an IPv6 address"),
    ])
  func malformed(text: String, reason: String) {
    let error = PublishError.malformed(text, reason: reason)
    #expect(throws: error) { try PublishedPort(parsing: text) }
    #expect(error.description.contains("[ADDRESS:]HOSTPORT:GUESTPORT") && error.description.contains(reason))
  }

  /// Whether this host has ::1.
  private static let hasIPv6 =
    (try? HostSocket.listen(
      PublishedPort(hostAddress: .ipv6(high: 0, low: 1), hostPort: 0, guestPort: 1))) != nil

  @Test("the host listens at an IPv6 address, and not at IPv4's", .enabled(if: hasIPv6, "this host has no address ::1"))
  func listens() throws {
    let listener = try HostSocket.listen(
      PublishedPort(hostAddress: .ipv6(high: 0, low: 1), hostPort: 0, guestPort: 80))
    let port = try #require(HostSocket.port(of: listener.rawValue))
    #expect(connects(to: "::1", AF_INET6, port))
    #expect(!connects(to: "127.0.0.1", AF_INET, port))
    let error = #expect(throws: PublishError.self) {
      _ = try HostSocket.listen(PublishedPort(hostAddress: .ipv6(high: 0, low: 1), hostPort: port, guestPort: 80))
    }
    #expect(error?.description.contains("port \(port) of [::1] is in use") == true)
  }

  private func connects(to host: String, _ family: Int32, _ port: UInt16) -> Bool {
    var hints = addrinfo()
    hints.ai_family = family
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICHOST
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "\(port)", &hints, &found) == 0, let entry = found else { return false }
    defer { freeaddrinfo(found) }
    let client = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    return connect(client, entry.pointee.ai_addr, entry.pointee.ai_addrlen) == 0
  }
}
