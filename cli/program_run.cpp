// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/program_run.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/child_process.hpp"
#include "cli/measure_launch.hpp"
#include "cli/standstill.hpp"
#include "core/ended_points.hpp"
#include "core/exit_status.hpp"

namespace moecal::cli {
namespace {

// Starts in a row that finish no point: what is wrong is then no single point's doing.
constexpr int kMostFruitlessStarts = 5;

std::string signal_text(int signal) {
  return "signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

std::string seconds_text(double seconds) {
  std::ostringstream text;
  text << seconds << " s";
  return text.str();
}

// What has no time limit may take its time: so many times as long.
constexpr double kPatienceWithoutLimit = 10;

// What a program ended by inside a point, where that is the point's doing. Another signal, as that
// of a system short of memory, may have come from outside.
std::string cause_of(const Ended& ended, const std::string& silence) {
  constexpr int kOwnDoing[]{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  if (ended.hung) return "no sign of life for " + silence;
  if (ended.signal == 0) return "exit status " + std::to_string(ended.status);
  const bool own = std::count(std::begin(kOwnDoing), std::end(kOwnDoing), ended.signal) > 0;
  return own ? signal_text(ended.signal) : "";
}

std::string how_it_ended(const Ended& ended, const std::string& silence) {
  if (ended.left_running) return "gave no sign of life for " + silence + ", and cannot be ended";
  if (ended.hung) return "gave no sign of life for " + silence + ", and was ended";
  if (ended.signal != 0) return "was ended by " + signal_text(ended.signal);
  if (ended.status == kExitDeviceLost) return "lost the device";
  return "ended with exit status " + std::to_string(ended.status);
}

/// The starts of one program on one rank or more, one after the other.
class ProgramRun {
 public:
  ProgramRun(const BenchProgram& program, const MeasureOptions& options, int ranks)
      : program_{program}, options_{options}, ranks_{ranks}, limit_{options.time_limit} {
    started_before_ = options.keep_failed;
    end_.why_unplanned = "it ended before it named them";
  }

  ProgramEnd to_the_end() {
    bool again = true;
    while (again && start_once()) {
      const auto finished_now = finished();
      fruitless_ = finished_now > finished_ ? 0 : fruitless_ + 1;
      finished_ = finished_now;
      again = fruitless_ < kMostFruitlessStarts && !ended_.left_running;
      say(again                 ? " inside a point: it is started again for the rest of its points"
          : ended_.left_running ? " inside a point: it is not started again"
                                : " inside one point after the other: it is not started again");
    }
    if (again && ended_.hung) say("");
    end_.status = ended_.hung ? 1 : ended_.status;
    if (end_.status == 0 || end_.status == kExitNothingMeasured) end_.why_unplanned.clear();
    return std::move(end_);
  }

 private:
  void say(const char* what_follows) const {
    std::cout << program_.name << " " << how_it_ended(ended_, silence_text(" past its time limit"))
              << what_follows << "\n"
              << std::flush;
  }

  /// Whether it ended inside a point.
  bool start_once() {
    if (ranks_ == 1) record_earlier_point();
    const double passed = seconds();
    if (limit_) options_.time_limit = std::max(0.0, *limit_ - passed);
    options_.clocks_are_warm = options_.clocks_are_warm || passed >= first_clock_warm_up(options_);
    const auto size = size_of_file();
    Standstill standstill{options_.out, longest_silence()};
    run_planning(standstill);
    end_.hung = end_.hung || ended_.hung;
    if (ended_.hung && limit_)
      end_.waited += std::max(0.0, seconds() - passed - *options_.time_limit);
    if (ranks_ > 1 || stop_was_asked()) return false;
    const bool inside = record_ended_point(standstill);
    if (ended_.hung && !inside && !recorded_since(size)) end_.is_stuck = true;
    if (ended_.left_running) end_.is_stuck = true;
    return inside || ended_.status == kExitDeviceLost;
  }

  /// One start; what it planned is read.
  void run_planning(Standstill& standstill) {
    Command command = command_for(program_, options_, ranks_);
    // What failed in an earlier start of this launch would fail, and take its time, in each.
    if (std::exchange(started_before_, true)) command.arguments.emplace_back("--keep-failed");
    const bool plans = begin_plan();
    if (plans) command.arguments.insert(command.arguments.end(), {"--plan", plan_});
    const auto started = std::filesystem::file_time_type::clock::now();
    ended_ = run(command, watch(standstill));
    if (plans && read_plan(started)) end_.why_unplanned.clear();
  }

  [[nodiscard]] double longest_silence() const {
    return limit_ ? options_.silence : kPatienceWithoutLimit * options_.silence;
  }

  /// "60 s" and what follows it, where there is a limit.
  [[nodiscard]] std::string silence_text(const char* past_limit) const {
    return seconds_text(longest_silence()) + (limit_ ? past_limit : "");
  }

  [[nodiscard]] std::optional<HangWatch> watch(Standstill& standstill) const {
    if (ranks_ > 1) return {};
    const double wait = std::min(limit_ ? 1.0 : 60.0, longest_silence() / 4);
    return HangWatch{.from = limit_ ? *options_.time_limit : 0,
                     .interval = wait,
                     .hangs = [&standstill] { return standstill.is_too_long(); }};
  }

  /// Whether a plan can be written beside the run's file. One that is there afterwards is whole.
  [[nodiscard]] bool begin_plan() const {
    const bool writable = std::ofstream{plan_}.good();
    std::error_code missing;
    std::filesystem::remove(plan_, missing);
    return writable;
  }

  /// Whether there is one. It is written right before the first point.
  bool read_plan(std::filesystem::file_time_type started) {
    std::error_code missing;
    const auto written = std::filesystem::last_write_time(plan_, missing);
    if (missing) return false;
    const std::chrono::duration<double> taken = written - started;
    // By the clock of the file's system, which may be another's.
    if (!end_.to_start) end_.to_start = std::clamp(taken.count(), 0.0, seconds());
    std::ifstream stream{plan_};
    for (std::string key; std::getline(stream, key);) end_.planned.insert(key);
    std::filesystem::remove(plan_, missing);
    return true;
  }

  [[nodiscard]] std::uintmax_t size_of_file() const {
    std::error_code missing;
    const auto size = std::filesystem::file_size(options_.out, missing);
    return missing ? 0 : size;
  }

  /// Whether a point was, since the file had that size.
  [[nodiscard]] bool recorded_since(std::uintmax_t size) const {
    std::ifstream stream{options_.out};
    // A half line that a dead writer left there is cut off by the next one.
    if (std::string rest; size > 0) {
      stream.seekg(static_cast<std::streamoff>(size - 1));
      std::getline(stream, rest);
    }
    return !read_observations(stream, options_.out).observations.empty();
  }

  /// Of a launch before this one, which could say no more of it.
  void record_earlier_point() const {
    const PointNote note{options_.out};
    for (const auto& point : note.left()) LineAppender{options_.out}.append(to_json_line(point));
    note.remove();
  }

  /// Whether there is one.
  bool record_ended_point(const Standstill& standstill) {
    const PointNote note{options_.out};
    auto left = note.left();
    if (left.empty() && ended_.hung) left = standstill.note_of_the_silent();
    std::erase_if(left, [&](const auto& point) { return point.run_id != options_.run_id; });
    if (left.empty()) return false;
    left.front().reason = ended_reason(cause_of(ended_, silence_text(" past the time limit")));
    LineAppender{options_.out}.append(to_json_line(left.front()));
    note.remove();
    return true;
  }

  /// Points of the run that are recorded, and did not end a program.
  [[nodiscard]] std::size_t finished() const {
    std::set<std::string> keys;
    for (const auto& observation : read_observations(options_.out).observations)
      if (observation.run_id == options_.run_id && !is_ended(observation))
        keys.insert(observation.key());
    return keys.size();
  }

  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>{std::chrono::steady_clock::now() - started_}.count();
  }

  const BenchProgram& program_;
  MeasureOptions options_;
  int ranks_;
  std::optional<double> limit_;
  std::string plan_ = options_.out + ".planned";
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  Ended ended_;
  ProgramEnd end_;
  std::size_t finished_ = 0;
  bool started_before_ = false;
  int fruitless_ = 0;
};

}  // namespace

ProgramEnd run_to_the_end(const BenchProgram& program, const MeasureOptions& options, int ranks) {
  return ProgramRun{program, options, ranks}.to_the_end();
}

}  // namespace moecal::cli
