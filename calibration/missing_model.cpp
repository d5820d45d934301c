// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/missing_model.hpp"

#include <set>

#include "calibration/deciding_settings.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/number_list.hpp"
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

/// What the coefficients do have of the operation, so that the gap is plain.
std::string known(const Coefficients& coefficients, const Query& query) {
  std::set<std::string> operations, conditions, cards;
  for (const auto& model : coefficients.models) {
    cards.insert(model.card);
    if (!query.card.empty() && model.card != query.card) continue;
    operations.insert(model.operation);
    if (model.operation != query.operation) continue;
    const auto& c = model.conditions;
    std::string text = c.dtype.empty() ? "dtype not recorded" : c.dtype;
    if (c.group == kAnyGroup) continue;
    if (c.group != 1) text += " over " + std::to_string(c.group);
    text += " " + c.tier;
    conditions.insert(text + (c.settings.empty() ? "" : " " + settings_text(c.settings)));
  }
  if (operations.empty()) return "; there are models of the cards: " + join(cards);
  if (conditions.empty()) return "; there are models of: " + join(operations);
  return "; of " + query.operation + " there is: " + join(conditions);
}

}  // namespace

std::string missing_model(const Coefficients& coefficients, const Query& query) {
  return describe(query) + known(coefficients, query);
}

}  // namespace moecal::calibration
