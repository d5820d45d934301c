// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/placed_calls.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "calibration/deciding_settings.hpp"
#include "calibration/dtype_distance.hpp"
#include "calibration/model_order.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/switches.hpp"
#include "core/collective.hpp"
#include "core/dtype.hpp"

namespace moecal::calibration {
namespace {

/// Neighbouring sizes nearer than this are not taken apart any further.
constexpr double kNarrowGap = 1.5;

std::vector<SwitchGap> gaps_of(const Series& series) {
  std::vector<SwitchGap> gaps;
  if (series.family != Family::transfer || !series.one_size) return gaps;  // no curve over a size
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

/// Sums of elements take longer or shorter in a type of another width: such a prediction stands in
/// for one that is worth measuring. What only moves bytes does not know their type.
bool sums_other_width(const Series& series, const Query& query) {
  const auto* facts = find_collective(query.operation);
  if (facts == nullptr || !facts->reduces || query.dtype.empty()) return false;
  const auto& dtype = series.conditions.dtype;
  return dtype.empty() || size_of(parse_dtype(dtype)) != size_of(parse_dtype(query.dtype));
}

bool answers(const Series& series, const Query& query) {
  const auto& c = series.conditions;
  return c.group == query.group && c.tier == query.tier && is_kin(series, query) &&
         !sums_other_width(series, query);
}

/// The types that go with an operand's, where nothing measured says so.
Dtypes dtypes_for(const std::string& operation, const std::string& dtype) {
  const std::string a = dtype.empty() ? "bf16" : dtype;
  if (is_call_of_system(operation)) return {a, "", a, "", "", ""};
  if (operation == "topk_gate") return {"f32", "", "f32", "", "", ""};
  if (operation == "quantize") return {a, "", "fp8_e4m3", "", "tensor", ""};
  if (operation == "memory_copy") return {"uint8", "", "uint8", "", "", ""};
  if (operation != "expert_gemm" && operation != "grouped_gemm") return {a, "", a, "", "", ""};
  if (a == "int8") return {a, a, "int32", "int32", "none", "TN"};
  if (a.starts_with("fp8")) return {a, a, "bf16", "f32", "tensor", "TN"};
  return {a, a, a, "f32", "none", "TN"};
}

const SwitchGap* gap_around(const MeasuredCurve* curve, double size) {
  if (curve == nullptr) return nullptr;
  for (const auto& gap : curve->gaps)
    if (size > gap.from && size < gap.to) return &gap;
  return nullptr;
}

/// What was measured so, else what a prediction would be asked with. Without a word on routing and
/// nothing measured, an operation's program decides whether it routes.
void set_routing(PlacedCall& call, const Query& query) {
  auto& condition = call.place.conditions.routing;
  const bool is_number = takes_routing(query.operation) ||
                         (call.curve != nullptr && call.curve->series->conditions.any_routing);
  if (call.curve == nullptr && !is_number && !query.routing.empty())
    condition = routing_asked(query.operation, query);
  call.routing = spec_of(is_number ? routing_asked(query.operation, query) : condition);
  call.routed = is_number || !condition.distribution.empty();
}

void place(PlacedCall& call) {
  call.place.family = family_of(call.place.operation, call.point);
  const auto work = kind_of_work(call.place.operation, call.place.conditions.implementation);
  call.place.inputs = inputs_of(work, call.point, call.dtypes, call.routing);
  call.gap = gap_around(call.curve, call.place.inputs.size);
}

}  // namespace

std::string call_key(const PlacedCall& call) {
  std::string key = call.place.operation + "/" + call.dtypes.a + "/" + call.dtypes.scale_mode +
                    "/" + std::to_string(call.ranks.group) + call.ranks.tier + call.ranks.placement;
  for (const auto& [name, value] : call.point) key += "/" + name + std::to_string(value);
  if (call.routed)
    key += "/" + call.routing.distribution + std::to_string(call.routing.exponent) + "/" +
           std::to_string(call.routing.capacity_factor) +
           name_of_loads(conditions_of(call.routing));
  return key;
}

bool is_measured(const PlacedCall& call) {
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

MeasuredMachine::MeasuredMachine(const GroupedObservations& grouped) {
  for (const auto& series : grouped.series) curves_.push_back({&series, gaps_of(series)});
}

PlacedCall MeasuredMachine::call(const Query& query) const {
  PlacedCall call;
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
    const bool is_like_kin = call.kin != nullptr && !sums_other_width(*call.kin->series, query);
    call.dtypes = is_like_kin ? call.kin->series->dtypes : dtypes_for(query.operation, query.dtype);
    if (call.kin != nullptr && is_collective(query.operation))
      call.place.conditions = call.kin->series->conditions;
    call.place.conditions.dtype = call.dtypes.a;
    call.place.conditions.group = query.group;
    call.place.conditions.tier = query.tier;
  }
  set_routing(call, query);
  place(call);
  return call;
}

PlacedCall MeasuredMachine::at(PlacedCall call, std::int64_t bytes) {
  call.point = call.asked = {{"bytes", bytes}};
  place(call);
  return call;
}

std::vector<Place> MeasuredMachine::known() const {
  std::vector<Place> places;
  for (const auto& curve : curves_)
    for (const auto& point : curve.series->points)
      places.push_back(
          {curve.series->operation, curve.series->conditions, curve.series->family, point.inputs});
  return places;
}

const MeasuredCurve* MeasuredMachine::curve_of(const Query& query,
                                               bool (*fits)(const Series&, const Query&)) const {
  // As a prediction would (model_order.hpp): out of place first, then unset, nearest in dtype and
  // recorded.
  const auto order = [&](const MeasuredCurve& curve) {
    const auto& c = curve.series->conditions;
    return std::tuple{!is_in_place(c.implementation), !is_set_unasked(c.settings, query),
                      -dtype_distance(*curve.series, query), -unrecorded(c.settings),
                      curve.series->points.size()};
  };
  const MeasuredCurve* found = nullptr;
  for (const auto& curve : curves_)
    if (fits(*curve.series, query) && (found == nullptr || order(curve) > order(*found)))
      found = &curve;
  return found;
}

}  // namespace moecal::calibration
