import ExokernelABI
import LibOS
import Service

/// Serves the live books as one web page, made anew for each request out of the exposed pages, without a call.
@c(program_main)
public func statusMain() -> Int32 {
  guard let arguments = ServiceArguments(Environment.arguments()) else {
    Console.line("status: usage: status[:ip=A.B.C.D/N][,gateway=A.B.C.D][,port=N][,interface=N]")
    return ExitStatus.usage
  }
  guard Books.header.layoutVersion == BooksHeader.currentLayoutVersion else {
    Console.line("status: the kernel's books have another layout: build kernel and program from one source")
    return ExitStatus.systemError
  }
  do throws(ServiceFailure) {
    let service = try HTTPService(
      "status", arguments, files: BooksFiles(), memory: ServiceMemory(limit: BooksFiles.mostPages / 2))
    service.run()
  } catch {
    Console.put("status: ")
    return error.report()
  }
}
