// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/missing_model.hpp"

#include <set>
#include <utility>
#include <vector>

#include "calibration/deciding_settings.hpp"
#include "calibration/number_list.hpp"
#include "calibration/query_match.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

std::string describe(const Query& query) {
  std::string text = "no model of " + query.operation;
  if (!query.dtype.empty()) text += " in " + query.dtype;
  if (!query.card.empty()) text += " on " + query.card;
  if (!query.system.empty()) text += " of " + query.system;
  if (!query.scale_mode.empty()) text += ", scales " + query.scale_mode;
  if (query.group != 1) text += " over " + std::to_string(query.group) + " ranks";
  if (query.nodes != 0) text += " on " + std::to_string(query.nodes) + " nodes";
  text += ", tier " + query.tier;
  if (!query.placement.empty()) text += ", " + query.placement;
  if (!query.implementation.empty()) text += ", implementation " + query.implementation;
  if (!query.cache.empty()) text += ", cache " + query.cache;
  if (!query.routing.empty()) text += ", routing " + query.routing;
  if (query.exponent) text += ", exponent " + number_text(*query.exponent);
  if (query.capacity_factor) text += ", capacity factor " + number_text(*query.capacity_factor);
  if (query.skew) text += ", by the skew of its ranks";
  if (!query.settings.empty()) text += ", set to " + settings_text(query.settings);
  return text;
}

/// A value that models have of a condition: ranks in their order, words in theirs.
using Value = std::pair<int, std::string>;

Value ranks(int count) { return {count, std::to_string(count)}; }
Value word(const std::string& text) { return {0, text.empty() ? "not recorded" : text}; }

/// One thing asked of a model, and what a model has in its place.
struct Demand {
  std::string asked;  // "group 16"
  bool (*accepts)(const Model&, const Query&);
  Value (*have)(const Model&);
};

std::vector<Demand> demands_on_ranks(const Query& q) {
  return {{"tier " + q.tier,
           [](const Model& m, const Query& query) { return m.conditions.tier == query.tier; },
           [](const Model& m) { return word(m.conditions.tier); }},
          {"group " + std::to_string(q.group),
           [](const Model& m, const Query& query) { return m.conditions.group == query.group; },
           [](const Model& m) { return ranks(m.conditions.group); }},
          {"nodes " + std::to_string(q.nodes), accepts_nodes,
           [](const Model& m) { return ranks(m.conditions.nodes); }},
          {"placement " + q.placement,
           [](const Model& m, const Query& query) {
             return accepts(query.placement, m.conditions.placement);
           },
           [](const Model& m) { return word(m.conditions.placement); }}};
}

std::string routing_demand(const Query& query) {
  RoutingConditions asked{query.routing, query.exponent.value_or(0),
                          query.capacity_factor.value_or(0), query.loads};
  return query.skew ? "the skew of its ranks" : "routing " + routing_text(asked);
}

std::vector<Demand> demands_on_call(const Query& q) {
  return {
      {"dtype " + q.dtype, accepts_dtype, [](const Model& m) { return word(m.conditions.dtype); }},
      {"scales " + q.scale_mode, accepts_scale_mode,
       [](const Model& m) { return word(scale_mode_of(m.conditions)); }},
      {"implementation " + q.implementation,
       [](const Model& m, const Query& query) {
         return accepts(query.implementation, m.conditions.implementation);
       },
       [](const Model& m) { return word(m.conditions.implementation); }},
      {"cache " + q.cache,
       [](const Model& m, const Query& query) { return accepts(query.cache, m.conditions.cache); },
       [](const Model& m) { return word(m.conditions.cache); }},
      {routing_demand(q), accepts_routing,
       [](const Model& m) { return word(routing_text(m.conditions.routing)); }},
      {"setting " + settings_text(q.settings), accepts_settings,
       [](const Model& m) { return word(settings_text(m.conditions.settings)); }}};
}

std::string values_of(const std::vector<const Model*>& models, const Demand& demand) {
  std::set<Value> values;
  for (const auto* model : models) values.insert(demand.have(*model));
  std::string text;
  for (const auto& [number, value] : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

/// "; group 16: the models have 2, 4, 8": each demand that none meets of those that meet the
/// demands before it; those it turns away are then asked the next one.
std::string unmet(std::vector<const Model*> models, const Query& query) {
  auto demands = demands_on_ranks(query);
  for (auto& demand : demands_on_call(query)) demands.push_back(std::move(demand));
  std::string text;
  for (const auto& demand : demands) {
    std::vector<const Model*> met;
    for (const auto* model : models)
      if (demand.accepts(*model, query)) met.push_back(model);
    if (met.empty())
      text += "; " + demand.asked + ": the models have " + values_of(models, demand);
    else
      models = std::move(met);
  }
  return text;
}

/// What the coefficients do have of the operation, so that the gap is plain.
std::string known(const Coefficients& coefficients, const Query& query) {
  std::set<std::string> operations, cards, systems;
  std::vector<const Model*> models;  // of the operation on the machine
  for (const auto& model : coefficients.models) {
    cards.insert(model.card);
    if (!accepts(query.card, model.card)) continue;
    operations.insert(model.operation);
    if (model.operation != query.operation) continue;
    systems.insert(model.system);
    if (accepts_machine(model, query) && model.conditions.group != kAnyGroup)
      models.push_back(&model);
  }
  if (operations.empty()) return "; there are models of the cards: " + join(cards);
  if (systems.empty()) return "; there are models of: " + join(operations);
  if (models.empty()) return "; there are models of the systems: " + join(systems);
  return unmet(std::move(models), query);
}

}  // namespace

std::string missing_model(const Coefficients& coefficients, const Query& query) {
  return describe(query) + known(coefficients, query);
}

}  // namespace moecal::calibration
