// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/moe_tasks.hpp"

#include <cmath>

#include "calibration/fit.hpp"
#include "core/card.hpp"
#include "core/join.hpp"
#include "core/parallel.hpp"
#include "evaluation/asking.hpp"
#include "evaluation/baselines_moe.hpp"

namespace moecal::evaluation {
namespace {

using calibration::Coefficients;
using calibration::FitPoint;

constexpr char kKnown[] = "moe.known_model";
constexpr char kUnseen[] = "moe.unseen_model";
constexpr char kForm[] = "grouped_gemms and gated residual";

std::string joined(const Point& point, std::initializer_list<const char*> names) {
  return join(names, ",", [&](const char* name) { return std::to_string(point.at(name)); });
}

/// The numbers that a fold keeps together (evaluation/splits.json).
std::string model_key(const Point& point) {
  return joined(point, {"hidden", "inter", "top_k", "experts"});
}
std::string configuration_key(const Point& point) {
  return model_key(point) + "," + joined(point, {"tensor_parallel", "expert_parallel"});
}

using PartOf = std::function<int(const Point&)>;

calibration::ReferenceRates rates_of(const Card& card, const Dtypes& dtypes) {
  const auto peak = card.dense_peak(dtypes.a);
  if (!peak || !card.memory_bandwidth)
    throw InvalidInput{"the spec sheet of " + card.id + " lacks the rates of " + dtypes.a};
  return {peak->value(), card.memory_bandwidth->value.value(), true};
}

std::vector<LayerSet> sets_of(const std::vector<PublicTable>& tables, const PartOf& part_of) {
  std::vector<LayerSet> all;
  for (const auto& table : tables) {
    calibration::KnownLoads loads;
    std::map<std::string, LayerSet> by_dtype;
    for (const auto& o : table.rows.observations) {
      const auto label = dtype_label(o.dtypes);
      auto& set = by_dtype[label];
      if (set.points.empty()) {
        set.card = table.card;
        set.dtype = label;
        set.rates = rates_of(find_card(table.card), o.dtypes);
      }
      set.rows.observations.push_back(o);
      set.points.push_back(
          {calibration::inputs_of(o.operation, o.point, o.dtypes, o.routing, &loads), o.seconds()});
      set.parts.push_back(part_of(o.point));
    }
    for (auto& [label, set] : by_dtype) {
      set.rows.environments = table.rows.environments;
      all.push_back(std::move(set));
    }
  }
  return all;
}

/// What `moecal predict` says of a call.
Estimate estimate_of(const Coefficients& coefficients, const Observation& call) {
  calibration::Query query{
      .operation = call.operation, .dtype = call.dtypes.a, .point = call.point};
  query.scale_mode = call.dtypes.scale_mode;
  query.routing = call.routing.distribution;
  query.exponent = call.routing.exponent;
  query.capacity_factor = call.routing.capacity_factor;
  query.loads = call.routing.loads;
  return ask(coefficients, query);
}

ScoreBoard score(const LayerFold& fold) {
  ScoreBoard board;
  const auto take = [&](const std::string& form, const auto& estimate) {
    for (std::size_t i = 0; i < fold.unseen.size(); ++i) {
      const auto& [inputs, seconds] = fold.unseen[i];
      board.of({form, fold.rows.card, fold.dtype, "moe_layer", regime_of_tokens(inputs.size)})
          .take(estimate(i), seconds);
    }
  };
  const auto fitted = fit_layers(fold);
  take(kForm, [&](std::size_t i) { return estimate_of(fitted, fold.rows.unseen[i]); });
  for (const auto& baseline : baselines_of_layers(fold.seen, fold.rates))
    take(baseline.name,
         [&](std::size_t i) { return Estimate{baseline.seconds(fold.unseen[i].inputs)}; });
  return board;
}

/// Every part of every set.
std::vector<std::pair<const LayerSet*, int>> parts_of(const std::vector<LayerSet>& sets) {
  std::vector<std::pair<const LayerSet*, int>> all;
  for (const auto& set : sets)
    for (const int part : std::set<int>{set.parts.begin(), set.parts.end()})
      all.emplace_back(&set, part);
  return all;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>& wanted) {
  const auto& split = split_of(input, kKnown);
  const auto tables = read_public_tables(input.data, split);
  std::vector<TaskResult> results;
  for (const auto* task : {kKnown, kUnseen}) {
    if (!wanted.contains(task)) continue;
    const auto sets = std::string{task} == kKnown ? sets_of_configurations(tables, split.folds)
                                                  : sets_of_models(tables);
    const auto parts = parts_of(sets);
    TaskResult result{task, {}, {}};
    // One fold at a time on each core: all of them would hold the tables many times over.
    for (const auto& board : parallel_map(parts.size(), [&](std::size_t i) {
           return score(fold_without(*parts[i].first, parts[i].second));
         }))
      result.scores.merge(board);
    for (const auto& table : tables)
      for (const auto& [what, rows] : table.not_scored) result.not_scored[what] += rows;
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

std::vector<LayerSet> sets_of_configurations(const std::vector<PublicTable>& tables, int folds) {
  return sets_of(tables,
                 [folds](const Point& point) { return fold_of(configuration_key(point), folds); });
}

std::vector<LayerSet> sets_of_models(const std::vector<PublicTable>& tables) {
  std::map<std::string, int> number_of;
  for (const auto& table : tables)
    for (const auto& o : table.rows.observations)
      number_of.emplace(model_key(o.point), static_cast<int>(number_of.size()));
  return sets_of(tables, [&](const Point& point) { return number_of.at(model_key(point)); });
}

LayerFold fold_without(const LayerSet& set, int part) {
  std::vector<bool> held_out;
  for (const int own : set.parts) held_out.push_back(own == part);
  LayerFold fold{set.dtype, set.rates, make_fold(set.card, set.rows, held_out), {}, {}};
  for (std::size_t i = 0; i < set.points.size(); ++i)
    (held_out[i] ? fold.unseen : fold.seen).push_back(set.points[i]);
  return fold;
}

std::vector<LayerFold> folds_of(const std::vector<LayerSet>& sets) {
  std::vector<LayerFold> folds;
  for (const auto& [set, part] : parts_of(sets)) folds.push_back(fold_without(*set, part));
  return folds;
}

Coefficients fit_layers(const LayerFold& fold) {
  // One thread: folds are fitted side by side.
  return calibration::fit(std::vector{fold.rows.seen}, {.cards = known_cards(), .threads = 1})
      .coefficients;
}

TaskGroup moe_tasks() { return {{kKnown, kUnseen}, run}; }

}  // namespace moecal::evaluation
