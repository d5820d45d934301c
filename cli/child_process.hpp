// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moecal::cli {

/// A program to run, with its arguments; `environment` holds variables that are set where the user
/// has not set them.
struct Command {
  std::vector<std::string> arguments;  // [0] is the program, looked for on the PATH
  std::vector<std::pair<std::string, std::string>> environment;
};

/// How a program ended.
struct Ended {
  int status = 0;             // its exit status; 128 + the signal's number if one ended it
  int signal = 0;             // that ended it; 0: none
  bool hung = false;          // it was ended for that
  bool left_running = false;  // or rather not even then
};
/// Whether a program that runs hangs: asked first after so many seconds, then at intervals.
struct HangWatch {
  double from = 0;
  double interval = 1;
  std::function<bool()> hangs;
};
/// Runs it and waits. While it runs, SIGINT and SIGTERM sent to this process are passed on to it
/// once each. A program that hangs is ended: by SIGTERM, 5 s later by SIGKILL; one that even that
/// does not end, as inside a driver, is waited for no longer than 30 s more.
/// @throws Error if it cannot be started.
[[nodiscard]] Ended run(const Command& command, const std::optional<HangWatch>& watch = {});
/// Whether a signal was passed on since the program started: the user wants to stop.
[[nodiscard]] bool stop_was_asked();
/// What a program wrote, and how it ended.
struct Finished {
  int status = 0;  // these two as Ended has them
  bool hung = false;
  std::string output;
  std::string errors;
};
/// Runs it and keeps what it writes. One that takes longer than so many seconds hangs.
/// @throws Error if no process can be made for it.
[[nodiscard]] Finished run_and_read(const Command& command, double longest_s);
/// The arguments as one could type them.
[[nodiscard]] std::string typed(const std::vector<std::string>& arguments);

}  // namespace moecal::cli
