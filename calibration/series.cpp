// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/series.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "calibration/conformal.hpp"
#include "calibration/deciding_settings.hpp"
#include "calibration/exchange_skew.hpp"
#include "calibration/join.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/validity.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// A series while it is being gathered: points may still repeat.
struct Gathering {
  Series series;
  Readings readings;
};

/// By the id without settings, and what all observations of a gathering were set to.
using Gatherings = std::map<std::pair<std::string, Settings>, Gathering>;

/// The routing as a number of the point, for operations that take it so. What says nothing of
/// routing gave each expert the same. Of an exchange whose bytes were recorded these count, and the
/// routing says which calls are left out together.
RoutingConditions point_routing(const Observation& o) {
  if (!o.exchanged.empty()) return conditions_of(o.routing);
  if (!takes_routing(o.operation)) return {};
  return o.routed ? conditions_of(o.routing) : RoutingConditions{"balanced", 0, 0};
}

double nanoseconds_of(const std::vector<double>& seconds) { return 1e9 * median(seconds); }

/// What an observation is fitted at. Of an overlap that was measured: what its parts take alone,
/// whatever they are.
Point fitted_point(const Observation& o) {
  const auto gemm = o.parts_s.find("gemm"), exchange = o.parts_s.find("all_to_all");
  if (o.operation != "overlap" || gemm == o.parts_s.end() || exchange == o.parts_s.end())
    return o.point;
  return {{"compute_ns", std::llround(nanoseconds_of(gemm->second))},
          {"communication_ns", std::llround(nanoseconds_of(exchange->second))}};
}

ExchangeLoad recorded_load(const Observation& o) {
  return o.exchanged.empty() ? ExchangeLoad{} : load_of(o.exchanged);
}

Series empty_series(const Observation& o, const Environment& environment) {
  Series s;
  s.operation = o.operation;
  s.card = environment.card;
  s.system = environment.system;
  s.dtypes = o.dtypes;
  s.family = family_of(o.operation, fitted_point(o));
  auto& c = s.conditions;
  c.dtype = o.dtypes.a;
  c.output_dtype = o.dtypes.c == o.dtypes.a ? "" : o.dtypes.c;
  c.scale_mode = o.dtypes.scale_mode == "none" ? "" : o.dtypes.scale_mode;
  c.layout = o.dtypes.layout == "TN" ? "" : o.dtypes.layout;
  c.group = o.ranks.group;
  c.placement = o.ranks.placement;
  c.tier = o.ranks.tier;
  if (c.tier == "inter") c.nodes = o.ranks.nodes;
  c.concurrent_groups = o.ranks.concurrent_groups;
  c.implementation = o.implementation;
  c.release = o.library.runtime_version;
  c.cache = o.policy.cache;
  c.graph = o.policy.graph;
  c.any_routing = !o.exchanged.empty();
  if (o.routed && !c.any_routing && !takes_routing(o.operation))
    c.routing = conditions_of(o.routing);
  return s;
}

bool has_size(const Observation& o, KnownLoads& loads) {
  const Point point = fitted_point(o);
  if (!o.exchanged.empty() && !(mean_bytes(o.exchanged) > 0)) return false;
  return !point.empty() && inputs_of(kind_of_work(o.operation, o.implementation), point, o.dtypes,
                                     spec_of(point_routing(o)), &loads)
                                   .size > 0;
}

/// Which rows an expert had is in the loads alone; two such routings could not be told apart.
void require_loads(const Observation& o) {
  if (o.routed && o.routing.distribution == "recorded" && o.routing.loads.empty())
    throw InvalidInput{"the recorded routing comes without its loads"};
}

/// Environments of one file by id, each id computed once.
std::map<std::string, const Environment*> by_id(const ObservationFile& file) {
  std::map<std::string, const Environment*> result;
  for (const auto& environment : file.environments) result[environment.id()] = &environment;
  return result;
}

/// Whether two observations are surely of one series: what empty_series looks at is equal.
bool are_of_one_series(const Observation& a, const Observation& b) {
  const auto condition = [](const Observation& o) {
    return std::tie(o.operation, o.implementation, o.backend, o.library.runtime_version, o.dtypes,
                    o.ranks.group, o.ranks.placement, o.ranks.tier, o.ranks.nodes,
                    o.ranks.concurrent_groups, o.policy.cache, o.policy.graph, o.routed);
  };
  return condition(a) == condition(b) && a.exchanged.empty() == b.exchanged.empty() &&
         (!a.routed || conditions_of(a.routing) == conditions_of(b.routing));
}

/// Puts observations where they belong. Neighbours in a file are mostly of one series, whose long
/// name is then looked up once, and often of one place in it.
class Gatherer {
 public:
  /// Whether an observation is of the place that the last one was added to.
  [[nodiscard]] bool is_at_last_place(const Observation& o, const Environment& environment) const {
    return is_of_last_series(o, environment) && o.point == last_->point &&
           o.parts_s == last_->parts_s && o.exchanged == last_->exchanged;
  }

  void add(const Observation& o, const Environment& environment) {
    if (is_at_last_place(o, environment)) return place_->push_back(&o);
    if (!is_of_last_series(o, environment)) {
      auto series = empty_series(o, environment);
      std::pair key{series.id(), deciding_settings(o, environment)};
      where_ =
          &gatherings.try_emplace(std::move(key), Gathering{std::move(series), {}}).first->second;
      last_environment_ = &environment;
    }
    place_ = &where_->readings[{fitted_point(o), point_routing(o), recorded_load(o)}];
    place_->push_back(&o);
    last_ = &o;
  }

  Gatherings gatherings;

 private:
  [[nodiscard]] bool is_of_last_series(const Observation& o, const Environment& environment) const {
    return last_ != nullptr && &environment == last_environment_ && are_of_one_series(*last_, o);
  }

  const Observation* last_ = nullptr;
  const Environment* last_environment_ = nullptr;
  Gathering* where_ = nullptr;
  std::vector<const Observation*>* place_ = nullptr;  // of the last observation
};

/// Seconds of a point's readings, whose names and kind the series keeps.
std::vector<double> seconds_of(const std::vector<const Observation*>& readings, Series& series) {
  std::vector<double> seconds;
  for (const auto* o : readings) {
    seconds.push_back(o->seconds());
    series.observation_ids.push_back(digest_of(*o));
    series.imported = series.imported || o->source.kind == "imported";
  }
  return seconds;
}

/// Whole bytes, outwards.
void widen_by_load(Validity& validity, const ExchangeLoad& load) {
  for (const double bytes : {std::floor(load.mean_bytes), std::ceil(load.mean_bytes)})
    widen(validity, {{"bytes", whole_number(bytes)}});
}

int count_of(const Readings& readings) {
  std::size_t count = 0;
  for (const auto& [place, all] : readings) count += all.size();
  return static_cast<int>(count);
}

/// What the series' forms see of a place.
Inputs inputs_at(const ReadingPlace& place, const Series& s, KnownLoads& loads) {
  const auto inputs = inputs_of(kind_of_work(s.operation, s.conditions.implementation), place.point,
                                s.dtypes, spec_of(place.routing), &loads);
  return s.conditions.any_routing ? with_load(inputs, place.load) : inputs;
}

/// Repeats become their median; how far they lie apart is kept, and so is a point whose repeats
/// disagree: that is what the machine does.
Series finish(Gathering gathering) {
  auto& s = gathering.series;
  const int given = count_of(gathering.readings);
  s.duplicates = drop_duplicates(gathering.readings);
  s.dropped = given - count_of(gathering.readings);
  KnownLoads loads;
  const auto limits = regime_limits(s.family);
  auto runs = compare_runs(gathering.readings, [&](const ReadingPlace& place) {
    const double size = inputs_at(place, s, loads).size;
    return static_cast<std::size_t>(std::ranges::upper_bound(limits, size) - limits.begin());
  });
  s.variance = runs.variance;
  s.run_exceptions = std::move(runs.exceptions);
  s.disagreement = disagreement_in_runs(gathering.readings);
  std::vector<double> spreads;
  s.one_size = true;
  while (!gathering.readings.empty()) {
    auto reading = gathering.readings.extract(gathering.readings.begin());
    auto& key = reading.key();
    const auto inputs = inputs_at(key, s, loads);
    s.calls.push_back({std::move(key.point), std::move(key.routing), key.load});
    const auto& [point, routing, load] = s.calls.back();
    const auto seconds = seconds_of(reading.mapped(), s);
    s.points.push_back({inputs, median(seconds)});
    s.one_size = s.one_size && point.size() == 1;
    widen(s.validity, point);
    if (s.conditions.any_routing) widen_by_load(s.validity, load);
    if (seconds.size() < 2) continue;
    const auto [low, high] = std::minmax_element(seconds.begin(), seconds.end());
    spreads.push_back(*high / *low - 1);
  }
  s.repeated_points = static_cast<int>(spreads.size());
  s.between_run_spread = spreads.empty() ? 0 : median(spreads);
  std::sort(s.observation_ids.begin(), s.observation_ids.end());
  return s;
}

/// The shortest text that reads back as the number: series that differ have other ids.
std::string text_of(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// Nothing is left of it once the throttled samples are taken out.
bool throttled_throughout(const Observation& o) {
  const auto& flags = o.flags.throttled;
  return !flags.empty() && std::find(flags.begin(), flags.end(), false) == flags.end();
}

/// Under the ids that their settings give them. What says nothing of a setting that the others
/// share is now of their series.
std::map<std::string, Gathering> by_own_id(Gatherings gatherings) {
  std::map<std::string, Gathering> named;
  for (auto& [key, gathering] : gatherings) {
    const auto id = gathering.series.id();
    const auto [found, is_new] = named.try_emplace(id, std::move(gathering));
    if (is_new) continue;
    for (auto& [place, readings] : gathering.readings) {
      auto& all = found->second.readings[place];
      all.insert(all.end(), readings.begin(), readings.end());
    }
  }
  return named;
}

std::vector<ConflictingClaim> conflicts_of(const std::map<std::string, Gathering>& gatherings) {
  std::vector<ClaimedReadings> claims;
  for (const auto& [id, gathering] : gatherings) {
    auto nameless = gathering.series;
    nameless.card = nameless.system = nameless.conditions.release = "";
    nameless.conditions.settings.clear();
    claims.push_back({gathering.series.id(), nameless.id(), &gathering.readings});
  }
  return conflicting_claims(claims);
}

/// Sorts the observations of the files into gatherings and counts.
class Sorter {
 public:
  explicit Sorter(const std::string& card) : card_{card} {}

  void take(const ObservationFile& file) {
    const auto environments = by_id(file);
    for (const auto& o : file.observations) {
      const auto found = environments.find(o.environment_id);
      // Let the file's own lookup say what is wrong.
      take(o, found == environments.end() ? file.environment(o.environment_id) : *found->second);
    }
  }

  GroupedObservations finish_all(int threads) {
    check();
    name_settings();
    auto named = by_own_id(std::move(gatherer_.gatherings));
    auto conflicts = conflicts_of(named);
    std::vector<Gathering> gathered;
    for (auto& [id, gathering] : named) gathered.push_back(std::move(gathering));
    GroupedObservations grouped{std::vector<Series>(gathered.size()), counts_, left_out(),
                                std::move(conflicts)};
    for_each_index(gathered.size(), threads,
                   [&](std::size_t i) { grouped.series[i] = finish(std::move(gathered[i])); });
    for (const auto& series : grouped.series) grouped.counts.given_twice += series.dropped;
    return grouped;
  }

 private:
  void name_settings() {
    std::vector<SetSeries> all;
    for (auto& [key, gathering] : gatherer_.gatherings)
      all.push_back({&gathering.series, &key.second});
    tell_apart(all);
  }

  void take(const Observation& o, const Environment& environment) {
    cards_.insert(environment.card);
    if (o.outcome == Outcome::skipped) ++counts_.skipped;
    if (o.outcome == Outcome::failed) ++counts_.failed;
    if (o.outcome != Outcome::measured) return;
    ++counts_.measured;
    if (!card_.empty() && environment.card != card_)
      ++counts_.other_cards;
    else
      take_measured(o, environment);
  }

  void take_measured(const Observation& o, const Environment& environment) {
    try {
      require_loads(o);
      if (!gatherer_.is_at_last_place(o, environment) && !has_size(o, loads_))
        ++counts_.unusable;
      else if (throttled_throughout(o) && !o.device.power_limited)
        ++counts_.throttled;
      else if (o.is_launch_bound())
        ++counts_.launch_bound;
      else {
        gatherer_.add(o, environment);
        counts_.power_limited += throttled_throughout(o) ? 1 : 0;
      }
    } catch (const InvalidInput& error) {
      ++counts_.impossible;
      ++impossible_[{empty_series(o, environment).id(), error.what()}];
    }
  }

  [[nodiscard]] std::vector<LeftOut> left_out() const {
    std::vector<LeftOut> all;
    for (const auto& [what, observations] : impossible_)
      all.push_back({what.first, std::to_string(observations) +
                                     (observations == 1 ? " observation: " : " observations: ") +
                                     what.second});
    return all;
  }

  void check() const {
    if (!card_.empty() && !cards_.contains(card_))
      throw InvalidInput{"no observation was made on the card '" + card_ +
                         "'; the files have: " + join(cards_)};
    if (gatherer_.gatherings.empty())
      throw InvalidInput{"there is nothing to fit: of the observations read, " +
                         std::to_string(counts_.measured) + " are measured, " +
                         std::to_string(counts_.skipped) + " skipped and " +
                         std::to_string(counts_.failed) + " failed" + left_out_text(counts_) +
                         (impossible_.empty() ? ""
                                              : "; " + impossible_.begin()->first.first + ": " +
                                                    impossible_.begin()->first.second)};
  }

  std::string card_;
  Gatherer gatherer_;
  KnownLoads loads_;
  ObservationCounts counts_;
  std::set<std::string> cards_;
  std::map<std::pair<std::string, std::string>, int> impossible_;  // by series and reason
};

}  // namespace

std::string digest_of(const Observation& o) {
  return o.digest.empty() ? sha256(to_json_line(o)).substr(0, 12) : o.digest;
}

std::string left_out_text(const ObservationCounts& counts) {
  const std::array<std::pair<int, const char*>, 4> reasons{
      {{counts.other_cards, "of other cards"},
       {counts.unusable, "without a size"},
       {counts.throttled, "throttled in every sample"},
       {counts.launch_bound, "could not be held and took what their host did"}}};
  std::string text;
  for (const auto& [count, reason] : reasons)
    if (count > 0) text += "; " + std::to_string(count) + " " + reason;
  return text;
}

std::string Series::id() const {
  const auto& c = conditions;
  std::string id = operation + "/" + (is_collective(operation) ? system : card) + "/" + c.dtype;
  const auto append = [&](const std::string& part) { id += "/" + part; };
  if (!c.output_dtype.empty()) append("to_" + c.output_dtype);
  if (!c.scale_mode.empty()) append("scale_" + c.scale_mode);
  if (!c.layout.empty()) append("layout_" + c.layout);
  if (c.group == kAnyGroup) append("any_group");
  if (c.group > 1) append("group_" + std::to_string(c.group));
  if (c.nodes != 1) append("nodes_" + std::to_string(c.nodes));
  if (c.placement != "contiguous") append(c.placement);
  if (c.tier != "intra") append(c.tier);
  if (c.concurrent_groups != 1) append("at_once_" + std::to_string(c.concurrent_groups));
  append(c.implementation);
  if (!c.release.empty()) append(c.release);
  append(c.cache);
  if (c.graph != "none") append(c.graph);
  if (c.any_routing) append("any_routing");
  for (const auto& [name, value] : c.settings) append(name + "=" + value);
  const auto& routing = c.routing;
  if (!routing.distribution.empty()) append("routing_" + routing.distribution);
  if (!routing.loads.empty()) append(name_of_loads(routing));
  if (routing.exponent != 0) append("exponent_" + text_of(routing.exponent));
  if (routing.capacity_factor != 0) append("capacity_" + text_of(routing.capacity_factor));
  return id;
}

GroupedObservations group_observations(std::span<const ObservationFile> files,
                                       const std::string& card, int threads) {
  Sorter sorter{card};
  for (const auto& file : files) sorter.take(file);
  return sorter.finish_all(threads);
}

}  // namespace moecal::calibration
