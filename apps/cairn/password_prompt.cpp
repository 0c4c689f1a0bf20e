#include "apps/cairn/password_prompt.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/limits.hpp"

namespace cairn::apps {
namespace {

/// A line from `fd`, one byte at a time so that nothing of what follows is taken.
Result<std::string> read_line(int fd, const char* where) {
  std::string line;
  while (line.size() <= limits::max_password_bytes) {
    char c = 0;
    const auto count = read(fd, &c, 1);
    if (count == 0 && line.empty()) return Error{Errc::invalid_argument, std::string("no password on ") + where};
    if (count < 0) return Error{Errc::io, std::string("the password could not be read from ") + where};
    if (count == 0 || c == '\n') return line;
    line += c;
  }
  return Error{Errc::invalid_argument,
               "a password has at most " + std::to_string(limits::max_password_bytes) + " bytes"};
}

/// Turns echo off while it lives, also if the process is interrupted.
class Unseen {
 public:
  Unseen(int terminal, Interrupts& interrupts) : terminal_(terminal), interrupts_(interrupts) {
    if (tcgetattr(terminal_, &before_) != 0) return;
    auto silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    interrupts_.set_last_act([terminal, before = before_] { tcsetattr(terminal, TCSAFLUSH, &before); });
    tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  ~Unseen() {
    tcsetattr(terminal_, TCSAFLUSH, &before_);
    interrupts_.set_last_act({});
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  int terminal_;
  Interrupts& interrupts_;
  termios before_{};
};

void tell(int terminal, const std::string& text) {
  if (write(terminal, text.data(), text.size()) < 0) return;
}

Result<std::string> ask_once(int terminal, Context& context, const std::string& question) {
  tell(terminal, question + ": ");
  const Unseen unseen(terminal, context.interrupts);
  auto line = read_line(terminal, "the terminal");
  tell(terminal, "\n");
  return line;
}

}  // namespace

Result<std::string> ask_password(Context& context, const std::string& question, bool twice) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0)
    return Error{Errc::invalid_argument, "there is no terminal to ask for the password on: use --password-stdin"};
  Result<std::string> answer = Error{Errc::invalid_argument, "the two passwords were not the same"};
  for (int round = 0; round < 3; ++round) {
    auto first = ask_once(terminal, context, question);
    if (!first || !twice) {
      answer = std::move(first);
      break;
    }
    auto second = ask_once(terminal, context, "Again");
    if (!second || *first == *second) {
      answer = std::move(second);
      break;
    }
    tell(terminal, "They were not the same.\n");
  }
  close(terminal);
  return answer;
}

Result<std::string> read_password_line() { return read_line(STDIN_FILENO, "standard input"); }

}  // namespace cairn::apps
