/// Dates as HTTP writes them (RFC 9110 section 5.6.7). Times are seconds since 1970-01-01 00:00 UTC.
enum HTTPDate {
  private static func dayName(_ index: Int) -> StaticString {
    switch index {
    case 0: "Sun"
    case 1: "Mon"
    case 2: "Tue"
    case 3: "Wed"
    case 4: "Thu"
    case 5: "Fri"
    default: "Sat"
    }
  }

  private static func monthName(_ month: Int) -> StaticString {
    switch month {
    case 1: "Jan"
    case 2: "Feb"
    case 3: "Mar"
    case 4: "Apr"
    case 5: "May"
    case 6: "Jun"
    case 7: "Jul"
    case 8: "Aug"
    case 9: "Sep"
    case 10: "Oct"
    case 11: "Nov"
    default: "Dec"
    }
  }

  /// True for the years 1 to 9999, which can be written.
  static func canBeWritten(_ time: Int64) -> Bool { (-62_135_596_800..<253_402_300_800).contains(time) }

  /// Appends `time`, which can be written, in the form `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func append(_ time: Int64, to output: inout [UInt8]) {
    let days = floorDivide(time, 86_400)
    let second = UInt64(time - days * 86_400)
    let (year, month, day) = civil(fromDays: days)
    output.append(dayName(Int(((days + 4) % 7 + 7) % 7)))
    output.append(", ")
    output.append(decimal: UInt64(day), width: 2)
    output.append(" ")
    output.append(monthName(month))
    output.append(" ")
    output.append(decimal: UInt64(clamping: year), width: 4)
    output.append(" ")
    output.append(decimal: second / 3600, width: 2)
    output.append(":")
    output.append(decimal: second / 60 % 60, width: 2)
    output.append(":")
    output.append(decimal: second % 60, width: 2)
    output.append(" GMT")
  }

  /// Reads a date in any of the three forms that recipients must take; nil when it is none of them.
  static func parse(_ text: Span<UInt8>) -> Int64? {
    guard let comma = text.indices.first(where: { text[$0] == ASCII.comma }) else { return parseAsctime(text) }
    // "Sun, 06 Nov 1994 08:49:37 GMT", or "Sunday, 06-Nov-94 08:49:37 GMT".
    guard comma + 2 < text.count, text[comma + 1] == ASCII.space else { return nil }
    let rest = text.extracting((comma + 2)..<text.count)
    if rest.count == 24 {
      guard comma == 3, isSpace(rest, 2, 6), isSpace(rest, 11, 20), isGMT(rest, 21), let year = number(rest, 7..<11)
      else { return nil }
      return time(rest, day: 0..<2, month: 3..<6, year: year, clock: 12)
    }
    guard rest.count == 22, rest[2] == UInt8(ascii: "-"), rest[6] == UInt8(ascii: "-"), isSpace(rest, 9, 18),
      isGMT(rest, 19), let year = number(rest, 7..<9)
    else { return nil }
    // Two digits of a year: files are of 1970 to 2069.
    return time(rest, day: 0..<2, month: 3..<6, year: year < 70 ? 2000 + year : 1900 + year, clock: 10)
  }

  /// "Sun Nov  6 08:49:37 1994".
  private static func parseAsctime(_ text: Span<UInt8>) -> Int64? {
    guard text.count == 24, isSpace(text, 3, 7), isSpace(text, 10, 19), let year = number(text, 20..<24) else {
      return nil
    }
    return time(text, day: text[8] == ASCII.space ? 9..<10 : 8..<10, month: 4..<7, year: year, clock: 11)
  }

  private static func isSpace(_ text: Span<UInt8>, _ first: Int, _ second: Int) -> Bool {
    text[first] == ASCII.space && text[second] == ASCII.space
  }

  private static func isGMT(_ text: Span<UInt8>, _ start: Int) -> Bool {
    ASCII.equal(text.extracting(start..<(start + 3)), "GMT")
  }

  private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    ASCII.decimal(text.extracting(range)).map { Int(truncatingIfNeeded: $0) }
  }

  private static func time(
    _ text: Span<UInt8>, day: Range<Int>, month: Range<Int>, year: Int, clock: Int
  ) -> Int64? {
    let colon = UInt8(ascii: ":")
    guard let day = number(text, day), let hour = number(text, clock..<(clock + 2)), text[clock + 2] == colon,
      let minute = number(text, (clock + 3)..<(clock + 5)), text[clock + 5] == colon,
      let second = number(text, (clock + 6)..<(clock + 8)),
      let month = (1...12).first(where: { ASCII.equal(text.extracting(month), monthName($0)) }),
      (1...31).contains(day), hour < 24, minute < 60, second <= 60, year >= 1
    else { return nil }
    return days(fromCivil: year, month, day) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
  }

  // MARK: - Calendar

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    value / divisor - (value % divisor < 0 ? 1 : 0)
  }

  /// Days since 1970-01-01 of a date of the Gregorian calendar. Years count from March, so that the leap day comes
  /// last.
  private static func days(fromCivil year: Int, _ month: Int, _ day: Int) -> Int64 {
    let shifted = Int64(month <= 2 ? year - 1 : year)
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(fromDays days: Int64) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    return (Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), month, Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1))
  }
}
