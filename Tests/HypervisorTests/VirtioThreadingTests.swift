import RandomFixtures
import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A real event loop on a thread of its own, for tests in which driver and device run at the same time.
private final class LoopThread: DeviceThread {
  let loop: EventLoop
  private nonisolated(unsafe) var thread = pthread_t()

  init(watching device: VirtioBlockDevice?) throws {
    let loop = try EventLoop()
    self.loop = loop
    if let device, let descriptor = device.completionDescriptor {
      try loop.register(descriptor, readable: { device.completionsReady() })
    }
    let argument = Unmanaged.passRetained(loop).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<EventLoop>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument)
  }

  func post(_ work: @escaping @Sendable () -> Void) { loop.post(work) }

  func stop() {
    loop.stop()
    pthread_join(thread, nil)
  }
}

@Suite struct VirtioThreadingTests {
  /// Waits, looking at memory as a polling driver does, until `condition` holds.
  private func wait(_ condition: () -> Bool) -> Bool {
    for _ in 0..<50_000 {
      if condition() { return true }
      usleep(100)
    }
    return false
  }

  @Test("a reset while requests are under way returns when the device has let go of memory", arguments: [false, true])
  func resetUnderLoad(usesIOURing: Bool) throws {
    let file = try TemporaryFile(byteCount: 1 << 18, fill: { UInt8(truncatingIfNeeded: $0 >> 9 | 1) })
    let device = VirtioBlockDevice(
      image: try DiskImage(path: file.path, isReadOnly: false), identifier: "", usesIOURing: usesIOURing)
    let loop = try LoopThread(watching: device)
    defer { loop.stop() }
    let driver = try VirtioDriver(device, thread: loop)
    let data: UInt64 = 0x20_0000
    let zeroes = [UInt8](repeating: 0, count: 4096)
    var random = SeededGenerator(seed: 7)
    var served = 0
    for round in 0..<60 {
      driver.rewind(to: 0x10_0000)
      try driver.bringUp(device.features, size: 128)
      let header = driver.allocate(4096)
      let status = driver.allocate(4096)
      for slot in UInt64(0)..<40 {
        let isFlush = slot % 8 == 7
        driver.store(
          VirtioBlock.RequestHeader(
            type: isFlush ? VirtioBlock.RequestType.flush : VirtioBlock.RequestType.read, sector: slot * 8),
          header + 16 * slot)
        let buffers: [DriverBuffer] = isFlush ? [] : [.writable(data + slot * 4096, 4096)]
        driver.add(0, [.readable(header + 16 * slot, 16)] + buffers + [.writable(status + slot, 1)])
      }
      driver.notify(0)
      if round % 3 == 0 {
        #expect(wait { driver.usedIndex(0) == 40 })
        #expect(wait { driver.line.count > 0 })
      } else {
        usleep(UInt32.random(in: 0..<300, using: &random))
      }
      driver.write(VirtioMMIO.Register.status, 0)
      served += Int(driver.usedIndex(0))
      // From here on the memory is the driver's again.
      let used = driver.usedIndex(0)
      for slot in UInt64(0)..<40 { driver.store(zeroes, data + slot * 4096) }
      usleep(200)
      #expect(driver.usedIndex(0) == used)
      for slot in UInt64(0)..<40 {
        for offset in stride(from: UInt64(0), to: 4096, by: 512) {
          #expect(driver.load(UInt64.self, data + slot * 4096 + offset) == 0)
        }
      }
    }
    #expect(served >= 800)
  }

  @Test("with EVENT_IDX on both sides, no doorbell and no interrupt is lost between two threads")
  func noLostNotifications() throws {
    let device = VirtioEntropyDevice()
    let loop = try LoopThread(watching: nil)
    defer { loop.stop() }
    let driver = try VirtioDriver(device, thread: loop)
    try driver.bringUp(.eventIndex, size: 16)
    let ring = driver.rings[0]!
    let usedEvent = ring.availableRing + ring.layout.usedEventOffset
    let availableEvent = ring.usedRing + ring.layout.availableEventOffset
    var doorbells = 0
    var sent: UInt16 = 0
    var seen: UInt16 = 0
    for round in 0..<4000 {
      let burst = UInt16(1 + round % 5)
      for _ in 0..<burst { driver.add(0, [.writable(0x1000, 8)]) }
      // The driver's half of the handshake (section 2.7.13.4).
      atomicFence()
      if SplitRingLayout.needsEvent(event: driver.load(UInt16.self, availableEvent), new: sent &+ burst, old: sent) {
        doorbells += 1
        driver.notify(0)
      }
      sent &+= burst
      // Waits for an interrupt, not for the index, as a driver that sleeps would.
      while seen != sent {
        let interrupts = driver.line.count
        driver.store(sent &- 1, usedEvent)
        atomicFence()
        if driver.usedIndex(0) != sent {
          guard wait({ driver.line.count != interrupts }) else {
            Issue.record("round \(round): nothing happens")
            return
          }
        }
        seen = driver.usedIndex(0)
      }
    }
    #expect(doorbells > 0 && doorbells <= 4000)
  }
}
