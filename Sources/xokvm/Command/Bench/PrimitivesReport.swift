import Hypervisor

/// What `xokvm bench primitives` tells: operations, and beside them Linux where it was measured.
struct PrimitivesReport {
  let operations: [Operation]
  var linux: LinuxComparison?
  /// The instruction that enters the kernel here.
  let entry: KernelEntry

  /// A table; a line for each operation.
  var table: String {
    var rows = [["operation", "instructions", "nanoseconds"]]
    if linux != nil { rows[0] += ["Linux service", "Linux ns", "ratio", "native estimate ns", "ratio"] }
    for operation in operations {
      var row = [operation.name, "\(operation.instructions)", "\(operation.nanoseconds)"]
      if let beside = linux?.row(of: operation) {
        row += [
          beside.service.name, decimal(beside.linux, 1), decimal(beside.ratio, 4), decimal(beside.native, 1),
          decimal(beside.nativeRatio, 2),
        ]
      } else if linux != nil {
        row += ["-", "-", "-", "-", "-"]
      }
      rows.append(row)
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].utf8.count)
        return column == 0 ? row[column] + space : space + row[column]
      }.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The same as JSON. Linux and the estimate are there only where Linux was measured; for an operation, only where
  /// Linux has a service like it.
  var json: String {
    var writer = JSONWriter()
    writer.object {
      $0.member("entry", entry.rawValue)
      $0.array("operations") { array in
        for operation in operations {
          array.object {
            $0.member("name", operation.name)
            $0.member("instructions", operation.instructions)
            $0.member("nanoseconds", operation.nanoseconds)
            if let row = linux?.row(of: operation) { write(row, to: &$0) }
          }
        }
      }
      if let linux { write(linux, to: &$0) }
    }
    return writer.text
  }

  private func write(_ row: LinuxComparison.Row, to writer: inout JSONWriter) {
    writer.object("linux") {
      $0.member("service", row.service.name)
      $0.member("nanoseconds", row.linux)
      $0.member("ratio", row.ratio)
    }
    writer.object("native") {
      $0.member("nanoseconds", row.native)
      $0.member("ratio", row.nativeRatio)
    }
  }

  private func write(_ linux: LinuxComparison, to writer: inout JSONWriter) {
    writer.object("host") {
      $0.member("cycleNanoseconds", linux.cycle)
      $0.array("services") { array in
        for service in LinuxService.allCases {
          guard let nanoseconds = linux.services[service] else { continue }
          array.object {
            $0.member("service", service.name)
            $0.member("nanoseconds", nanoseconds)
          }
        }
      }
    }
  }

  /// A positive number with so many digits after its point.
  private func decimal(_ value: Double, _ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    // What no integer holds is not a time that anyone waited for.
    guard let scaled = Int64(exactly: (value * scale).rounded()) else { return "\(value)" }
    let digits = "\(scaled)"
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.utf8.count)) + digits
    return padded.dropLast(places) + "." + padded.suffix(places)
  }
}
