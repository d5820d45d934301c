// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/repeatability.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

constexpr int kSamePoints = 3;           // figures that agree at so many points are the same ones
constexpr std::size_t kSameSamples = 3;  // or so many samples of one point

std::string source_of(const Observation& o) {
  if (o.source.kind != "imported") return "run " + o.run_id;
  // One file may hold several runs: "imported-6d0a...-run2" (interchange/import_collector).
  const auto run = o.run_id.rfind("-run");
  return o.source.file + " (" + o.source.tool + ", sha256 " + o.source.sha256.substr(0, 12) +
         (run == o.run_id.npos ? "" : ", run " + o.run_id.substr(run + 4)) + ")";
}

/// Log times of one run at one point, samples of all its repetitions.
std::map<std::string, std::vector<double>> by_run(const std::vector<const Observation*>& readings) {
  std::map<std::string, std::vector<double>> runs;
  for (const auto* o : readings) {
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

  void take(const std::map<std::string, std::vector<double>>& runs) {
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
    for (const auto& [run, logs] : runs)
      between += static_cast<double>(logs.size()) * std::pow(mean(logs) - sum / count, 2);
    between_freedom += static_cast<double>(runs.size()) - 1;
    samples_a_run += count - squares / count;
  }
};

using Pair = std::pair<std::string, std::string>;  // sources: kept, dropped

/// Measured comes first, then the name.
Pair in_order(const Observation& a, const Observation& b) {
  const auto rank = [](const Observation& o) {
    return std::pair{o.source.kind == "imported", source_of(o)};
  };
  return rank(a) < rank(b) ? Pair{source_of(a), source_of(b)} : Pair{source_of(b), source_of(a)};
}

bool is_same_reading(const Observation& a, const Observation& b) {
  const auto identity = [](const Observation& o) {
    return std::tie(o.run_id, o.repetition, o.started_at, o.source.kind, o.source.file,
                    o.source.line, o.source.sha256, o.routing.seed, o.samples_s);
  };
  return identity(a) == identity(b);
}

void add(std::vector<Duplicate>& found, const Pair& pair) {
  for (auto& one : found)
    if (one.kept == pair.first && one.dropped == pair.second) {
      ++one.points;
      return;
    }
  found.push_back({pair.first, pair.second, 1});
}

/// Readings that are in the list a second time.
void drop_given_twice(Readings& readings, std::vector<Duplicate>& found) {
  for (auto& [point, of_point] : readings) {
    std::vector<const Observation*> kept;
    for (const auto* o : of_point) {
      const auto same = [&](const Observation* other) { return is_same_reading(*o, *other); };
      if (std::any_of(kept.begin(), kept.end(), same))
        add(found, {source_of(*o), source_of(*o)});
      else
        kept.push_back(o);
    }
    of_point = std::move(kept);
  }
}

struct Agreement {
  int points = 0;            // at which both have a reading
  int same = 0;              // of those, with the same samples
  bool many_samples = true;  // at each of them
};

/// Of every two sources that have the same figures somewhere.
std::map<Pair, Agreement> agreements(const Readings& readings) {
  std::map<Pair, Agreement> all;
  for (const auto& [point, of_point] : readings)
    for (std::size_t i = 0; i < of_point.size(); ++i)
      for (std::size_t j = i + 1; j < of_point.size(); ++j) {
        const auto &a = *of_point[i], &b = *of_point[j];
        const bool may_be = a.source.kind == "imported" || b.source.kind == "imported";
        if (!may_be || a.samples_s != b.samples_s || source_of(a) == source_of(b)) continue;
        auto& agreement = all[in_order(a, b)];
        ++agreement.same;
        agreement.many_samples = agreement.many_samples && a.samples_s.size() >= kSameSamples;
      }
  if (all.empty()) return all;
  for (const auto& [point, of_point] : readings) {
    std::set<std::string> sources;
    for (const auto* o : of_point) sources.insert(source_of(*o));
    for (auto& [pair, agreement] : all)
      agreement.points += sources.contains(pair.first) && sources.contains(pair.second) ? 1 : 0;
  }
  return all;
}

void drop_source(Readings& readings, const Pair& pair) {
  const auto is_of = [](const std::string& source) {
    return [&source](const Observation* o) { return source_of(*o) == source; };
  };
  for (auto& [point, of_point] : readings)
    if (std::any_of(of_point.begin(), of_point.end(), is_of(pair.first)))
      std::erase_if(of_point, is_of(pair.second));
}

}  // namespace

VarianceComponents variance_components(const Readings& readings) {
  VarianceComponents components;
  Sums sums;
  for (const auto& [point, of_point] : readings) {
    const auto runs = by_run(of_point);
    components.runs = std::max(components.runs, static_cast<int>(runs.size()));
    sums.take(runs);
  }
  const double within = sums.within_freedom > 0 ? sums.within / sums.within_freedom : 0;
  components.within_run = std::sqrt(within);
  if (sums.within_freedom > 0) components.samples_in_runs = static_cast<int>(sums.within_freedom);
  if (sums.samples_a_run > 0)
    components.between_runs = std::sqrt(
        std::max(0.0, (sums.between - sums.between_freedom * within) / sums.samples_a_run));
  return components;
}

std::vector<Duplicate> drop_duplicates(Readings& readings) {
  std::vector<Duplicate> found;
  drop_given_twice(readings, found);
  for (const auto& [pair, agreement] : agreements(readings)) {
    if (agreement.same < agreement.points) continue;
    if (agreement.same < kSamePoints && !agreement.many_samples) continue;
    drop_source(readings, pair);
    found.push_back({pair.first, pair.second, agreement.same});
  }
  return found;
}

}  // namespace moecal::calibration
