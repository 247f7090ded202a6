import ExokernelABI
import Glibc

@testable import ExokernelCore

// Physical memory of the fake machine, as tests and devices see it.
extension FakeMachine {
  func put<Value: BitwiseCopyable>(_ address: UInt64, _ value: Value) {
    precondition(address + UInt64(MemoryLayout<Value>.size) <= UInt64(size))
    memory(at: address).storeBytes(of: value, as: Value.self)
  }
  func get<Value: BitwiseCopyable>(_ address: UInt64, as _: Value.Type = Value.self) -> Value {
    precondition(address + UInt64(MemoryLayout<Value>.size) <= UInt64(size))
    return memory(at: address).loadUnaligned(as: Value.self)
  }
  func put(_ address: UInt64, bytes: [UInt8]) {
    precondition(address + UInt64(bytes.count) <= UInt64(size))
    bytes.withUnsafeBytes { memory(at: address).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
  func bytes(_ address: UInt64, count: Int) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: memory(at: address), count: count))
  }
  func isZero(frame: UInt32) -> Bool {
    let start = memory(at: UInt64(frame) << 12)
    return start.load(as: UInt64.self) == 0 && memcmp(start, start + 8, 4088) == 0
  }

  /// The rings as Start/rings.S fills them in.
  func prepareRings() {
    for disk: UInt64 in 0..<4 {
      let rings = Place.diskRings + disk * DiskDriver.ringsSize
      for request: UInt64 in 0..<32 {
        descriptor(
          rings, request * 3, address: rings + 4096 + request * 16, length: 16, flags: 1, next: request * 3 + 1)
        descriptor(rings, request * 3 + 1, address: 0, length: 0, flags: 1, next: request * 3 + 2)
        descriptor(rings, request * 3 + 2, address: rings + 4608 + request, length: 1, flags: 2, next: 0)
      }
    }
    for interface: UInt64 in 0..<2 {
      let rings = Place.networkRings + interface * InterfaceDriver.ringsSize
      for buffer: UInt64 in 0..<64 {
        let address = Place.receiveBuffers + (interface * 64 + buffer) * 2048
        descriptor(rings, buffer, address: address, length: 2048, flags: 2, next: 0)
        put(rings + 1024 + 4 + buffer * 2, UInt16(buffer))
      }
      put(rings + 1024 + 2, UInt16(64))
      for number: UInt64 in 0..<256 {
        descriptor(rings + 8192, number, address: 0, length: 0, flags: 0, next: (number + 1) & 0xff)
      }
    }
  }

  private func descriptor(
    _ table: UInt64, _ index: UInt64, address: UInt64, length: UInt32, flags: UInt16, next: UInt64
  ) {
    put(table + index * 16, address)
    put(table + index * 16 + 8, length)
    put(table + index * 16 + 12, flags)
    put(table + index * 16 + 14, UInt16(next))
  }
}
