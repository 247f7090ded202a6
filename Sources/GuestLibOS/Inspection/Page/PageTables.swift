import ExokernelABI

/// The tables of the page.
enum PageTables {
  static func appendEnvironments(_ snapshot: BooksSnapshot, to page: inout TextBuffer) {
    page.put(
      """
      <h2>Environments: used of the quota; entries that take upcalls: f faults, b and e beginning and end of a slice, r revocation, \
      t transfers</h2>
      <table id="environments">
      <tr><th></th><th>name</th><th>state</th><th>frames</th><th>page tables</th><th>slices</th><th>filters</th><th>extents</th>\
      <th>environments</th><th>regions</th><th>slices run</th><th>faults</th><th>entries</th></tr>

      """)
    for environment in snapshot.environments {
      let record = environment.record
      page.put("<tr><td>")
      page.owner(environment.number)
      page.put("</td><td>")
      page.put(escaped: environment.name)
      page.put("</td><td>")
      page.put(environment.stateName)
      if record.processorPlusOne != 0 { page.put(UInt64(record.processorPlusOne - 1), width: 2) }
      page.put("</td>")
      page.put(cell: record.quota(.frames))
      page.put(cell: UInt64(environment.frames.pageTables))
      for kind in [.slices, .filters, .extents, .environments, .regions] as [ResourceKind] {
        page.put(cell: record.quota(kind))
      }
      page.put(cell: record.slicesRun)
      page.put(cell: record.faults)
      page.put("<td>")
      page.put(environment.boundEntries)
      page.put("</td></tr>\n")
    }
    page.put("</table>\n")
  }

  static func appendCounters(_ counters: Counters, to page: inout TextBuffer) {
    page.put("<h2>Counters since boot</h2>\n<table id=\"counters\">\n<tr>")
    for name in [
      "transfers", "refusals", "repossessions", "interrupts", "blocks", "received", "sent", "unwanted", "dropped",
    ] as [StaticString] {
      page.put("<th>")
      page.put(name)
      page.put("</th>")
    }
    page.put("</tr>\n<tr>")
    for value in [
      counters.transfers, counters.refusals, counters.repossessions, counters.interrupts, counters.blocks,
      counters.packetsReceived, counters.packetsSent, counters.packetsUnwanted, counters.packetsDropped,
    ] { page.put(cell: value) }
    page.put("</tr>\n</table>\n")
  }
}

extension TextBuffer {
  fileprivate mutating func put(cell value: UInt64) {
    put("<td>")
    put(value)
    put("</td>")
  }

  fileprivate mutating func put(cell quota: Quota) {
    put("<td>")
    put(UInt64(quota.used))
    put("/")
    put(UInt64(quota.limit))
    put("</td>")
  }
}
