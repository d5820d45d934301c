// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/child_process.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

// What the signal handler may touch: the child to pass the signal to, and that there was one.
volatile std::sig_atomic_t running_child = 0;
volatile std::sig_atomic_t stop_asked = 0;

extern "C" void moecal_pass_signal_on(int signal) {
  stop_asked = 1;
  if (running_child > 0) kill(static_cast<pid_t>(running_child), signal);
}

// Passes signals on while it lives.
class SignalForwarding {
 public:
  explicit SignalForwarding(pid_t child) {
    running_child = child;
    struct sigaction action {};
    action.sa_handler = moecal_pass_signal_on;
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalForwarding() {
    running_child = 0;
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  SignalForwarding(const SignalForwarding&) = delete;
  SignalForwarding& operator=(const SignalForwarding&) = delete;

 private:
  static constexpr std::array<int, 2> kSignals{SIGINT, SIGTERM};
  std::array<struct sigaction, 2> before_{};
};

// Where a child's standard output and standard error go; -1: where ours do.
struct Streams {
  int output = -1;
  int errors = -1;
};

[[noreturn]] void become(const Command& command, const Streams& streams) {
  // A group of its own: a terminal's Ctrl-C then reaches it once, through us. If we are killed, it
  // is told to end.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (streams.output >= 0) dup2(streams.output, STDOUT_FILENO);
  if (streams.errors >= 0) dup2(streams.errors, STDERR_FILENO);
  for (const auto& [name, value] : command.environment) setenv(name.c_str(), value.c_str(), 0);
  std::vector<char*> arguments;
  for (const auto& argument : command.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const std::string complaint =
      "could not start '" + command.arguments[0] + "': " + std::strerror(errno) + "\n";
  (void)!write(STDERR_FILENO, complaint.data(), complaint.size());
  _exit(127);
}

pid_t start(const Command& command, const Streams& streams) {
  const pid_t child = fork();
  if (child < 0)
    throw Error{"could not start '" + command.arguments[0] + "': " + std::strerror(errno)};
  if (child == 0) become(command, streams);
  return child;
}

// Of what waitpid() tells.
Ended how_it_ended(int told) {
  if (WIFEXITED(told)) return {.status = WEXITSTATUS(told)};
  return {.status = 128 + WTERMSIG(told), .signal = WTERMSIG(told)};
}

// Empty: it runs still, or a signal came between. Where something else has waited for it nobody can
// say how it ended.
std::optional<Ended> end_of(pid_t child, int wait_options) {
  int told = 0;
  const pid_t found = waitpid(child, &told, wait_options);
  if (found == child) return how_it_ended(told);
  if (found < 0 && errno != EINTR) return Ended{.status = 1};
  return {};
}

Ended wait_for(pid_t child) {
  for (;;)
    if (const auto ended = end_of(child, 0)) return *ended;
}

// While it lives, the end of a child is a signal that waits until it is asked for: so one can wait
// for it with a time limit, and without looking again and again beside what is measured.
class PendingEnds {
 public:
  PendingEnds() {
    sigemptyset(&end_);
    sigaddset(&end_, SIGCHLD);
    sigprocmask(SIG_BLOCK, &end_, &before_);
  }
  ~PendingEnds() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  PendingEnds(const PendingEnds&) = delete;
  PendingEnds& operator=(const PendingEnds&) = delete;

  // Empty if the child does not end within so many seconds.
  [[nodiscard]] std::optional<Ended> wait_for(pid_t child, double seconds) const {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (;;) {
      if (auto ended = end_of(child, WNOHANG)) return ended;
      const double left = seconds - std::chrono::duration<double>{Clock::now() - start}.count();
      if (left <= 0) return {};
      const double whole = std::floor(std::min(left, 1e9));
      const timespec wait{static_cast<time_t>(whole),
                          static_cast<long>(1e9 * std::min(left - whole, 0.999))};
      sigtimedwait(&end_, nullptr, &wait);
    }
  }

 private:
  sigset_t end_{};
  sigset_t before_{};
};

Ended end_by_force(pid_t child, const PendingEnds& ends) {
  constexpr std::array<std::pair<int, double>, 2> kSteps{{{SIGTERM, 5}, {SIGKILL, 30}}};
  for (const auto& [signal, seconds] : kSteps) {
    kill(-child, signal);  // its group
    if (auto ended = ends.wait_for(child, seconds)) {
      ended->hung = true;
      return *ended;
    }
  }
  return {.status = 128 + SIGKILL, .signal = SIGKILL, .hung = true, .left_running = true};
}

// A file that lives only as long as its descriptor: two of them cannot block a writer, as pipes
// that are read one after the other can.
class ScratchFile {
 public:
  ScratchFile() : descriptor_{memfd_create("moecal", MFD_CLOEXEC)} {
    if (descriptor_ < 0)
      throw Error{std::string{"could not make a scratch file: "} + std::strerror(errno)};
  }
  ~ScratchFile() { close(descriptor_); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::string text() const {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
      const auto count =
          pread(descriptor_, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
      if (count <= 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  int descriptor_;
};

}  // namespace

Ended run(const Command& command, const std::optional<HangWatch>& watch) {
  const pid_t child = start(command, {});
  const SignalForwarding forwarding{child};
  if (!watch) return wait_for(child);
  const PendingEnds ends;
  for (double wait = watch->from;; wait = watch->interval) {
    if (const auto ended = ends.wait_for(child, wait)) return *ended;
    if (watch->hangs()) return end_by_force(child, ends);
  }
}

bool stop_was_asked() { return stop_asked != 0; }

Finished run_and_read(const Command& command, double longest_s) {
  const ScratchFile output, errors;
  const pid_t child = start(command, {output.descriptor(), errors.descriptor()});
  const PendingEnds ends;
  auto ended = ends.wait_for(child, longest_s);
  if (!ended) ended = end_by_force(child, ends);
  return {ended->status, ended->hung, output.text(), errors.text()};
}

std::string typed(const std::vector<std::string>& arguments) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::strchr("_-+=./:,@%", c) != nullptr;
  };
  std::string text;
  for (const auto& argument : arguments) {
    if (!text.empty()) text += ' ';
    if (!argument.empty() && std::all_of(argument.begin(), argument.end(), is_plain)) {
      text += argument;
      continue;
    }
    text += '\'';
    for (const char c : argument) text += c == '\'' ? std::string{"'\\''"} : std::string{c};
    text += '\'';
  }
  return text;
}

}  // namespace moecal::cli
