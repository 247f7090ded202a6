import Foundation
import Testing

/// Machines on a TAP device. Each runs in a network namespace of its own with its client, so nothing of this host's
/// network is touched.
@Suite(
  "A machine on a TAP device",
  .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"),
  .enabled(if: Command.find("curl") != nil, "curl is missing"),
  .enabled(
    if: Command.succeeds("unshare -rn ip tuntap add dev tap0 mode tap"),
    "this user cannot make a TAP device in a namespace of its own (unshare -rn ip tuntap add dev tap0 mode tap)"))
struct TapTests {
  private static let files = Site.files.filter { $0.path.hasSuffix(".bin") || $0.size <= 1 }

  /// Runs `lines` of shell in a namespace with the TAP device tap0, after a web server of `arguments` has started
  /// there.
  private func serve(_ arguments: String, before: String = "") throws -> (site: Site, result: CommandResult) {
    let site = try Site(files: Self.files)
    let script = """
      cd '\(site.folder.url.path)'
      ip tuntap add dev tap0 mode tap && ip address add 10.0.0.1/24 dev tap0 && ip link set tap0 up || exit 2
      \(before)
      '\(Command.xokvm)' boot --app web\(arguments) --disk site.tar,readonly --network tap=tap0 --timeout 60 >log 2>&1 &
      machine=$!
      for attempt in $(seq 400); do grep -q serving log && break; sleep 0.05; done
      cat log
      place=$(sed -n 's|.*serving at http://\\([0-9.]*\\):80/.*|\\1|p' log)
      for path in \(Self.files.map(\.path).joined(separator: " ")); do
        curl --silent --show-error --max-time 30 --output "got-$path" --create-dirs "http://$place/$path"
      done
      kill -TERM $machine
      wait $machine
      echo "status $?"
      [ -e server.pid ] && kill $(cat server.pid)
      """
    let result = try Command.run(Command.find("unshare") ?? "", ["-rn", "/bin/sh", "-c", script], seconds: 90)
    return (site, result)
  }

  private func expectServed(_ site: Site, _ result: CommandResult) throws {
    #expect(result.output.contains("status 143"), "\(result.all)")
    for file in Self.files {
      let got = try? Data(contentsOf: site.folder.url.appending(path: "got-\(file.path)"))
      #expect(try got.map { Array($0) } == site.contents(file.path), "\(file.path): \(result.all)")
    }
  }

  @Test("serves the web with an address of its own")
  func address() throws {
    let (site, result) = try serve(":ip=10.0.0.2/24")
    #expect(result.output.contains("serving at http://10.0.0.2:80/"), "\(result.all)")
    try expectServed(site, result)
  }

  @Test(
    "gets its address from a DHCP server there",
    .enabled(if: Command.succeeds("busybox --list | grep -qx udhcpd"), "busybox's udhcpd is missing"))
  func dhcp() throws {
    let server = """
      printf 'start 10.0.0.77\\nend 10.0.0.77\\ninterface tap0\\nlease_file %s/leases\\npidfile %s/server.pid\\n' "$PWD" "$PWD" >server.conf
      printf 'option subnet 255.255.255.0\\noption router 10.0.0.1\\n' >>server.conf
      : >leases
      busybox udhcpd -f server.conf >server.log 2>&1 &
      """
    let (site, result) = try serve("", before: server)
    #expect(result.output.contains("serving at http://10.0.0.77:80/"), "\(result.all)")
    try expectServed(site, result)
  }
}
