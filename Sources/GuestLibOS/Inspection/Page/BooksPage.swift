import ExokernelABI

/// The books as one page of HTML that is also well-formed XML: no script, no other file, refreshed by the browser
/// itself.
public enum BooksPage {
  /// Cells of the map that it draws, in a row.
  public static let mapColumns = 64
  /// Rows of the map.
  public static let mapRows = 32

  /// The page's bytes, in UTF-8; the browser asks again after `refreshSeconds`.
  public static func bytes(_ snapshot: BooksSnapshot, refreshSeconds: UInt64) -> [UInt8] {
    var page = TextBuffer()
    appendHead(refreshSeconds, to: &page)
    page.put("<body>\n<h1>The books of this machine</h1>\n<p>")
    page.put("Environments: ")
    page.put(UInt64(snapshot.environments.count))
    page.put("; processors: ")
    page.put(UInt64(snapshot.vectors.count))
    page.put("; frames: ")
    page.put(UInt64(snapshot.header.frameCount))
    page.put(", of which the kernel and the boot archive have ")
    page.put(UInt64(snapshot.map.kernel))
    page.put(" and nobody has ")
    page.put(UInt64(snapshot.map.free))
    page.put(".</p>\n")
    PageGraphics.appendFrames(snapshot, to: &page)
    PageGraphics.appendSlices(snapshot, to: &page)
    PageTables.appendEnvironments(snapshot, to: &page)
    appendCapabilities(snapshot.tree, to: &page)
    PageTables.appendCounters(snapshot.header.counters, to: &page)
    page.put("</body>\n</html>\n")
    return page.bytes
  }

  private static func appendHead(_ refreshSeconds: UInt64, to page: inout TextBuffer) {
    page.put(
      """
      <!DOCTYPE html>
      <html xmlns="http://www.w3.org/1999/xhtml" lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta http-equiv="refresh" content="
      """)
    page.put(refreshSeconds)
    page.put(
      """
      "/>
      <title>xokvm: the books</title>
      <style>
      body { font: 14px system-ui, sans-serif; margin: 1em auto; width: 60em; max-width: 96%; background: #16181d; color: #d8dce3 }
      h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.2em 0 .4em }
      svg { width: 100%; background: #23262d; display: block; margin-bottom: 4px }
      table { border-collapse: collapse } th, td { padding: 1px .7em; text-align: right } th { font-weight: 600; color: #9aa3b2 }
      td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
      ul { list-style: none; margin: 0; padding-left: 1.4em; border-left: 1px solid #444a55 } li { padding: 1px 0 }
      code { color: #fff } b { padding: 0 .35em; color: #16181d; border-radius: 2px } .turn { stroke: #fff; stroke-width: 1.5 }
      .k { fill: #8a8a8a; background: #8a8a8a }

      """)
    for index in 0..<UInt64(Palette.count) {
      page.put(".c")
      page.put(index)
      page.put(" { fill: ")
      page.put(Palette.environment(index).web)
      page.put("; background: ")
      page.put(Palette.environment(index).web)
      page.put(" }\n")
    }
    page.put("</style>\n</head>\n")
  }

  private static func appendCapabilities(_ tree: CapabilityTree, to page: inout TextBuffer) {
    page.put("<h2>Capabilities by name: who holds them in which slot, and whose guard a name is</h2>\n")
    page.put("<ul id=\"capabilities\">")
    var depth = 0
    for index in tree.nodes.indices {
      let node = tree.nodes[index]
      if index > 0 {
        if node.depth > depth { page.put("\n<ul>") } else { page.put("</li>") }
        while depth > node.depth {
          page.put("\n</ul></li>")
          depth -= 1
        }
      }
      depth = node.depth
      page.put("\n<li><code>")
      page.put(name: node)
      page.put("</code>")
      for number in node.guarded {
        page.put(" guard of ")
        page.owner(UInt64(number))
      }
      for holder in node.holders {
        page.put(" · ")
        page.owner(UInt64(holder.environment))
        page.put(":")
        page.put(UInt64(holder.slot))
        page.put(" ")
        page.put(rights: holder.rights)
      }
    }
    if !tree.nodes.isEmpty { page.put("</li>") } else { page.put("<li>none</li>") }
    while depth > 0 {
      page.put("\n</ul></li>")
      depth -= 1
    }
    page.put("\n</ul>\n<p>Rights: r read, w write, x execute, a allocate, g grant, v revoke, c call, k control.</p>\n")
  }
}

extension TextBuffer {
  /// The class of an environment's colour.
  mutating func colourClass(of environment: UInt64) {
    put("c")
    put(environment % UInt64(Palette.count))
  }

  /// An environment's number in its colour.
  mutating func owner(_ environment: UInt64) {
    put("<b class=\"")
    colourClass(of: environment)
    put("\">")
    put(environment)
    put("</b>")
  }
}
