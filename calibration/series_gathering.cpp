// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/series_gathering.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "calibration/conformal.hpp"
#include "calibration/deciding_settings.hpp"
#include "calibration/exchange_skew.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/validity.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

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

/// Seconds of a point's repeats, whose names and kind the series keeps.
std::vector<double> seconds_of(const std::vector<const Observation*>& repeats, Series& series) {
  std::vector<double> seconds;
  for (const auto* o : repeats) {
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

int count_of(const Repeats& repeats) {
  std::size_t count = 0;
  for (const auto& [place, all] : repeats) count += all.size();
  return static_cast<int>(count);
}

/// What the series' forms see of a place.
Inputs inputs_at(const RepeatPlace& place, const Series& s, KnownLoads& loads) {
  const auto inputs = inputs_of(kind_of_work(s.operation, s.conditions.implementation), place.point,
                                s.dtypes, spec_of(place.routing), &loads);
  return s.conditions.any_routing ? with_load(inputs, place.load) : inputs;
}

}  // namespace

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

void require_loads(const Observation& o) {
  if (o.routed && o.routing.distribution == "recorded" && o.routing.loads.empty())
    throw InvalidInput{"the recorded routing comes without its loads"};
}

bool Gatherer::is_of_last_series(const Observation& o, const Environment& environment) const {
  return last_ != nullptr && &environment == last_environment_ && are_of_one_series(*last_, o);
}

bool Gatherer::is_at_last_place(const Observation& o, const Environment& environment) const {
  return is_of_last_series(o, environment) && o.point == last_->point &&
         o.parts_s == last_->parts_s && o.exchanged == last_->exchanged;
}

void Gatherer::add(const Observation& o, const Environment& environment) {
  if (is_at_last_place(o, environment)) return place_->push_back(&o);
  if (!is_of_last_series(o, environment)) {
    auto series = empty_series(o, environment);
    std::pair key{series.id(), deciding_settings(o, environment)};
    where_ =
        &gatherings.try_emplace(std::move(key), Gathering{std::move(series), {}}).first->second;
    last_environment_ = &environment;
  }
  place_ = &where_->repeats[{fitted_point(o), point_routing(o), recorded_load(o)}];
  place_->push_back(&o);
  last_ = &o;
}

Series finish(Gathering gathering) {
  auto& s = gathering.series;
  const int given = count_of(gathering.repeats);
  s.duplicates = drop_duplicates(gathering.repeats);
  s.dropped = given - count_of(gathering.repeats);
  KnownLoads loads;
  const auto limits = regime_limits(s.family);
  auto runs = compare_runs(gathering.repeats, [&](const RepeatPlace& place) {
    const double size = inputs_at(place, s, loads).size;
    return static_cast<std::size_t>(std::ranges::upper_bound(limits, size) - limits.begin());
  });
  s.variance = runs.variance;
  s.run_exceptions = std::move(runs.exceptions);
  s.disagreement = disagreement_in_runs(gathering.repeats);
  std::vector<double> spreads;
  s.one_size = true;
  while (!gathering.repeats.empty()) {
    auto node = gathering.repeats.extract(gathering.repeats.begin());
    auto& key = node.key();
    const auto inputs = inputs_at(key, s, loads);
    s.calls.push_back({std::move(key.point), std::move(key.routing), key.load});
    const auto& [point, routing, load] = s.calls.back();
    const auto seconds = seconds_of(node.mapped(), s);
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

}  // namespace moecal::calibration
