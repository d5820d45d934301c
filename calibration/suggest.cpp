// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/suggest.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "calibration/gaussian_process.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/selection.hpp"
#include "calibration/similarity.hpp"
#include "calibration/switches.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kNormal95 = 1.6448536269514722;
/// Known points that take part: those most like the wishes. The rest says little beyond them, and
/// time grows with the cube.
constexpr std::size_t kMostKnown = 500;
/// Neighbouring sizes nearer than this are not taken apart any further.
constexpr double kNarrowGap = 1.5;

/// A measured neighbourhood that hides a switch.
struct Gap {
  double from = 0, to = 0;  // sizes, both measured
  double variance = 0;      // of log time between them
};

struct Curve {
  const Series* series = nullptr;
  std::vector<Gap> gaps;
};

std::vector<Gap> gaps_of(const Series& series) {
  std::vector<Gap> gaps;
  if (series.family != Family::transfer || series.conditions.any_routing) return gaps;
  Model curve;
  for (const auto& point : series.points)
    curve.table.emplace_back(point.inputs.size, point.seconds);
  for (const auto& gap : switches_of(curve.table)) {
    const auto doubt = switch_doubt(curve, gap.middle());
    if (!doubt || gap.above <= kNarrowGap * gap.below) continue;
    const double step = std::log(doubt->upper_protocol / doubt->lower_protocol);
    gaps.push_back({gap.below, gap.above, step * step / 4});
  }
  return gaps;
}

/// What a wish or a candidate comes to on the chosen machine.
struct Call {
  Place place;
  Point point;
  Point asked;  // the same without what only a suite file has to name
  Dtypes dtypes;
  Ranks ranks;
  RoutingSpec routing;
  bool routed = false;
  const Curve* curve = nullptr;  // measured under the same conditions
  const Curve* kin = nullptr;    // the same, of any group
  const Gap* gap = nullptr;      // of that curve, around the point
};

/// A series of another dtype answers where it would stand in for a prediction.
int dtype_distance(const Series& series, const Query& query) {
  return dtype_distance(series.operation, series.conditions.dtype, query);
}

/// A routing that the cost takes as a number is no condition: any series can be asked of any.
bool answers_routing(const Series& series, const Query& query) {
  if (takes_routing(series.operation) || series.conditions.any_routing) return true;
  const auto& have = series.conditions.routing;
  return (query.routing.empty() || have.distribution == query.routing) &&
         (!query.exponent || have.exponent == *query.exponent) &&
         (!query.capacity_factor || have.capacity_factor == *query.capacity_factor) &&
         (query.loads.empty() || have.loads == query.loads);
}

/// Whatever the group.
bool is_kin(const Series& series, const Query& query) {
  const auto& c = series.conditions;
  return series.operation == query.operation && dtype_distance(series, query) < kNoMatch &&
         answers_routing(series, query) &&
         (query.placement.empty() || c.placement == query.placement) &&
         (query.implementation.empty() || c.implementation == query.implementation) &&
         (query.scale_mode.empty() || c.scale_mode == query.scale_mode) &&
         (query.cache.empty() || c.cache == query.cache);
}

bool answers(const Series& series, const Query& query) {
  const auto& c = series.conditions;
  return c.group == query.group && c.tier == query.tier && is_kin(series, query);
}

/// The types that go with an operand's, where nothing measured says so.
Dtypes dtypes_for(const std::string& operation, const std::string& dtype) {
  const std::string a = dtype.empty() ? "bf16" : dtype;
  if (is_collective(operation)) return {a, "", a, "", "", ""};
  if (operation == "topk_gate") return {"f32", "", "f32", "", "", ""};
  if (operation == "quantize") return {a, "", "fp8_e4m3", "", "tensor", ""};
  if (operation == "memory_copy") return {"uint8", "", "uint8", "", "", ""};
  if (operation != "expert_gemm" && operation != "grouped_gemm") return {a, "", a, "", "", ""};
  if (a == "int8") return {a, a, "int32", "int32", "none", "TN"};
  if (a.starts_with("fp8")) return {a, a, "bf16", "f32", "tensor", "TN"};
  return {a, a, a, "f32", "none", "TN"};
}

const Gap* gap_around(const Curve* curve, double size) {
  if (curve == nullptr) return nullptr;
  for (const auto& gap : curve->gaps)
    if (size > gap.from && size < gap.to) return &gap;
  return nullptr;
}

class Machine {
 public:
  explicit Machine(const GroupedObservations& grouped) {
    for (const auto& series : grouped.series) curves_.push_back({&series, gaps_of(series)});
  }

  [[nodiscard]] Call call(const Query& query) const {
    Call call;
    call.point = query.point;
    call.ranks = {query.group,
                  query.group,
                  query.placement.empty() ? "contiguous" : query.placement,
                  1,
                  query.tier == "inter" ? std::max(2, query.nodes) : 1,
                  query.tier};
    call.curve = curve_of(query, answers);
    call.kin = call.curve != nullptr ? call.curve : curve_of(query, is_kin);
    call.place.operation = query.operation;
    if (call.curve != nullptr) {
      call.dtypes = call.curve->series->dtypes;
      call.place.conditions = call.curve->series->conditions;
    } else {
      call.dtypes =
          call.kin != nullptr ? call.kin->series->dtypes : dtypes_for(query.operation, query.dtype);
      call.place.conditions.dtype = call.dtypes.a;
      call.place.conditions.group = query.group;
      call.place.conditions.tier = query.tier;
    }
    set_routing(call, query);
    place(call);
    return call;
  }

  /// The same call at another size.
  [[nodiscard]] static Call at(Call call, std::int64_t bytes) {
    call.point = call.asked = {{"bytes", bytes}};
    place(call);
    return call;
  }

  [[nodiscard]] std::vector<Place> known() const {
    std::vector<Place> places;
    for (const auto& curve : curves_)
      for (const auto& point : curve.series->points)
        places.push_back({curve.series->operation, curve.series->conditions, curve.series->family,
                          point.inputs});
    return places;
  }

 private:
  /// What was measured so, else what a prediction would be asked with. Without a word on routing
  /// and nothing measured, an operation's program decides whether it routes.
  static void set_routing(Call& call, const Query& query) {
    auto& condition = call.place.conditions.routing;
    const bool is_number = takes_routing(query.operation) ||
                           (call.curve != nullptr && call.curve->series->conditions.any_routing);
    if (call.curve == nullptr && !is_number && !query.routing.empty())
      condition = routing_asked(query.operation, query);
    call.routing = spec_of(is_number ? routing_asked(query.operation, query) : condition);
    call.routed = is_number || !condition.distribution.empty();
  }

  static void place(Call& call) {
    call.place.family = family_of(call.place.operation, call.point);
    call.place.inputs = inputs_of(call.place.operation, call.point, call.dtypes, call.routing);
    call.gap = gap_around(call.curve, call.place.inputs.size);
  }

  [[nodiscard]] const Curve* curve_of(const Query& query,
                                      bool (*fits)(const Series&, const Query&)) const {
    // As a prediction would: the nearest dtype first.
    const auto order = [&](const Curve& curve) {
      return std::pair{-dtype_distance(*curve.series, query), curve.series->points.size()};
    };
    const Curve* found = nullptr;
    for (const auto& curve : curves_)
      if (fits(*curve.series, query) && (found == nullptr || order(curve) > order(*found)))
        found = &curve;
    return found;
  }

  std::vector<Curve> curves_;
};

/// Rows of permute hardly depend on it, but a suite has to name one.
constexpr std::int64_t kExperts = 8;

Query complete(Query query) {
  if (query.operation == "permute" || query.operation == "unpermute")
    query.point.try_emplace("experts", kExperts);
  return query;
}

std::string key_of(const Call& call) {
  std::string key = call.place.operation + "/" + call.dtypes.a + "/" + call.dtypes.scale_mode +
                    "/" + std::to_string(call.ranks.group) + call.ranks.tier + call.ranks.placement;
  for (const auto& [name, value] : call.point) key += "/" + name + std::to_string(value);
  if (call.routed)
    key += "/" + call.routing.distribution + std::to_string(call.routing.exponent) + "/" +
           std::to_string(call.routing.capacity_factor) +
           name_of_loads(conditions_of(call.routing));
  return key;
}

/// The curve is of the call's operation and conditions: there, at the point, under the routing.
bool is_measured(const Call& call) {
  if (call.curve == nullptr) return false;
  const auto& calls = call.curve->series->calls;
  const RoutingConditions routing =
      takes_routing(call.place.operation) || call.curve->series->conditions.any_routing
          ? conditions_of(call.routing)
          : RoutingConditions{};
  return std::any_of(calls.begin(), calls.end(), [&](const MeasuredCall& measured) {
    return measured.routing == routing &&
           std::all_of(call.asked.begin(), call.asked.end(), [&](const auto& number) {
             const auto found = measured.point.find(number.first);
             return found != measured.point.end() && found->second == number.second;
           });
  });
}

/// Calls by key, each once, with what it counts for.
struct Weighed {
  Call call;
  double weight = 0;
};
using Calls = std::map<std::string, Weighed>;

void add(Calls& calls, const Machine& machine, const Wish& wish) {
  if (wish.query.point.empty()) return;  // a shape nobody has named
  auto call = machine.call(complete(wish.query));
  call.asked = wish.query.point;
  const auto key = key_of(call);
  calls.try_emplace(key, Weighed{std::move(call), 0}).first->second.weight += wish.weight;
}

Calls calls_of(const Machine& machine, std::span<const Wish> wishes) {
  Calls calls;
  for (const auto& wish : wishes) add(calls, machine, wish);
  return calls;
}

Calls calls_of(const Machine& machine, std::span<const Query> queries) {
  Calls calls;
  for (const auto& query : queries) add(calls, machine, {query});
  return calls;
}

Calls without_measured(Calls calls) {
  std::erase_if(calls, [](const auto& entry) { return is_measured(entry.second.call); });
  return calls;
}

/// What is wished of a curve over one size.
struct WishedSizes {
  const Call* call = nullptr;  // one of them
  std::int64_t least = 0, most = 0;
  double weight = 0;  // the largest
};

std::vector<WishedSizes> wished_sizes(const Calls& wishes) {
  std::map<std::string, WishedSizes> curves;
  for (const auto& [key, wish] : wishes) {
    if (wish.call.place.family != Family::transfer || !wish.call.point.contains("bytes")) continue;
    const auto bytes = wish.call.point.at("bytes");
    auto& sizes = curves
                      .try_emplace(key_of(Machine::at(wish.call, 0)),
                                   WishedSizes{&wish.call, bytes, bytes, wish.weight})
                      .first->second;
    sizes.least = std::min(sizes.least, bytes);
    sizes.most = std::max(sizes.most, bytes);
    sizes.weight = std::max(sizes.weight, wish.weight);
  }
  std::vector<WishedSizes> all;
  for (const auto& [key, sizes] : curves) all.push_back(sizes);
  return all;
}

void add_size(Calls& calls, const WishedSizes& curve, std::int64_t bytes, double weight) {
  if (bytes <= curve.least || bytes >= curve.most) return;
  auto call = Machine::at(*curve.call, bytes);
  auto key = key_of(call);
  calls.try_emplace(std::move(key), Weighed{std::move(call), weight});
}

/// The wishes and, between the sizes that they name, the middle of each switch: where sizes are
/// measured at every doubling, it is there that predictions are wide.
Calls with_switches(const Calls& wishes) {
  Calls all = wishes;
  for (const auto& sizes : wished_sizes(wishes))
    if (sizes.call->curve != nullptr)
      for (const auto& gap : sizes.call->curve->gaps)
        add_size(all, sizes, Switch{gap.from, gap.to}.size_to_measure(), sizes.weight);
  return all;
}

/// The wishes themselves and, of curves over one size, powers of two between them: one point there
/// may serve several.
Calls candidates_for(const Calls& wishes) {
  Calls candidates = wishes;
  for (const auto& sizes : wished_sizes(wishes))
    for (std::int64_t size = 256; size < sizes.most; size *= 2) {
      add_size(candidates, sizes, size, 0);
      if (size > sizes.most / 2) break;
    }
  return candidates;
}

/// Those that say most about any wish.
std::vector<Place> most_telling(std::vector<Place> known, const Calls& wishes) {
  if (known.size() <= kMostKnown) return known;
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < known.size(); ++i) {
    double most = 0;
    for (const auto& [key, wish] : wishes)
      most = std::max(most, covariance(known[i], wish.call.place));
    order.emplace_back(-most, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Place> kept;
  for (std::size_t i = 0; i < kMostKnown; ++i) kept.push_back(known[order[i].second]);
  return kept;
}

/// Everything a design problem numbers, in its order.
struct Numbered {
  std::vector<Place> places;
  std::vector<const Gap*> gaps;
  void add(const Place& place, const Gap* gap) {
    places.push_back(place);
    gaps.push_back(gap);
  }
  [[nodiscard]] double covariance(std::size_t i, std::size_t j) const {
    double sum = calibration::covariance(places[i], places[j]);
    if (gaps[i] != nullptr && gaps[i] == gaps[j])
      sum += gaps[i]->variance *
             std::exp(-std::abs(std::log2(places[i].inputs.size / places[j].inputs.size)) / 2);
    return sum;
  }
};

std::string why(const Call& call) {
  if (call.kin == nullptr) return "nothing like it is measured";
  if (call.curve == nullptr) return "only other groups are measured";
  if (call.gap != nullptr)
    return "the library switches between " +
           std::to_string(static_cast<std::int64_t>(call.gap->from)) + " and " +
           std::to_string(static_cast<std::int64_t>(call.gap->to)) + " bytes";
  const auto& validity = call.curve->series->validity;
  for (const auto& [name, value] : call.point)
    if (const auto range = validity.find(name); range != validity.end())
      if (static_cast<double>(value) < range->second.first ||
          static_cast<double>(value) > range->second.second)
        return name + " lies outside what is measured";
  return "between measured points";
}

GroupedObservations group(std::span<const ObservationFile> files, const std::string& card) {
  if (files.empty()) return {};
  auto grouped = group_observations(files, card);
  for (const auto& series : grouped.series)
    if (series.card != grouped.series.front().card)
      throw InvalidInput{"the observations are of several cards (" + grouped.series.front().card +
                         ", " + series.card + "): choose one"};
  return grouped;
}

Suggestion suggestion_of(const Call& call, double deviation) {
  return {call.place.operation, call.dtypes,           call.point, call.ranks, call.routing,
          call.routed,          kNormal95 * deviation, why(call)};
}

}  // namespace

Suggestions suggest(std::span<const ObservationFile> files, const SuggestRequest& request) {
  const auto grouped = group(files, request.card);
  const Machine machine{grouped};
  const bool is_free = request.candidates.empty();
  const auto named = calls_of(machine, request.wishes);
  const auto wishes = is_free ? with_switches(named) : named;
  const auto candidates =
      without_measured(is_free ? candidates_for(wishes) : calls_of(machine, request.candidates));
  Numbered numbered;
  DesignProblem problem;
  auto known = machine.known();
  const auto measured_points = static_cast<int>(known.size());
  for (const auto& place : most_telling(std::move(known), wishes)) numbered.add(place, nullptr);
  problem.known = numbered.places.size();
  for (const auto& [key, one] : candidates) numbered.add(one.call.place, one.call.gap);
  problem.candidates = candidates.size();
  for (const auto& [key, one] : wishes) {
    numbered.add(one.call.place, one.call.gap);
    problem.weights.push_back(one.weight);
  }
  problem.targets = wishes.size();
  problem.covariance = [&](std::size_t i, std::size_t j) { return numbered.covariance(i, j); };
  problem.noise_variance = kMeasurementVariance;
  const auto designed = design(problem, request.count);
  Suggestions result{kNormal95 * designed.standard_deviation, {},
                     static_cast<int>(wishes.size()),         measured_points,
                     static_cast<int>(problem.known),         grouped.left_out};
  std::vector<const Call*> calls;
  for (const auto& [key, one] : candidates) calls.push_back(&one.call);
  for (const auto& choice : designed.choices)
    result.points.push_back(suggestion_of(*calls[choice.candidate], choice.standard_deviation));
  return result;
}

}  // namespace moecal::calibration
