// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/selection.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "calibration/deciding_settings.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/missing_model.hpp"
#include "calibration/model_order.hpp"
#include "calibration/number_list.hpp"
#include "calibration/prediction_draft.hpp"
#include "calibration/query_match.hpp"
#include "calibration/releases.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/settings_choice.hpp"
#include "core/collective.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

bool matches_but_group_and_tier(const Model& model, const Query& query) {
  const auto& c = model.conditions;
  return model.operation == query.operation && accepts_machine(model, query) &&
         accepts(query.placement, c.placement) && accepts(query.implementation, c.implementation) &&
         accepts(query.cache, c.cache) && accepts_routing(model, query) &&
         accepts_settings(model, query) && accepts_scale_mode(model, query) &&
         accepts_dtype(model, query);
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
  return c.group != kAnyGroup && c.tier == query.tier && accepts_nodes(model, query) &&
         matches_but_group_and_tier(model, query);
}

/// A table stands before the compact form of the same series.
Models without_shadowed(const Models& models) {
  Models kept;
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

/// Of an operation whose cost takes the routing as a number: that it was never measured so.
std::vector<std::string> routing_flags(const Model& model, const Query& query) {
  const auto& measured = model.routings;
  if (measured.empty() || query.skew) return {};
  const auto asked = routing_asked(model.operation, query);
  if (std::find(measured.begin(), measured.end(), asked) != measured.end()) return {};
  return {"routing " + routing_text(asked) +
          " was never measured; measured: " + join(measured, ", ", routing_text)};
}

/// Of a group that was not measured with the newest release that other groups were.
std::vector<std::string> older_release_flags(const Coefficients& coefficients, const Query& query,
                                             const Models& answering) {
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
    const auto measured = join(groups.at(newest));
    flags.push_back(names_release(own.release)
                        ? "release " + own.release + " of " + own.implementation +
                              " answers, though " + newest + " is newer: with it only groups of " +
                              measured + " were measured"
                        : "a release of " + own.implementation + " that is not named answers; " +
                              newest + " was measured over groups of " + measured);
  }
  return flags;
}

/// What of a model's conditions is not the joint model's, other than group, nodes and tier.
std::set<std::string> differences(const Model& model, const Model& joint) {
  const auto &have = model.conditions, &own = joint.conditions;
  std::set<std::string> all;
  if (have.dtype != own.dtype) all.insert("in " + have.dtype);
  if (have.implementation != own.implementation) all.insert("by " + have.implementation);
  if (have.settings != own.settings) all.insert("with " + settings_text(have.settings));
  if (have.release != own.release)
    all.insert(names_release(have.release) ? "with release " + have.release
                                           : "with a release that is not named");
  if (all.empty()) all.insert("under other conditions");
  return all;
}

/// What was measured of other groups, but not as the joint models' own were; of each group the
/// likest.
std::vector<std::string> left_out_flags(const Coefficients& coefficients, const Query& query,
                                        const Models& joints) {
  std::set<int> joined;
  std::map<int, std::set<std::string>> others;
  for (const auto& model : coefficients.models) {
    if (!matches_but_group(model, query)) continue;
    const int group = model.conditions.group;
    for (const auto* joint : joints) {
      auto differing = differences(model, *joint);
      auto& least = others.try_emplace(group, differing).first->second;
      if (differing.size() < least.size()) least = std::move(differing);
      if (are_alike(model, *joint, Release::same)) joined.insert(group);
    }
  }
  std::map<std::string, std::set<int>> groups;  // by how they differ
  for (const auto& [group, differing] : others)
    if (!joined.contains(group)) groups[join(differing)].insert(group);
  std::vector<std::string> flags;
  for (const auto& [how, all] : groups)
    flags.push_back("left out: groups of " + join(all) + " were measured, but " + how);
  return flags;
}

/// Choosing for the user would answer for a machine that need not be theirs.
Selection several_settings(const Query& query, const Models& models) {
  return {{},
          {},
          "models of " + query.operation +
              " differ in their settings; choose one of: " + join(settings_of(models)),
          true};
}

void append(std::vector<std::string>& flags, std::vector<std::string> more) {
  for (auto& flag : more) flags.push_back(std::move(flag));
}

/// Of the best of what matches those of one setting; where it is left to us, `seconds` is asked.
Selection best_in_one_setting(const Models& matching, const Query& query, SecondsOf seconds) {
  const auto best = best_of(matching, query);
  auto choice = of_one_setting(best, query.any_setting ? std::move(seconds) : SecondsOf{});
  if (choice.models.empty()) return several_settings(query, best);
  auto flags = release_flags(choice.models);
  append(flags, choice.flags);
  append(flags, settings_flags(choice, matching, query));
  return {std::move(choice.models), std::move(flags), ""};
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
  if (is_in_place(c.implementation) && query.implementation.empty())
    flags.push_back("as measured in place: this call was not measured out of place");
  for (auto& flag : routing_flags(model, query)) flags.push_back(std::move(flag));
  if (query.routing.empty() && routing_rank(c.routing.distribution) != 0)
    flags.push_back("routing is " + c.routing.distribution + ", not uniform");
  if (!query.capacity_factor && c.routing.capacity_factor != 0)
    flags.push_back("experts were limited to " + number_text(c.routing.capacity_factor) +
                    " of their mean rows");
  return flags;
}

Selection select_models(const Coefficients& coefficients, const Query& query, const Model* joint) {
  Models matching;
  for (const auto& model : coefficients.models)
    if (model.conditions.group == query.group && matches_but_group(model, query) &&
        (joint == nullptr || are_alike(model, *joint, Release::same)))
      matching.push_back(&model);
  if (matching.empty()) return {{}, {}, missing_model(coefficients, query)};
  auto selection = best_in_one_setting(
      matching, query, [&](const Model& model) { return draft_of(model, query).seconds; });
  selection.models = without_shadowed(newest_of_each(selection.models));
  if (joint != nullptr)
    selection.flags.clear();  // it has said what it is
  else
    append(selection.flags, older_release_flags(coefficients, query, selection.models));
  return selection;
}

Selection select_joints(const Coefficients& coefficients, const Query& query) {
  Models matching;
  for (const auto& model : coefficients.models)
    if (model.conditions.group == kAnyGroup && speaks_of_tier(model, query.tier) &&
        matches_but_group_and_tier(model, query))
      matching.push_back(&model);
  if (matching.empty()) return {};
  auto selection = best_in_one_setting(matching, query, [&](const Model& joint) {
    Inputs inputs{.size = static_cast<double>(query.point.at("bytes"))};
    inputs.ranks = query.group;
    inputs.nodes = std::max(1, query.nodes);
    return evaluate(joint, inputs);
  });
  if (selection.models.empty()) return selection;
  auto flags = stand_in_flags(*selection.models.front(), query);
  append(flags, std::move(selection.flags));
  selection.models = newest_of_each(selection.models);
  append(flags, left_out_flags(coefficients, query, selection.models));
  selection.flags = std::move(flags);
  return selection;
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
