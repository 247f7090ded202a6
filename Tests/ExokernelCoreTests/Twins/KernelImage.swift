import ExokernelABI
import GuestImages
import Hypervisor

@testable import ExokernelCore

/// The linked kernel as it lies in memory, for the instructions of its entries to be executed here. Its books, private
/// state and processors' states are those of a fake machine.
final class KernelImage {
  /// From the kernel's text to the end of its data.
  private static let size = 6 << 20
  private static let start = UInt64(ImageLayout.base) + 2 << 20

  private let bytes: UnsafeMutableRawPointer
  private let symbols: SymbolTable

  init() throws {
    let file = GuestImages.kernel()
    symbols = SymbolTable(of: file)
    bytes = .allocate(byteCount: Self.size, alignment: 4096)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.size)
    file.withUnsafeBytes { file in
      func word(_ offset: Int) -> UInt64 { file.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
      let headers = Int(word(32))
      for index in 0..<Int(file.loadUnaligned(fromByteOffset: 56, as: UInt16.self)) {
        let header = headers + index * 56
        guard file.loadUnaligned(fromByteOffset: header, as: UInt32.self) == 1 else { continue }
        let (offset, address, count) = (Int(word(header + 8)), word(header + 16), Int(word(header + 32)))
        guard address >= Self.start, address + UInt64(count) <= Self.start + UInt64(Self.size) else { continue }
        (bytes + Int(address - Self.start)).copyMemory(from: file.baseAddress! + offset, byteCount: count)
      }
    }
  }

  deinit { bytes.deallocate() }

  struct NoSymbol: Error { var name: String }

  /// The address of a symbol.
  func address(of name: String) throws(NoSymbol) -> UInt64 {
    guard let address = symbols[name] else { throw NoSymbol(name: name) }
    return address
  }

  /// A virtual address of the image's own on the host; nil elsewhere.
  func place(_ address: UInt64) -> UnsafeMutableRawPointer? {
    let offset = address &- Self.start
    return offset < UInt64(Self.size) - 8 ? bytes + Int(offset) : nil
  }

  /// A processor of `machine` that executes the image's instructions: it has a stack of its own behind which its state
  /// lies, the direct map, the image, and whatever host address the kernel's logic has put into a record.
  func interpreter(on machine: FakeMachine, stack: ProcessorStack) throws(NoSymbol) -> InstructionInterpreter {
    let ranges: [(start: UInt64, size: UInt64, physical: UInt64)] = [
      (try address(of: "books"), BooksLayout.size, FakeMachine.Place.books),
      (try address(of: "private_state"), UInt64(PrivateLayout.size), FakeMachine.Place.privateState),
      (AddressMap.directMap, UInt64(machine.size), 0),
      (UInt64(UInt(bitPattern: machine.base)), UInt64(machine.size), 0),
      (
        stack.end, UInt64(ProcessorState.size),
        FakeMachine.Place.processors + UInt64(machine.processor) * UInt64(ProcessorState.size)
      ),
    ]
    return InstructionInterpreter { address in
      for range in ranges where address &- range.start <= range.size - 4 {
        return machine.memory(at: range.physical + (address - range.start))
      }
      return stack.place(address) ?? self.place(address)
    }
  }
}

/// The stack of a processor up to its state.
final class ProcessorStack {
  /// Where the processor's state begins.
  let end: UInt64
  private let bytes = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)

  init(of processor: UInt32) {
    end =
      UInt64(ImageLayout.stacks) + UInt64(processor + 1) * UInt64(ImageLayout.stackSize) - UInt64(ProcessorState.size)
    bytes.initialize(repeating: 0, count: 64)
  }

  deinit { bytes.deallocate() }

  func place(_ address: UInt64) -> UnsafeMutableRawPointer? {
    let offset = address &- (end - 512)
    return offset <= 504 ? UnsafeMutableRawPointer(bytes) + Int(offset) : nil
  }

  /// The words from `address` to the end.
  func words(from address: UInt64) -> [UInt64] {
    (0..<(end - address) / 8).map { bytes[Int(address - (end - 512)) / 8 + Int($0)] }
  }

  /// Puts `frame` at the end, as the processor does; returns the stack pointer.
  func push(_ frame: [UInt64]) -> UInt64 {
    for (index, word) in frame.enumerated() { bytes[64 - frame.count + index] = word }
    return end - UInt64(frame.count) * 8
  }
}
