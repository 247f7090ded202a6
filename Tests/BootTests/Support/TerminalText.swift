import Foundation

/// What a terminal of 200 lines shows after a program's output: the control functions that programs of ours may use,
/// and no others.
struct TerminalText {
  /// The lines, without spaces at their ends.
  var lines: [String] { cells.map { String($0).replacing(#/ +$/#, with: "") } }
  /// Places that were written in inverse video and not since in another one.
  private(set) var inverse: Set<[Int]> = []
  /// Control characters and sequences that are not allowed.
  private(set) var strays: [String] = []

  private var cells: [[Character]] = []
  private var row = 0
  private var column = 0
  private var saved = (row: 0, column: 0)
  private var isInverse = false
  private static let height = 200

  init(_ output: String) {
    var rest = output[...]
    while let character = rest.first {
      if character == "\u{1b}" {
        takeSequence(&rest)
        continue
      }
      rest.removeFirst()
      switch character {
      case "\r\n", "\n":
        row = min(row + 1, Self.height - 1)
        column = 0
      case "\r": column = 0
      default:
        if character.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f || $0 == "\u{fffd}" }) {
          strays.append(character.debugDescription)
        } else {
          put(character)
        }
      }
    }
  }

  private mutating func put(_ character: Character) {
    while cells.count <= row { cells.append([]) }
    while cells[row].count <= column { cells[row].append(" ") }
    cells[row][column] = character
    if isInverse { inverse.insert([row, column]) } else { inverse.remove([row, column]) }
    column += 1
  }

  private mutating func takeSequence(_ rest: inout Substring) {
    if rest.hasPrefix("\u{1b}7") || rest.hasPrefix("\u{1b}8") {
      if rest.dropFirst().first == "7" { saved = (row, column) } else { (row, column) = saved }
      return rest.removeFirst(2)
    }
    guard let match = rest.prefixMatch(of: #/\u{1b}\[([0-9;]*)([A-Za-z])/#) else {
      strays.append(rest.prefix(8).debugDescription)
      rest.removeFirst()
      return
    }
    let numbers = match.1.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    switch match.2 {
    case "m": isInverse = numbers.first == 7 || isInverse && numbers.first != 0
    case "H":
      row = min(max(1, numbers.first ?? 1), Self.height) - 1
      column = max(1, numbers.dropFirst().first ?? 1) - 1
    case "J" where numbers == [2]: cells = []
    case "K": if row < cells.count { cells[row].removeSubrange(min(column, cells[row].count)...) }
    case "r": (row, column) = (0, 0)
    default: strays.append(String(match.0).debugDescription)
    }
    rest.removeFirst(match.0.count)
  }
}
