// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measure_run.hpp"

#include <algorithm>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "cli/child_process.hpp"
#include "cli/measure_launch.hpp"
#include "cli/program_run.hpp"
#include "cli/time_limit.hpp"
#include "core/exit_status.hpp"

namespace moecal::cli {
namespace {

// Its exit status is 0 if it has nothing to do here.
ProgramEnd run_program(const BenchProgram& program, const MeasureOptions& options) {
  const Launch launch = plan_launch(program, options);
  if (launch.ranks == 0) {
    std::cout << program.name << " is left out: " << launch.why_not << "\n";
    return {};
  }
  std::cout << program.name << " on " << launch.ranks << (launch.ranks == 1 ? " rank" : " ranks")
            << "\n"
            << std::flush;
  auto end = run_to_the_end(program, options, launch.ranks);
  if (stop_was_asked()) return end;
  // Said by the program; whether it matters is seen at the end.
  if (end.status == kExitNothingMeasured) end.status = 0;
  if (end.status > 1) std::cout << program.name << " ended with exit status " << end.status << "\n";
  return end;
}

std::string about(double seconds) {
  std::ostringstream text;
  text.precision(2);
  text << "about " << seconds << " s";
  return text.str();
}

double seconds_since(std::chrono::steady_clock::time_point moment) {
  return std::chrono::duration<double>{std::chrono::steady_clock::now() - moment}.count();
}

class Run {
 public:
  Run(const FoundPrograms& found, MeasureOptions options, double spent)
      : programs_{found.usable},
        options_{std::move(options)},
        shares_{programs_, options_, found.to_start},
        spent_{spent} {}

  [[nodiscard]] RunEnd all() {
    for (std::size_t i = 0; i < programs_.size() && !stop_was_asked(); ++i)
      if (may_start(i)) start(i, shares_.of(i, spent_));
    use_what_is_left();
    return end_;
  }

 private:
  /// What is not started is named, and counts as not measured.
  [[nodiscard]] bool may_start(std::size_t number) {
    const auto& program = programs_[number];
    const auto why_not = why_not_started(number);
    if (why_not.empty()) return true;
    std::cout << program.name << " is not started: " << why_not << "\n";
    end_.planned[program.name].why_unknown = "it was not started";
    return false;
  }

  [[nodiscard]] bool is_on_stuck_gpu(const BenchProgram& program) const {
    return !stuck_.empty() && on_cuda(program, options_) &&
           plan_launch(program, options_).ranks > 0;
  }

  [[nodiscard]] std::string why_not_started(std::size_t number) const {
    if (is_on_stuck_gpu(programs_[number]))
      return "the GPU gives no answer since " + stuck_ + " hung";
    const auto share = shares_.of(number, spent_);
    if (!share || *share > shares_.to_start(number)) return "";
    return "the time limit leaves less than a start takes, " + about(shares_.to_start(number));
  }

  void start(std::size_t number, std::optional<double> seconds) {
    const auto& program = programs_[number];
    options_.time_limit = seconds;
    const auto started = std::chrono::steady_clock::now();
    auto end = run_program(program, options_);
    const double took = seconds_since(started);
    if (end.to_start) shares_.learn_start(*end.to_start);
    // What a program hung for is taken from no other.
    if (seconds) spent_ += took - end.waited;
    // A program that had nothing left to measure has warmed nothing.
    options_.clocks_are_warm = options_.clocks_are_warm || took >= first_clock_warm_up(options_);
    end_.status = stop_was_asked() ? 130 : std::max(end_.status, end.status);
    note_end(program, std::move(end));
  }

  void note_end(const BenchProgram& program, ProgramEnd end) {
    auto& planned = end_.planned[program.name];
    planned.keys.merge(end.planned);
    if (planned.keys.empty()) planned.why_unknown = end.why_unplanned;
    if (end.hung) hung_.insert(program.name);
    if (end.is_stuck && on_cuda(program, options_)) stuck_ = program.name;
  }

  // What programs left of their shares is for the points that others, before them, had no time
  // for; but not of one that hung, which may at the next point.
  void use_what_is_left() {
    constexpr double kWorthAStart = 1;  // seconds more than it takes
    const auto started = std::chrono::steady_clock::now();
    const auto left = not_begun(options_.out, options_.run_id);
    spent_ += seconds_since(started);
    options_.keep_failed = true;
    for (std::size_t i = 0; i < programs_.size() && !stop_was_asked(); ++i) {
      const auto& name = programs_[i].name;
      const auto count = std::ranges::count_if(
          end_.planned[name].keys, [&](const std::string& key) { return left.contains(key); });
      const auto seconds = shares_.of_rest(i, spent_);
      if (count == 0 || hung_.contains(name) || is_on_stuck_gpu(programs_[i]) || !seconds ||
          *seconds < shares_.to_start(i) + kWorthAStart)
        continue;
      std::cout << name << " is started again, for its share of the time was not enough for "
                << count << (count == 1 ? " point\n" : " points\n");
      start(i, seconds);
    }
  }

  const std::vector<BenchProgram>& programs_;
  MeasureOptions options_;
  Shares shares_;
  double spent_;                // that the limit is for: its programs', and until they were known
  std::set<std::string> hung_;  // programs
  std::string stuck_;           // the program that the GPU gave no answer any more
  RunEnd end_;
};

}  // namespace

RunEnd run_programs(const FoundPrograms& found, const MeasureOptions& options,
                    std::chrono::steady_clock::time_point began) {
  return Run{found, options, seconds_since(began)}.all();
}

}  // namespace moecal::cli
