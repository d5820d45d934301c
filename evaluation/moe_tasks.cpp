// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/moe_tasks.hpp"

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "core/card.hpp"
#include "core/parallel.hpp"
#include "evaluation/baselines_moe.hpp"

namespace moecal::evaluation {
namespace {

using calibration::FitPoint;
using calibration::Model;

constexpr char kKnown[] = "moe.known_model";
constexpr char kUnseen[] = "moe.unseen_model";

std::string joined(const Point& point, std::initializer_list<const char*> names) {
  std::string key;
  for (const char* name : names) key += (key.empty() ? "" : ",") + std::to_string(point.at(name));
  return key;
}

/// The numbers that a fold keeps together (evaluation/splits.json).
std::string model_key(const Point& point) {
  return joined(point, {"hidden", "inter", "top_k", "experts"});
}
std::string configuration_key(const Point& point) {
  return model_key(point) + "," + joined(point, {"tensor_parallel", "expert_parallel"});
}

/// Rows of one dtype with the part that each is held out with.
struct Layers {
  std::string card, dtype;
  calibration::ReferenceRates rates;
  ObservationFile rows;
  std::vector<FitPoint> points;
  std::vector<int> parts;
};

using PartOf = std::function<int(const Point&)>;

calibration::ReferenceRates rates_of(const Card& card, const Dtypes& dtypes) {
  const auto peak = card.dense_peak(dtypes.a);
  if (!peak || !card.memory_bandwidth)
    throw InvalidInput{"the spec sheet of " + card.id + " lacks the rates of " + dtypes.a};
  return {peak->value(), card.memory_bandwidth->value.value(), true};
}

std::vector<Layers> layers_of(const std::vector<PublicTable>& tables, const PartOf& part_of) {
  std::vector<Layers> all;
  for (const auto& table : tables) {
    std::map<std::string, Layers> by_dtype;
    for (const auto& o : table.rows.observations) {
      const auto label = dtype_label(o.dtypes);
      auto& layers = by_dtype[label];
      if (layers.points.empty()) {
        layers.card = table.card;
        layers.dtype = label;
        layers.rates = rates_of(find_card(table.card), o.dtypes);
      }
      layers.rows.observations.push_back(o);
      layers.points.push_back(
          {calibration::inputs_of(o.operation, o.point, o.dtypes, o.routing), o.seconds()});
      layers.parts.push_back(part_of(o.point));
    }
    for (auto& [label, layers] : by_dtype) {
      layers.rows.environments = table.rows.environments;
      all.push_back(std::move(layers));
    }
  }
  return all;
}

LayerFold fold_without(const Layers& layers, int part) {
  std::vector<bool> held_out;
  for (const int own : layers.parts) held_out.push_back(own == part);
  LayerFold fold{layers.card,  layers.dtype,
                 layers.rates, make_fold(layers.card, layers.rows, held_out),
                 {},           {}};
  for (std::size_t i = 0; i < layers.points.size(); ++i)
    (held_out[i] ? fold.unseen : fold.seen).push_back(layers.points[i]);
  return fold;
}

/// Each part unseen in turn.
std::vector<LayerFold> folds_of(const std::vector<Layers>& all) {
  std::vector<LayerFold> folds;
  for (const auto& layers : all)
    for (const int part : std::set<int>{layers.parts.begin(), layers.parts.end()})
      folds.push_back(fold_without(layers, part));
  return folds;
}

/// What `moecal predict` says of a call.
Estimate estimate_of(const Model& model, const Observation& call) {
  const auto p = calibration::predict_with(model, call.point,
                                           {call.routing.distribution, call.routing.exponent, 0});
  return {p.seconds, p.lo, p.hi};
}

std::string regime_of(double tokens) {
  return tokens <= 64   ? "1: to 64 tokens"
         : tokens < 512 ? "2: to 511 tokens"
                        : "3: from 512 tokens";
}

ScoreBoard score(const LayerFold& fold) {
  ScoreBoard board;
  const auto take = [&](const std::string& form, const auto& estimate) {
    for (std::size_t i = 0; i < fold.unseen.size(); ++i) {
      const auto& [inputs, seconds] = fold.unseen[i];
      board.of({form, fold.card, fold.dtype, "moe_layer", regime_of(inputs.size)})
          .take(estimate(i), seconds);
    }
  };
  const auto model = fit_layers(fold);
  take(model.form, [&](std::size_t i) { return estimate_of(model, fold.rows.unseen[i]); });
  for (const auto& baseline : baselines_of_layers(fold.seen, fold.rates))
    take(baseline.name,
         [&](std::size_t i) { return Estimate{baseline.seconds(fold.unseen[i].inputs)}; });
  return board;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>& wanted) {
  const auto& split = split_of(input, kKnown);
  const auto tables = read_public_tables(input.data, split);
  std::vector<TaskResult> results;
  for (const auto* task : {kKnown, kUnseen}) {
    if (!wanted.contains(task)) continue;
    const auto folds = std::string{task} == kKnown ? folds_of_configurations(tables, split.folds)
                                                   : folds_of_models(tables);
    TaskResult result{task, {}, {}};
    for (const auto& board :
         parallel_map(folds.size(), [&](std::size_t i) { return score(folds[i]); }))
      result.scores.merge(board);
    for (const auto& table : tables)
      for (const auto& [what, rows] : table.not_scored) result.not_scored[what] += rows;
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

std::vector<LayerFold> folds_of_configurations(const std::vector<PublicTable>& tables, int folds) {
  return folds_of(layers_of(
      tables, [folds](const Point& point) { return fold_of(configuration_key(point), folds); }));
}

std::vector<LayerFold> folds_of_models(const std::vector<PublicTable>& tables) {
  std::map<std::string, int> number_of;
  for (const auto& table : tables)
    for (const auto& o : table.rows.observations)
      number_of.emplace(model_key(o.point), static_cast<int>(number_of.size()));
  return folds_of(
      layers_of(tables, [&](const Point& point) { return number_of.at(model_key(point)); }));
}

Model fit_layers(const LayerFold& fold) {
  // One thread: folds are fitted side by side.
  auto fitted =
      calibration::fit(std::vector{fold.rows.seen}, {.cards = known_cards(), .threads = 1});
  if (fitted.coefficients.models.size() != 1)
    throw Error{"the layers of one dtype of " + fold.card + " became " +
                std::to_string(fitted.coefficients.models.size()) + " models instead of one"};
  return std::move(fitted.coefficients.models.front());
}

TaskGroup moe_tasks() { return {{kKnown, kUnseen}, run}; }

}  // namespace moecal::evaluation
