import ExokernelABI

@testable import ExokernelCore

// Environments made by environments.
extension World {
  func handle(_ environment: UInt32) -> UInt64 { kernel.environments[environment].handle }

  /// `environmentCreate` by the running environment, with these quotas.
  func create(
    quotas: [UInt32] = [40, 2, 2, 2, 2, 2], slot: UInt64 = 0, into: UInt64 = 5, page: UInt64 = 0,
    sharedTable: UInt64 = 0, sharedSlot: UInt64 = 0
  ) -> CallResult {
    var block = CreationBlock()
    for kind in 0..<6 { block.quotas.values[kind] = quotas[kind] }
    block.pageAddress = page
    block.sharedTable = sharedTable
    block.sharedTableSlot = sharedSlot
    machine.put(pageAddress(kernel.current) + EnvironmentPage.creationBlockOffset, block)
    return kernel.environmentCreate(slot: slot, into: into)
  }

  /// A child of the running environment's that can run, with page tables for its environment page and what is around.
  func spawn(quotas: [UInt32] = [40, 2, 2, 2, 2, 2], into slot: UInt64 = 5) throws -> UInt32 {
    let handle = try create(quotas: quotas, into: slot).value()
    for level: UInt64 in [3, 2, 1] {
      let result = kernel.tableInstall(
        slot: 0, frame: CallNumber.any, address: AddressMap.environmentPage, level: level, table: handle | slot << 32)
      _ = try result.value()
    }
    let result = kernel.environmentStart(
      slot: slot, environment: handle, entry: 0x40_0000, stack: 0x5f_0000, position: CallNumber.any)
    _ = try result.value()
    return Handle.index(handle)
  }
}
