// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/selection.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "calibration/features.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/join.hpp"
#include "calibration/missing_model.hpp"
#include "calibration/number_list.hpp"
#include "calibration/prediction_draft.hpp"
#include "calibration/releases.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/settings_choice.hpp"
#include "calibration/validity.hpp"
#include "core/dtype.hpp"

namespace moecal::calibration {
namespace {

int preference(const std::string& dtype) {
  static constexpr std::array<std::string_view, 8> kOrder{"f16",  "bf16",     "f32",   "fp8_e4m3",
                                                          "int8", "fp8_e5m2", "uint8", "int32"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), dtype) - kOrder.begin());
}

bool is_integer(const std::string& dtype) {
  return dtype == "int8" || dtype == "uint8" || dtype == "int32";
}

int dtype_distance(const Model& model, const Query& query) {
  return calibration::dtype_distance(model.operation, model.conditions.dtype, query);
}

bool accepts(const std::string& asked, const std::string& have) {
  return asked.empty() || asked == have;
}

/// A kernel belongs to its card; a collective to the whole system.
bool is_of_machine(const Model& model, const Query& query) {
  return accepts(query.card, model.card) &&
         (!is_collective(model.operation) || accepts(query.system, model.system));
}

std::string machine_of(const Model& model) {
  return is_collective(model.operation) && !model.system.empty() ? model.system : model.card;
}

bool accepts_routing(const Query& query, const Model& model) {
  const bool by_skew = model.conditions.any_routing;
  if (query.skew && !by_skew) return false;
  if (takes_routing(model.operation) || by_skew) return true;
  const auto& have = model.conditions.routing;
  return accepts(query.routing, have.distribution) &&
         (!query.exponent || *query.exponent == have.exponent) &&
         (!query.capacity_factor || *query.capacity_factor == have.capacity_factor) &&
         (query.loads.empty() || query.loads == have.loads);
}

bool accepts_settings(const Query& query, const Model& model) {
  const auto& have = model.conditions.settings;
  return std::ranges::all_of(query.settings, [&](const auto& asked) {
    const auto found = have.find(asked.first);
    return found != have.end() && found->second == asked.second;
  });
}

bool matches_but_group_and_tier(const Model& model, const Query& query) {
  const auto& c = model.conditions;
  const bool scale = query.scale_mode.empty() ||
                     query.scale_mode == (c.scale_mode.empty() ? "none" : c.scale_mode);
  return model.operation == query.operation && is_of_machine(model, query) &&
         accepts(query.placement, c.placement) && accepts(query.implementation, c.implementation) &&
         accepts(query.cache, c.cache) && accepts_routing(query, model) &&
         accepts_settings(query, model) && scale && dtype_distance(model, query) < kNoMatch;
}

enum class Release { same, any };

/// Whether two models differ in nothing but group, nodes and tier: a joint model was fitted with
/// those that are like it.
bool are_alike(const Model& a, const Model& b, Release release) {
  auto conditions = a.conditions;
  conditions.group = b.conditions.group;
  conditions.nodes = b.conditions.nodes;
  conditions.tier = b.conditions.tier;
  if (release == Release::any) conditions.release = b.conditions.release;
  return a.card == b.card && a.system == b.system && conditions == b.conditions;
}

bool matches_but_group(const Model& model, const Query& query) {
  const auto& c = model.conditions;
  return c.group != kAnyGroup && c.tier == query.tier &&
         (query.nodes == 0 || query.nodes == c.nodes) && matches_but_group_and_tier(model, query);
}

/// What was measured here stands before others' measurements, and those before what was only
/// transferred from other cards.
int provenance_rank(const std::string& provenance) {
  static constexpr std::array<std::string_view, 3> kOrder{"measured", "imported", "transferred"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), provenance) - kOrder.begin());
}

int scale_rank(const std::string& mode) { return mode.empty() ? 0 : mode == "tensor" ? 1 : 2; }

/// Uniform is what a formula without a word on routing means.
int routing_rank(const std::string& distribution) {
  return distribution.empty() || distribution == "uniform" ? 0 : 1;
}

bool is_within(const Model& model, const Query& query) {
  return doublings_outside(model.validity, query.point) == 0;
}

/// What makes one match better than another, in this order, smaller first; release and
/// implementation are compared after it.
auto rank(const Model& model, int distance) {
  const auto& c = model.conditions;
  return std::tuple{distance,
                    provenance_rank(model.provenance),
                    c.placement != "contiguous",
                    c.concurrent_groups,
                    scale_rank(c.scale_mode),
                    c.cache != "cold",
                    c.graph != "none",
                    c.output_dtype,
                    c.layout,
                    c.routing.capacity_factor,
                    routing_rank(c.routing.distribution),
                    c.routing.distribution,
                    c.routing.exponent,
                    c.routing.loads,
                    c.nodes};
}

/// A table stands before the compact form of the same series.
std::vector<const Model*> without_shadowed(const std::vector<const Model*>& models) {
  std::vector<const Model*> kept;
  for (const auto* model : models) {
    const bool shadowed = std::any_of(models.begin(), models.end(), [&](const Model* other) {
      return model->table.empty() && !other->table.empty() &&
             other->conditions == model->conditions && other->card == model->card &&
             other->system == model->system;
    });
    if (!shadowed) kept.push_back(model);
  }
  return kept;
}

std::string text_of(const RoutingConditions& routing) {
  return routing.distribution + (routing.loads.empty() ? "" : " " + name_of_loads(routing)) +
         (routing.exponent == 0 ? "" : " " + number_text(routing.exponent)) +
         (routing.capacity_factor == 0 ? ""
                                       : " limited to " + number_text(routing.capacity_factor));
}

/// Of an operation whose cost takes the routing as a number: that it was never measured so.
std::vector<std::string> routing_flags(const Model& model, const Query& query) {
  const auto& measured = model.routings;
  if (measured.empty() || query.skew) return {};
  const auto asked = routing_asked(model.operation, query);
  if (std::find(measured.begin(), measured.end(), asked) != measured.end()) return {};
  std::string known;
  for (const auto& each : measured) known += (known.empty() ? "" : ", ") + text_of(each);
  return {"routing " + text_of(asked) + " was never measured; measured: " + known};
}

std::string list_of(const std::set<int>& groups) {
  std::string text;
  for (const int group : groups) text += (text.empty() ? "" : ", ") + std::to_string(group);
  return text;
}

/// Of a group that was not measured with the newest release that other groups were.
std::vector<std::string> older_release_flags(const Coefficients& coefficients, const Query& query,
                                             const std::vector<const Model*>& answering) {
  std::vector<std::string> flags;
  for (const auto* model : answering) {
    const auto& own = model->conditions;
    std::map<std::string, std::set<int>> groups;  // measured with a newer release, by release
    std::string newest = own.release;
    for (const auto& other : coefficients.models) {
      const auto& c = other.conditions;
      if (c.group == query.group || compare_releases(c.release, own.release) <= 0 ||
          !matches_but_group(other, query) || !are_alike(other, *model, Release::any))
        continue;
      groups[c.release].insert(c.group);
      if (compare_releases(c.release, newest) > 0) newest = c.release;
    }
    if (groups.empty()) continue;
    const auto measured = list_of(groups.at(newest));
    flags.push_back(names_release(own.release)
                        ? "release " + own.release + " of " + own.implementation +
                              " answers, though " + newest + " is newer: with it only groups of " +
                              measured + " were measured"
                        : "a release of " + own.implementation + " that is not named answers; " +
                              newest + " was measured over groups of " + measured);
  }
  return flags;
}

/// What was measured of other groups, but not as the joint models' own were.
std::vector<std::string> left_out_flags(const Coefficients& coefficients, const Query& query,
                                        const std::vector<const Model*>& joints) {
  std::set<int> joined, others;
  for (const auto& model : coefficients.models) {
    if (!matches_but_group(model, query)) continue;
    const bool is_own = std::any_of(joints.begin(), joints.end(), [&](const Model* joint) {
      return are_alike(model, *joint, Release::same);
    });
    (is_own ? joined : others).insert(model.conditions.group);
  }
  for (const int group : joined) others.erase(group);
  if (others.empty()) return {};
  const auto& c = joints.front()->conditions;
  return {"left out: groups of " + list_of(others) + " were measured, but not in " + c.dtype +
          (c.release.empty() ? "" : " with release " + c.release)};
}

/// Models to choose among. Low-latency kernels take few tokens: of exchanges those measured on both
/// sides of the point come first, if any were.
std::vector<const Model*> in_reach(std::vector<const Model*> models, const Query& query) {
  const auto is_out = [&](const Model* model) { return !is_within(*model, query); };
  if (family_of(query.operation, query.point) == Family::exchange &&
      !std::all_of(models.begin(), models.end(), is_out))
    std::erase_if(models, is_out);
  return models;
}

/// A model whose dtype was not recorded is as near as the nearest of those that say theirs.
int distance_of_unrecorded(const std::vector<const Model*>& models, const Query& query) {
  int least = kNoMatch;
  for (const auto* model : models)
    if (!model->conditions.dtype.empty()) least = std::min(least, dtype_distance(*model, query));
  return least;
}

/// Those of the best rank.
std::vector<const Model*> best_of(std::vector<const Model*> models, const Query& query) {
  models = in_reach(std::move(models), query);
  const bool is_exchange = family_of(query.operation, query.point) == Family::exchange;
  const int unrecorded = distance_of_unrecorded(models, query);
  const auto rank_of = [&](const Model* model) {
    return rank(*model, is_exchange && model->conditions.dtype.empty()
                            ? unrecorded
                            : dtype_distance(*model, query));
  };
  std::vector<const Model*> best;
  for (const auto* model : models) {
    if (!best.empty() && rank_of(model) > rank_of(best.front())) continue;
    if (!best.empty() && rank_of(model) < rank_of(best.front())) best.clear();
    best.push_back(model);
  }
  return best;
}

/// A call in place is another call: it answers where it is named, or nothing else was measured.
/// Beside the call out of place the fastest of two noisy times would be less than either.
std::vector<const Model*> out_of_place_first(std::vector<const Model*> models) {
  const auto is_in_place = [](const Model* model) {
    return model->conditions.implementation.ends_with("_in_place");
  };
  if (!std::ranges::all_of(models, is_in_place)) std::erase_if(models, is_in_place);
  return models;
}

/// Where the query leaves the choice of a setting to us.
SecondsOf seconds_for(const Query& query, SecondsOf seconds) {
  return query.any_setting ? std::move(seconds) : SecondsOf{};
}

/// Choosing for the user would answer for a machine that need not be theirs.
Selection several_settings(const Query& query, const std::vector<const Model*>& models) {
  return {{},
          {},
          "models of " + query.operation +
              " differ in their settings; choose one of: " + join(settings_of(models)),
          true};
}

void append(std::vector<std::string>& flags, std::vector<std::string> more) {
  for (auto& flag : more) flags.push_back(std::move(flag));
}

}  // namespace

std::vector<std::string> stand_in_flags(const Model& model, const Query& query) {
  std::vector<std::string> flags;
  const auto& c = model.conditions;
  if (!query.dtype.empty() && c.dtype != query.dtype)
    flags.push_back(c.dtype.empty()
                        ? "in which dtype rows were sent was not recorded: as measured, not in " +
                              query.dtype
                        : "dtype " + c.dtype + " stands in for " + query.dtype);
  for (auto& flag : routing_flags(model, query)) flags.push_back(std::move(flag));
  if (query.routing.empty() && routing_rank(c.routing.distribution) != 0)
    flags.push_back("routing is " + c.routing.distribution + ", not uniform");
  if (!query.capacity_factor && c.routing.capacity_factor != 0)
    flags.push_back("experts were limited to " + number_text(c.routing.capacity_factor) +
                    " of their mean rows");
  return flags;
}

int dtype_distance(const std::string& operation, const std::string& dtype, const Query& query) {
  if (query.dtype.empty() || dtype == query.dtype)
    return query.dtype.empty() ? preference(dtype) : 0;
  const auto family = family_of(operation, query.point);
  if (dtype.empty()) return family == Family::exchange ? 0 : kNoMatch;
  const bool same_width = size_of(parse_dtype(dtype)) == size_of(parse_dtype(query.dtype));
  if (family == Family::gemm || family == Family::grouped)
    return same_width && is_integer(dtype) == is_integer(query.dtype) ? 1 : kNoMatch;
  return (same_width ? 1 : 10) + preference(dtype);
}

Selection select_models(const Coefficients& coefficients, const Query& query, const Model* joint) {
  std::vector<const Model*> matching;
  for (const auto& model : coefficients.models)
    if (model.conditions.group == query.group && matches_but_group(model, query) &&
        (joint == nullptr || are_alike(model, *joint, Release::same)))
      matching.push_back(&model);
  if (matching.empty()) return {{}, {}, missing_model(coefficients, query)};
  const auto all = out_of_place_first(best_of(std::move(matching), query));
  const auto [best, settings_flags] = of_one_setting(
      all, seconds_for(query, [&](const Model& model) { return draft_of(model, query).seconds; }));
  if (best.empty()) return several_settings(query, all);
  auto answering = without_shadowed(newest_of_each(best));
  auto flags = release_flags(best);
  append(flags, settings_flags);
  if (joint == nullptr) append(flags, older_release_flags(coefficients, query, answering));
  return {std::move(answering), std::move(flags), ""};
}

Selection select_joints(const Coefficients& coefficients, const Query& query) {
  std::vector<const Model*> matching;
  for (const auto& model : coefficients.models)
    if (model.conditions.group == kAnyGroup && speaks_of_tier(model, query.tier) &&
        matches_but_group_and_tier(model, query))
      matching.push_back(&model);
  if (matching.empty()) return {};
  const auto all = out_of_place_first(best_of(std::move(matching), query));
  const auto [best, settings_flags] =
      of_one_setting(all, seconds_for(query, [&](const Model& joint) {
                       Inputs inputs{.size = static_cast<double>(query.point.at("bytes"))};
                       inputs.ranks = query.group;
                       inputs.nodes = std::max(1, query.nodes);
                       return evaluate(joint, inputs);
                     }));
  if (best.empty()) return several_settings(query, all);
  auto flags = stand_in_flags(*best.front(), query);
  auto answering = newest_of_each(best);
  append(flags, release_flags(best));
  append(flags, settings_flags);
  append(flags, left_out_flags(coefficients, query, answering));
  return {std::move(answering), std::move(flags), ""};
}

std::set<std::string> matching_machines(const Coefficients& coefficients, const Query& query) {
  std::set<std::string> of_group, of_any;
  for (const auto& model : coefficients.models) {
    if (!matches_but_group(model, query)) continue;
    of_any.insert(machine_of(model));
    if (model.conditions.group == query.group) of_group.insert(machine_of(model));
  }
  return of_group.empty() ? of_any : of_group;
}

std::vector<int> measured_groups(const Coefficients& coefficients, const Query& query,
                                 const Model& joint) {
  std::set<int> groups;
  for (const auto& model : coefficients.models)
    if (matches_but_group(model, query) && are_alike(model, joint, Release::same))
      groups.insert(model.conditions.group);
  return {groups.begin(), groups.end()};
}

}  // namespace moecal::calibration
