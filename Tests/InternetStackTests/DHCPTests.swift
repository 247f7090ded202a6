import Testing

@testable import InternetStack

@Suite("DHCP client and server") struct DHCPTests {
  private func makePair(leaseSeconds: UInt32 = 3600) throws -> (SimulatedNetwork, server: Host, client: Host) {
    let server = Host(number: 2, addressing: .manual(address: IPv4Address(10, 0, 2, 2), prefixLength: 24, gateway: nil))
    let client = Host(number: 15, addressing: .dhcp)
    try server.stack.serveDHCP(
      DHCPServerConfiguration(
        firstAddress: IPv4Address(10, 0, 2, 15), count: 4, router: server.address, nameServer: IPv4Address(10, 0, 2, 3),
        leaseSeconds: leaseSeconds))
    return (SimulatedNetwork([server, client]), server, client)
  }

  @Test("a client gets an address within four messages")
  func lease() throws {
    let (network, server, client) = try makePair()
    #expect(network.run(limit: .seconds(1)) { client.stack.isConfigured })
    #expect(client.stack.address == IPv4Address(10, 0, 2, 15))
    #expect(client.stack.lease?.interface.gateway == IPv4Address(10, 0, 2, 2))
    #expect(client.stack.lease?.nameServer == IPv4Address(10, 0, 2, 3))
    #expect(client.stack.interface?.prefixLength == 24)
    #expect(server.stack.leasedAddress(of: client.hardwareAddress) == client.stack.address)
    #expect(network.now < Instant(nanoseconds: 1_010_000_000))
  }
}
