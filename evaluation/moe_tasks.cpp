// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/moe_tasks.hpp"

#include <cmath>

#include "calibration/grouped_gemms.hpp"
#include "core/card.hpp"
#include "core/parallel.hpp"
#include "evaluation/baselines_moe.hpp"

namespace moecal::evaluation {
namespace {

using calibration::Family;
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
      layers.points.push_back(
          {calibration::inputs_of(o.operation, o.point, o.dtypes, o.routing), o.seconds()});
      layers.parts.push_back(part_of(o.point));
    }
    for (auto& [label, layers] : by_dtype) all.push_back(std::move(layers));
  }
  return all;
}

/// Each part unseen in turn.
std::vector<LayerFold> folds_of(const std::vector<Layers>& all) {
  std::vector<LayerFold> folds;
  for (const auto& layers : all)
    for (const int part : std::set<int>{layers.parts.begin(), layers.parts.end()}) {
      LayerFold fold{layers.card, layers.dtype, layers.rates, {}, {}, {}};
      for (std::size_t i = 0; i < layers.points.size(); ++i) {
        if (layers.parts[i] == part) {
          fold.unseen.push_back(layers.points[i]);
          continue;
        }
        fold.seen.push_back(layers.points[i]);
        fold.parts.push_back(layers.parts[i]);
      }
      folds.push_back(std::move(fold));
    }
  return folds;
}

Estimate estimate_of(const Model& model, const calibration::Inputs& inputs) {
  const double seconds = calibration::evaluate(model, inputs);
  for (const auto& regime : model.residual_quantiles) {
    if (inputs.size < regime.from || (regime.to != 0 && inputs.size >= regime.to)) continue;
    const double factor = std::exp(regime.half_width_90);
    return {seconds, seconds / factor, seconds * factor};
  }
  throw Error{"a layer of " + std::to_string(inputs.size) + " tokens is in no regime"};
}

std::string regime_of(double tokens) {
  return tokens <= 64   ? "1: to 64 tokens"
         : tokens < 512 ? "2: to 511 tokens"
                        : "3: from 512 tokens";
}

ScoreBoard score(const LayerFold& fold) {
  ScoreBoard board;
  const auto take = [&](const std::string& form, const auto& estimate) {
    for (const auto& point : fold.unseen)
      board.of({form, fold.card, fold.dtype, "moe_layer", regime_of(point.inputs.size)})
          .take(estimate(point.inputs), point.seconds);
  };
  const auto model = fit_layers(fold);
  take(model.form, [&](const auto& inputs) { return estimate_of(model, inputs); });
  for (const auto& baseline : baselines_of_layers(fold.seen, fold.rates))
    take(baseline.name, [&](const auto& inputs) { return Estimate{baseline.seconds(inputs)}; });
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
  const auto fit = [&](std::span<const FitPoint> points) {
    return calibration::fit_grouped_gemms(points, fold.rates);
  };
  auto model = fit(fold.seen);
  model.residual_quantiles =
      calibration::conformal_quantiles(calibration::cross_validate(fold.seen, fold.parts, fit),
                                       calibration::regime_limits(Family::grouped));
  return model;
}

TaskGroup moe_tasks() { return {{kKnown, kUnseen}, run}; }

}  // namespace moecal::evaluation
