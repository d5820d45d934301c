// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measure_summary.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <numeric>

#include "cli/layer_summary.hpp"
#include "core/ended_points.hpp"
#include "core/observation.hpp"

namespace moecal::cli {
namespace {

struct Sum {
  std::array<int, 3> outcomes{};          // measured, skipped, failed
  std::map<std::string, int> reasons[3];  // of each outcome
};

/// What a run's file says of its points.
struct Points {
  std::map<std::string, Observation> last;  // word on each: a failed one may be measured later
  EndedPoints ended;
};

Points read_points(const std::string& path, const std::string& run_id) {
  Points points;
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return points;
  for (auto& observation : read_observations(path).observations) {
    if (observation.run_id != run_id) continue;
    points.ended.count(observation);
    const auto key = observation.key();
    if (is_not_begun(observation))  // again: what it failed with is the last word yet
      points.last.try_emplace(key, std::move(observation));
    else
      points.last[key] = std::move(observation);
  }
  return points;
}

std::map<std::string, Sum> sum_up(const Points& points) {
  std::map<std::string, Sum> sums;
  for (const auto& [key, observation] : points.last) {
    auto& sum = sums[observation.operation + " (" + observation.implementation + ")"];
    const auto outcome = static_cast<std::size_t>(observation.outcome);
    ++sum.outcomes[outcome];
    if (!observation.reason.empty()) ++sum.reasons[outcome][observation.reason];
  }
  return sums;
}

void print_reasons(const std::string& who, const char* what,
                   const std::map<std::string, int>& reasons) {
  for (const auto& [reason, count] : reasons)
    std::cout << what << " " << who << " x" << count << ": " << reason << "\n";
}

void print_table(const std::map<std::string, Sum>& sums) {
  std::cout << std::left << std::setw(36) << "operation (implementation)" << std::right
            << std::setw(10) << "measured" << std::setw(10) << "skipped" << std::setw(10)
            << "failed"
            << "\n";
  for (const auto& [name, sum] : sums) {
    std::cout << std::left << std::setw(36) << name << std::right;
    for (const int count : sum.outcomes) std::cout << std::setw(10) << count;
    std::cout << "\n";
  }
}

bool is_throttled(const Observation& observation) {
  const auto& flags = observation.flags.throttled;
  const auto throttled = std::count(flags.begin(), flags.end(), true);
  return throttled > 0 && 2 * throttled >= static_cast<std::ptrdiff_t>(flags.size());
}

void count_held_back(const Points& points, RunSummary& summary) {
  for (const auto& [key, observation] : points.last) {
    if (observation.outcome != Outcome::measured) continue;
    summary.throttled += is_throttled(observation) ? 1 : 0;
    summary.power_limited += observation.device.power_limited ? 1 : 0;
  }
}

void print_held_back(const RunSummary& summary) {
  if (summary.throttled == 0) return;
  std::cout << summary.throttled << " of the " << summary.measured
            << " measured points were throttled in half of their samples or more, "
            << summary.power_limited << " of them by the device's power limit\n";
}

int print_unknown(const PlannedPoints& planned) {
  int unknown = 0;
  for (const auto& [program, of_program] : planned) {
    if (of_program.why_unknown.empty()) continue;
    std::cout << "the points of " << program << " are not known: " << of_program.why_unknown
              << "\n";
    ++unknown;
  }
  return unknown;
}

int print_missing(const PlannedPoints& planned, const Points& points) {
  int missing = 0;
  for (const auto& [program, of_program] : planned) {
    const auto count = std::ranges::count_if(
        of_program.keys, [&](const std::string& key) { return points.last.count(key) == 0; });
    if (count > 0)
      std::cout << count << " points of " << program
                << " are recorded nowhere: it ended before them\n";
    missing += static_cast<int>(count);
  }
  return missing;
}

}  // namespace

std::set<std::string> not_begun(const std::string& path, const std::string& run_id) {
  std::set<std::string> keys;
  for (const auto& [key, observation] : read_points(path, run_id).last)
    if (is_not_begun(observation)) keys.insert(key);
  return keys;
}

RunSummary print_run_summary(const std::string& path, const std::string& run_id,
                             const PlannedPoints& planned) {
  const auto points = read_points(path, run_id);
  const auto sums = sum_up(points);
  print_table(sums);
  RunSummary summary;
  LayerSummary layers;
  for (const auto& [key, observation] : points.last) layers.add(observation);
  std::cout << layers.text();
  for (const auto& [key, observation] : points.last)
    summary.given_up += observation.outcome == Outcome::failed && points.ended.given_up(key);
  for (const auto& [name, sum] : sums) {
    summary.points += std::accumulate(sum.outcomes.begin(), sum.outcomes.end(), 0);
    summary.measured += sum.outcomes[0];
    summary.failed += sum.outcomes[2];
    if (const auto found = sum.reasons[1].find(kNotBegun); found != sum.reasons[1].end())
      summary.not_begun += found->second;
    print_reasons(name, "skipped", sum.reasons[1]);
    print_reasons(name, "failed", sum.reasons[2]);
  }
  count_held_back(points, summary);
  print_held_back(summary);
  summary.missing = print_missing(planned, points);
  summary.unknown = print_unknown(planned);
  return summary;
}

}  // namespace moecal::cli
