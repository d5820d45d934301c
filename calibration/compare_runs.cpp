// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/compare_runs.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "calibration/conformal.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// In standard deviations, as of samples (core/statistics.hpp): no repeat of a million.
constexpr double kCut = 5;
/// Of so many differences the deviation is half as sure, and the cut twice as wide.
constexpr double kFew = 5;
/// Places without which nothing is the rule, and so nothing an exception to it.
constexpr std::size_t kRule = 5;
/// Share of a regime's repeats past which they are no exceptions but how the machine is: of public
/// tables 8 to 12 % are spikes.
constexpr double kMostExceptions = 0.15;
constexpr double kNormalQuartile = 0.6745;

/// Log times at one place by run, samples of all repetitions.
using RunLogs = std::map<std::string, std::vector<double>>;

RunLogs by_run(const std::vector<const Observation*>& repeats) {
  RunLogs runs;
  for (const auto* o : repeats) {
    std::vector<double>* logs = nullptr;
    for (std::size_t i = 0; i < o->samples_s.size(); ++i) {
      if (i < o->flags.throttled.size() && o->flags.throttled[i]) continue;
      if (logs == nullptr) logs = &runs[source_of(*o)];
      logs->push_back(std::log(o->samples_s[i]));
    }
  }
  return runs;
}

/// Sums of an analysis of variance.
struct Sums {
  double within = 0, within_freedom = 0;    // squares about the runs' means
  double between = 0, between_freedom = 0;  // squares of the runs' means about the points'
  double samples_a_run = 0;                 // sum over points of N - sum n^2 / N
  double apart = 0;                         // as between, each run counting once
  std::map<std::string, std::vector<double>> of_runs;  // means about the points', by run

  void take(const RunLogs& runs) {
    double count = 0, squares = 0, sum = 0;
    for (const auto& [run, logs] : runs) {
      const auto n = static_cast<double>(logs.size());
      const double centre = mean(logs);
      for (const double log : logs) within += (log - centre) * (log - centre);
      within_freedom += n - 1;
      count += n;
      squares += n * n;
      sum += n * centre;
    }
    if (runs.size() < 2) return;
    double centre = 0;
    for (const auto& [run, logs] : runs) centre += mean(logs) / static_cast<double>(runs.size());
    for (const auto& [run, logs] : runs) {
      between += static_cast<double>(logs.size()) * std::pow(mean(logs) - sum / count, 2);
      of_runs[run].push_back(mean(logs) - centre);
      apart += std::pow(mean(logs) - centre, 2);
    }
    between_freedom += static_cast<double>(runs.size()) - 1;
    samples_a_run += count - squares / count;
  }

  /// Runs that lie apart by as much over all points as at each are compared once; the more their
  /// differences cancel over the points, the more comparisons they are.
  [[nodiscard]] double comparisons() const {
    if (of_runs.size() < 2) return 0;
    const auto runs_freedom = static_cast<double>(of_runs.size()) - 1;
    double as_wholes = 0;
    for (const auto& [run, deviations] : of_runs) as_wholes += std::pow(mean(deviations), 2);
    const double at_points = apart / between_freedom;
    as_wholes /= runs_freedom;
    const double most = std::max(1.0, between_freedom / runs_freedom);
    return runs_freedom * (as_wholes > 0 ? std::clamp(at_points / as_wholes, 1.0, most) : most);
  }
};

struct Place {
  RepeatPlace at;
  RunLogs runs;
};

/// The places of one size regime.
using Regime = std::vector<Place*>;

/// Mean log time by run.
using Levels = std::map<std::string, double>;

double middle(const Levels& levels) {
  std::vector<double> all;
  for (const auto& [run, level] : levels) all.push_back(level);
  return median(all);
}

/// Of the places that several runs were at, without what each run is shifted by in all of them.
std::vector<Levels> levels_of(const Regime& places) {
  std::vector<Levels> all(places.size());
  std::map<std::string, std::vector<double>> of_runs;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i]->runs.size() < 2) continue;
    for (const auto& [run, logs] : places[i]->runs) all[i][run] = mean(logs);
    const double centre = middle(all[i]);
    for (const auto& [run, level] : all[i]) of_runs[run].push_back(level - centre);
  }
  for (auto& [run, deviations] : of_runs) {
    const double shift = median(deviations);
    for (auto& levels : all)
      if (const auto found = levels.find(run); found != levels.end()) found->second -= shift;
  }
  return all;
}

/// How far off a run is an exception, from the median difference of two: half of them may be
/// spikes. Infinite of too few places.
double cut_of(const std::vector<Levels>& all) {
  std::vector<double> differences;
  std::size_t compared = 0;
  for (const auto& levels : all) {
    const double* before = nullptr;
    for (const auto& [run, level] : levels) {
      if (before != nullptr) differences.push_back(std::abs(level - *before));
      before = &level;
    }
    if (levels.size() > 1) ++compared;
  }
  if (compared < kRule) return INFINITY;
  const double deviation = median(differences) / (kNormalQuartile * std::sqrt(2.0));
  return kCut * (1 + kFew / static_cast<double>(differences.size())) *
         std::max(deviation, kResolution);
}

/// The runs of a place that lie off the middle of all by more than `most`. Asked again of those
/// that are left, since several that are off move the middle too.
std::set<std::string> further_off(Levels levels, double most) {
  std::set<std::string> off;
  for (std::size_t before = levels.size() + 1; levels.size() > 1 && levels.size() < before;) {
    before = levels.size();
    // Two differ by sqrt(2) deviations, and each lies off by half of it.
    const double centre = middle(levels), limit = before == 2 ? most * std::sqrt(0.5) : most;
    std::erase_if(levels, [&](const auto& level) {
      return std::abs(level.second - centre) > limit && off.insert(level.first).second;
    });
  }
  return off;
}

/// Whether they are few. Of runs that all lie apart one is not counted, whichever it is. Places
/// without a majority count too: there the machine is not steady.
bool are_few(const std::vector<std::set<std::string>>& off, const std::vector<Levels>& all) {
  std::size_t count = 0, repeats = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    repeats += all[i].size();
    if (!off[i].empty()) count += std::min(off[i].size(), all[i].size() - 1);
  }
  return static_cast<double>(count) <= kMostExceptions * static_cast<double>(repeats);
}

/// Whether more than half agree, within half the cut, and those off lie off by five of their
/// deviations too: at a noisy size some agree by chance. Of two runs none can say which is off.
bool do_most_agree(const Levels& levels, const std::set<std::string>& off, double cut) {
  if (levels.size() < 3 || 2 * off.size() >= levels.size()) return false;
  std::vector<double> agreeing;
  for (const auto& [run, level] : levels)
    if (!off.contains(run)) agreeing.push_back(level);
  const double centre = mean(agreeing);
  double squares = 0;
  for (const double level : agreeing) squares += std::pow(level - centre, 2);
  const double apart = std::sqrt(squares / static_cast<double>(agreeing.size() - 1));
  return apart < cut / 2 && std::ranges::all_of(off, [&](const auto& run) {
           return std::abs(levels.at(run) - centre) > kCut * apart;
         });
}

double slowest_over_fastest(const RunLogs& runs) {
  std::vector<double> levels;
  for (const auto& [run, logs] : runs) levels.push_back(mean(logs));
  const auto [least, most] = std::minmax_element(levels.begin(), levels.end());
  return std::exp(*most - *least);
}

std::vector<RunException> take_out_exceptions(const Regime& places) {
  const auto levels = levels_of(places);
  const double cut = cut_of(levels);
  std::vector<std::set<std::string>> off;
  for (const auto& of_place : levels) off.push_back(further_off(of_place, cut));
  if (!are_few(off, levels)) return {};
  std::vector<RunException> exceptions;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (off[i].empty() || !do_most_agree(levels[i], off[i], cut)) continue;
    auto& runs = places[i]->runs;
    exceptions.push_back({places[i]->at, slowest_over_fastest(runs)});
    for (const auto& run : off[i]) runs.erase(run);
  }
  return exceptions;
}

/// Noise depends on the size: each regime is judged by itself.
std::vector<RunException> take_out_exceptions(std::vector<Place>& places,
                                              const RegimeOf& regime_of) {
  std::map<std::size_t, Regime> regimes;
  for (auto& place : places)
    if (place.runs.size() > 1) regimes[regime_of ? regime_of(place.at) : 0].push_back(&place);
  std::vector<RunException> all;
  for (const auto& [regime, of_regime] : regimes)
    std::ranges::move(take_out_exceptions(of_regime), std::back_inserter(all));
  return all;
}

VarianceComponents components_of(const Sums& sums) {
  VarianceComponents components;
  const double within = sums.within_freedom > 0 ? sums.within / sums.within_freedom : 0;
  components.within_run = std::sqrt(within);
  if (sums.within_freedom > 0) components.samples_in_runs = static_cast<int>(sums.within_freedom);
  if (sums.samples_a_run > 0)
    components.between_runs = std::sqrt(
        std::max(0.0, (sums.between - sums.between_freedom * within) / sums.samples_a_run));
  components.between_freedom = sums.comparisons();
  return components;
}

}  // namespace

RunComparison compare_runs(const Repeats& repeats, const RegimeOf& regime_of) {
  std::vector<Place> places;
  std::size_t most_runs = 0;
  for (const auto& [place, of_place] : repeats) {
    places.push_back({place, by_run(of_place)});
    most_runs = std::max(most_runs, places.back().runs.size());
  }
  RunComparison comparison{{}, take_out_exceptions(places, regime_of)};
  Sums sums;
  for (const auto& place : places) sums.take(place.runs);
  comparison.variance = components_of(sums);
  comparison.variance.runs = static_cast<int>(most_runs);
  return comparison;
}

}  // namespace moecal::calibration
