// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/repeatability.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <set>
#include <tuple>
#include <unordered_map>

#include "core/hash.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

constexpr int kSamePoints = 3;           // figures that agree at so many points are the same ones
constexpr std::size_t kSameSamples = 3;  // or so many samples of one point

using Pair = std::pair<std::string, std::string>;  // sources: kept, dropped

bool is_same_repeat(const Observation& a, const Observation& b) {
  const auto identity = [](const Observation& o) {
    return std::tie(o.run_id, o.repetition, o.started_at, o.source.kind, o.source.file,
                    o.source.line, o.source.sha256, o.routing.seed, o.samples_s);
  };
  return identity(a) == identity(b);
}

std::uint64_t hash_of_samples(const Observation& o) {
  std::uint64_t hash = o.samples_s.size();
  for (const double sample : o.samples_s) hash = mix(hash ^ std::bit_cast<std::uint64_t>(sample));
  return hash;
}

/// Repeats of one point by a hash of their samples: only those of one hash can be the same, and of
/// thousands of repeats comparing all with all would take minutes.
using AlikeRepeats = std::unordered_map<std::uint64_t, std::vector<const Observation*>>;

/// Repeats that are in the list a second time, by their source.
std::map<std::string, int> drop_given_twice(Repeats& repeats) {
  std::map<std::string, int> dropped;
  for (auto& [point, of_point] : repeats) {
    if (of_point.size() < 2) continue;
    std::vector<const Observation*> kept;
    AlikeRepeats seen;
    for (const auto* o : of_point) {
      const auto same = [&](const Observation* other) { return is_same_repeat(*o, *other); };
      auto& alike = seen[hash_of_samples(*o)];
      if (std::any_of(alike.begin(), alike.end(), same)) {
        ++dropped[source_of(*o)];
        continue;
      }
      alike.push_back(o);
      kept.push_back(o);
    }
    of_point = std::move(kept);
  }
  return dropped;
}

struct Agreement {
  int points = 0;            // at which both have one
  int same = 0;              // of those, with the same samples
  bool many_samples = true;  // at each of them
};

/// Sources by number, in their order: measured first, then by name.
class Sources {
 public:
  explicit Sources(const Repeats& repeats) {
    for (const auto& [point, of_point] : repeats)
      for (const auto* o : of_point) numbers_.emplace(rank_of(*o), 0);
    for (auto& [rank, number] : numbers_) {
      number = static_cast<int>(names_.size());
      names_.push_back(rank.second);
    }
  }
  [[nodiscard]] int of(const Observation& o) const { return numbers_.at(rank_of(o)); }
  [[nodiscard]] const std::string& name(int number) const {
    return names_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] int first_imported() const {
    return static_cast<int>(
        std::ranges::count_if(numbers_, [](const auto& each) { return !each.first.first; }));
  }

 private:
  using Rank = std::pair<bool, std::string>;
  static Rank rank_of(const Observation& o) { return {o.source.kind == "imported", source_of(o)}; }

  std::map<Rank, int> numbers_;
  std::vector<std::string> names_;
};

using Counts = std::map<int, int>;  // repeats by source

/// The sources at one point that have the same samples, and how often each.
struct SameSamples {
  Counts sources;
  bool many_samples = false;
};

std::vector<SameSamples> same_samples(const std::vector<const Observation*>& of_point,
                                      const Sources& sources) {
  std::map<std::vector<double>, SameSamples> groups;
  for (const auto* o : of_point) {
    auto& group = groups[o->samples_s];
    ++group.sources[sources.of(*o)];
    group.many_samples = o->samples_s.size() >= kSameSamples;
  }
  std::vector<SameSamples> result;
  for (auto& [samples, group] : groups)
    if (group.sources.size() > 1) result.push_back(std::move(group));
  return result;
}

using NumberPair = std::pair<int, int>;
using Agreements = std::map<NumberPair, Agreement>;

/// Of more sources with one figure each is compared with the first only.
constexpr std::size_t kManySources = 64;

/// How many repeats every two sources share at a point. Of two that were measured it is no matter.
class Shared {
 public:
  explicit Shared(int first_imported) : first_imported_{first_imported} {}

  void take(const SameSamples& group) {
    const bool each = group.sources.size() <= kManySources;
    const auto last = each ? group.sources.end() : std::next(group.sources.begin());
    for (auto a = group.sources.begin(); a != last; ++a)
      for (auto b = std::next(a); b != group.sources.end(); ++b) {
        if (b->first < first_imported_) continue;
        auto& [count, many_samples] = pairs_[{a->first, b->first}];
        count += std::min(a->second, b->second);
        many_samples = many_samples && group.many_samples;
      }
  }

  /// Two sources agree at a point where the one has all that the other has.
  void add_to(Agreements& all, const Counts& repeats) const {
    for (const auto& [pair, shared] : pairs_) {
      if (shared.count < std::min(repeats.at(pair.first), repeats.at(pair.second))) continue;
      auto& agreement = all[pair];
      ++agreement.same;
      agreement.many_samples = agreement.many_samples && shared.many_samples;
    }
  }

 private:
  struct Some {
    int count = 0;
    bool many_samples = true;
  };
  int first_imported_;
  std::map<NumberPair, Some> pairs_;
};

/// At how many points each source has a repeat: their places, ascending.
std::vector<std::vector<std::size_t>> points_of(const Repeats& repeats, const Sources& sources) {
  std::vector<std::vector<std::size_t>> points(sources.size());
  std::size_t place = 0;
  for (const auto& [point, of_point] : repeats) {
    for (const auto* o : of_point) {
      auto& own = points[static_cast<std::size_t>(sources.of(*o))];
      if (own.empty() || own.back() != place) own.push_back(place);
    }
    ++place;
  }
  return points;
}

/// Of every two sources that have the same figures somewhere.
Agreements agreements(const Repeats& repeats, const Sources& sources) {
  Agreements all;
  if (sources.size() < 2) return all;
  for (const auto& [point, of_point] : repeats) {
    Counts counts;
    for (const auto* o : of_point) ++counts[sources.of(*o)];
    Shared shared{sources.first_imported()};
    for (const auto& group : same_samples(of_point, sources)) shared.take(group);
    shared.add_to(all, counts);
  }
  const auto points = points_of(repeats, sources);
  for (auto& [pair, agreement] : all) {
    std::vector<std::size_t> both;
    std::ranges::set_intersection(points[static_cast<std::size_t>(pair.first)],
                                  points[static_cast<std::size_t>(pair.second)],
                                  std::back_inserter(both));
    agreement.points = static_cast<int>(both.size());
  }
  return all;
}

bool any_imported(const Repeats& repeats) {
  return std::ranges::any_of(repeats, [](const auto& place) {
    return std::ranges::any_of(place.second,
                               [](const auto* o) { return o->source.kind == "imported"; });
  });
}

void drop_source(Repeats& repeats, const Pair& pair) {
  const auto is_of = [](const std::string& source) {
    return [&source](const Observation* o) { return source_of(*o) == source; };
  };
  for (auto& [point, of_point] : repeats)
    if (std::any_of(of_point.begin(), of_point.end(), is_of(pair.first)))
      std::erase_if(of_point, is_of(pair.second));
}

}  // namespace

std::string source_of(const Observation& o) {
  if (o.source.kind != "imported") return "run " + o.run_id;
  // One file may hold several runs: "imported-6d0a...-run2" (interchange/import_collector).
  const auto run = o.run_id.rfind("-run");
  return o.source.file + " (" + o.source.tool + ", sha256 " + o.source.sha256.substr(0, 12) +
         (run == o.run_id.npos ? "" : ", run " + o.run_id.substr(run + 4)) + ")";
}

double disagreement_in_runs(const Repeats& repeats) {
  std::vector<double> spreads;
  for (const auto& [point, of_point] : repeats) {
    if (of_point.size() < 2) continue;
    std::map<std::string, std::vector<double>> runs;
    for (const auto* o : of_point) runs[source_of(*o)].push_back(std::log(o->seconds()));
    double squares = 0, freedom = 0;
    for (const auto& [run, logs] : runs) {
      const double centre = mean(logs);
      for (const double log : logs) squares += std::pow(log - centre, 2);
      freedom += static_cast<double>(logs.size()) - 1;
    }
    if (freedom > 0) spreads.push_back(std::sqrt(squares / freedom));
  }
  return spreads.empty() ? 0 : median(spreads);
}

std::vector<Duplicate> drop_duplicates(Repeats& repeats) {
  std::vector<Duplicate> found;
  for (const auto& [source, times] : drop_given_twice(repeats))
    found.push_back({source, source, times});
  if (!any_imported(repeats)) return found;
  const Sources sources{repeats};
  for (const auto& [numbers, agreement] : agreements(repeats, sources)) {
    const Pair pair{sources.name(numbers.first), sources.name(numbers.second)};
    if (agreement.same < agreement.points) continue;
    if (agreement.same < kSamePoints && !agreement.many_samples) continue;
    drop_source(repeats, pair);
    found.push_back({pair.first, pair.second, agreement.same});
  }
  return found;
}

}  // namespace moecal::calibration
