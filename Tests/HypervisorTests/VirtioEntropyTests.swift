import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct VirtioEntropyTests {
  @Test("buffers are filled with bytes that look random, up to the limit")
  func filling() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp()
    let buffer = driver.allocate(8192)
    driver.add(0, [.writable(buffer, 1000), .writable(buffer + 1000, 7000)])
    driver.notify(0)
    #expect(driver.takeUsed(0).map(\.byteCount) == [4096])
    let bytes = driver.bytes(buffer, 8192)
    // 4,096 random bytes without one of the 256 values: less than one in two million runs.
    #expect(Set(bytes.prefix(4096)).count >= 254)
    #expect(bytes.dropFirst(4096).allSatisfy { $0 == 0 })
  }

  @Test("requests that are no entropy requests stop the device")
  func malformed() throws {
    for buffers: [DriverBuffer] in [[.readable(0x1000, 16)], [.readable(0x1000, 16), .writable(0x2000, 16)]] {
      let driver = try VirtioDriver(VirtioEntropyDevice())
      try driver.bringUp()
      driver.add(0, buffers)
      driver.notify(0)
      #expect(driver.needsReset)
    }
  }

  @Test("a long queue is served in turns")
  func fairness() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp(size: 64)
    for _ in 0..<64 { driver.add(0, [.writable(0x1000, 1)]) }
    driver.write(VirtioMMIO.Register.queueNotify, 0)
    driver.thread.run()
    #expect(driver.takeUsed(0).count == 64)
    #expect(driver.line.count == 4)
  }
}
