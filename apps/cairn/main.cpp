// `cairn`, the command line of a drive: reads the arguments, carries out the command, ends with its code.
#include <cstdio>
#include <variant>

#include "apps/cairn/command_line.hpp"

int main(int argc, char** argv) {
  using namespace cairn::apps;
  const auto read = CommandLine().read({argv + 1, argv + argc});
  if (!read.command) {
    std::fputs(read.text.c_str(), read.exit == exit_ok ? stdout : stderr);
    return read.exit;
  }
  Interrupts interrupts;
  Output output(stdout, stderr);
  output.set_json(read.globals.json);
  output.set_quiet(read.globals.quiet);
  Context context{output, interrupts, read.globals};
  const int code = std::visit([&](const auto& command) { return run(command, context); }, *read.command);
  const auto written = output.finish();
  return written || code != exit_ok ? code : failed(context, written.error());
}
