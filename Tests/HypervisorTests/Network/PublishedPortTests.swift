import InternetStack
import Testing

@testable import Hypervisor

@Suite("Published ports")
struct PublishedPortTests {
  @Test("a host and a guest port, on the loopback address unless told otherwise")
  func parsing() throws {
    #expect(try PublishedPort(parsing: "8080:80") == PublishedPort(hostPort: 8080, guestPort: 80))
    #expect(try PublishedPort(parsing: "8080:80").hostAddress == IPv4Address(127, 0, 0, 1))
    #expect(
      try PublishedPort(parsing: "0.0.0.0:1:65535")
        == PublishedPort(hostAddress: IPv4Address(0, 0, 0, 0), hostPort: 1, guestPort: 65_535))
  }

  @Test(
    "what is not a published port is refused with the form to use",
    arguments: [
      "", ":", "80", "80:", ":80", "0:80", "80:0", "65536:80", "80:65536", "a:b", "+80:80", "1:2:3", "1.2.3:4:5",
      "1.2.3.4:5:6:7", "-1:80", " 80:80",
    ])
  func malformed(text: String) {
    #expect(throws: PublishError.malformed(text)) { try PublishedPort(parsing: text) }
    #expect(PublishError.malformed(text).description.contains("[ADDRESS:]HOSTPORT:GUESTPORT"))
  }
}
