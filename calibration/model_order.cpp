// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/model_order.hpp"

#include <algorithm>
#include <utility>

#include "calibration/deciding_settings.hpp"
#include "calibration/dtype_distance.hpp"
#include "calibration/features.hpp"
#include "calibration/group_donors.hpp"
#include "calibration/validity.hpp"
#include "core/collective.hpp"

namespace moecal::calibration {
namespace {

/// One key of the order: of those that all keys before it left, the least stay.
template <class KeyOf>
void keep_least(Models& models, KeyOf key_of) {
  if (models.empty()) return;
  auto least = key_of(*models.front());
  for (const auto* model : models) least = std::min(least, key_of(*model));
  std::erase_if(models, [&](const Model* model) { return least < key_of(*model); });
}

bool is_exchange(const Query& query) {
  return family_of(query.operation, query.point) == Family::exchange;
}

int dtype_distance_of(const Model& model, const Query& query) {
  return dtype_distance(model.operation, model.conditions.dtype, query);
}

/// A model whose dtype was not recorded is as near as the nearest of those that say theirs.
int distance_of_unrecorded(const Models& models, const Query& query) {
  int least = kNoMatch;
  for (const auto* model : models)
    if (!model->conditions.dtype.empty()) least = std::min(least, dtype_distance_of(*model, query));
  return least;
}

void keep_nearest_dtype(Models& models, const Query& query) {
  const int unrecorded = distance_of_unrecorded(models, query);
  keep_least(models, [&](const Model& model) {
    return is_exchange(query) && model.conditions.dtype.empty() ? unrecorded
                                                                : dtype_distance_of(model, query);
  });
}

/// A sum of the type asked for, or of one like it, would say another time.
bool is_another_sum(const Model& model, const Query& query) {
  return adds_elements(model.operation) && !query.dtype.empty() &&
         !lending_distance(model.operation, query.dtype, model.conditions.dtype);
}

/// How far a model's figures are from the card's own.
int guess_rank(const std::string& provenance) {
  if (provenance == "measured" || provenance == "imported") return 0;
  return provenance == "transferred" ? 1 : 2;
}

int scale_rank(const std::string& mode) { return mode.empty() ? 0 : mode == "tensor" ? 1 : 2; }

/// Which call was measured: what makes it another one than the plain call, and how much.
void keep_nearest_call(Models& models, const Query& query) {
  // Low-latency kernels take few tokens: what was measured on both sides of the point knows more
  // than what goes on from far away, also of another card.
  keep_least(models, [&](const Model& model) {
    return is_exchange(query) && doublings_outside(model.validity, query.point) > 0;
  });
  // What other cards show is a guess: what was measured on this one, even of another call, speaks
  // of it.
  keep_least(models, [](const Model& model) { return guess_rank(model.provenance); });
  // In place is another call, by another path through the library: beside the one out of place the
  // fastest of two noisy times would be less than either.
  keep_least(models,
             [](const Model& model) { return is_in_place(model.conditions.implementation); });
  // A sum of a type that adds up otherwise, as no group is predicted from either.
  keep_least(models, [&](const Model& model) { return is_another_sum(model, query); });
  // Another algorithm, protocol or transport than one gets who sets nothing.
  keep_least(models,
             [&](const Model& model) { return is_set_unasked(model.conditions.settings, query); });
  // Of what only moves bytes another dtype is nearly the same call; of sums one that adds up alike,
  // or nothing else is left here; of products none of another width matches.
  keep_nearest_dtype(models, query);
  // One's own machine before another of its kind.
  keep_least(models, [](const Model& model) { return model.provenance != "measured"; });
}

/// Under which conditions, of those that the query leaves open.
void keep_plainest_conditions(Models& models) {
  const auto keep = [&](auto key_of) {
    keep_least(models, [&](const Model& model) { return key_of(model.conditions); });
  };
  // Neighbours are what ranks are given unless someone asks for others.
  keep([](const Conditions& c) { return c.placement != "contiguous"; });
  // One group by itself: beside others it shares their links.
  keep([](const Conditions& c) { return c.concurrent_groups; });
  // Scales are work of their own: none, then one of a tensor, then those of blocks.
  keep([](const Conditions& c) { return scale_rank(c.scale_mode); });
  // A layer's operands are not in the cache.
  keep([](const Conditions& c) { return c.cache != "cold"; });
  // A call by itself, without what a graph saves.
  keep([](const Conditions& c) { return c.graph != "none"; });
  // A result as its operand, and forward (TN, which is ""); then by name, since one must answer.
  keep([](const Conditions& c) { return c.output_dtype; });
  keep([](const Conditions& c) { return c.layout; });
  // No expert limited; then the least limit, which drops most and is flagged.
  keep([](const Conditions& c) { return c.routing.capacity_factor; });
  keep([](const Conditions& c) {
    return std::pair{routing_rank(c.routing.distribution), c.routing.distribution};
  });
  // The most even experts; then by numbers, since one must answer.
  keep([](const Conditions& c) { return c.routing.exponent; });
  keep([](const Conditions& c) { return c.routing.loads; });
  // As few nodes as were measured: the least of the network.
  keep([](const Conditions& c) { return c.nodes; });
}

}  // namespace

bool is_set_unasked(const Settings& settings, const Query& query) {
  return std::ranges::any_of(settings, [&](const auto& setting) {
    return is_set_variable(setting) && !query.settings.contains(setting.first);
  });
}

int routing_rank(const std::string& distribution) {
  return distribution.empty() || distribution == "uniform" ? 0 : 1;
}

Models best_of(Models models, const Query& query) {
  keep_nearest_call(models, query);
  keep_plainest_conditions(models);
  return models;
}

}  // namespace moecal::calibration
