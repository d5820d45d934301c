// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/gemm_tasks.hpp"

#include <algorithm>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "core/card.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "evaluation/baselines_gemm.hpp"

namespace moecal::evaluation {
namespace {

constexpr char kDense[] = "gemm.dense";
constexpr char kFew[] = "gemm.200";
constexpr char kCompact[] = "gemm.compact";

constexpr char kDenseForm[] = "compact form and symmetric_trees residual";
constexpr char kFewForm[] = "compact form and radial_basis residual";
constexpr char kCompactForm[] = "saturating_roofline or tile_wave";

std::string number(const Observation& o, const char* name) {
  return std::to_string(o.point.at(name));
}

Predictor predictor_of(const calibration::Model& model) {
  return [&model](const Observation& call) {
    const auto p = calibration::predict_with(model, call.point);
    return Estimate{p.seconds, p.lo, p.hi};
  };
}

calibration::ReferenceRates rates_of(const GemmSet& set) {
  const auto card = find_card(set.card);
  const auto peak = card.dense_peak(set.rows.observations.front().dtypes.a);
  if (!peak || !card.memory_bandwidth)
    throw Error{"the spec sheet of " + set.card + " lacks a peak for " + set.dtype +
                " or the memory bandwidth"};
  return {peak->value(), card.memory_bandwidth->value.value(), true};
}

/// One set's scores by task; a task that is not wanted stays empty.
using Scores = std::map<std::string, ScoreBoard>;

void score_baselines(const Fold& fold, const GemmSet& set, const std::vector<ScoreBoard*>& boards) {
  for (const auto& baseline : baselines_of_gemms(fold.seen, rates_of(set))) {
    ScoreBoard scores;
    score_unseen(fold, baseline.name, baseline.predictor, scores);
    for (auto* board : boards) board->merge(scores);
  }
}

/// The residual is learnt on top of the compact form, so one fit serves both tasks.
void score_dense(const Fold& fold, const GemmSet& set, const std::set<std::string>& wanted,
                 Scores& scores) {
  const auto model = fit_gemms(fold);
  const auto compact = without_residual(model);
  std::vector<ScoreBoard*> boards;
  if (wanted.contains(kDense)) {
    boards.push_back(&scores[kDense]);
    score_unseen(fold, kDenseForm, predictor_of(model), *boards.back());
  }
  if (wanted.contains(kCompact)) {
    boards.push_back(&scores[kCompact]);
    score_unseen(fold, kCompactForm, predictor_of(compact), *boards.back());
  }
  score_baselines(fold, set, boards);
}

void score_few(const Fold& fold, const GemmSet& set, Scores& scores) {
  const auto model = fit_gemms(fold);
  score_unseen(fold, kFewForm, predictor_of(model), scores[kFew]);
  score_baselines(fold, set, {&scores[kFew]});
}

Scores score_fold(const GemmSet& set, int number, const TaskInput& input,
                  const std::set<std::string>& wanted) {
  Scores scores;
  const auto& split = split_of(input, kDense);
  if (wanted.contains(kDense) || wanted.contains(kCompact))
    score_dense(fold_of_pairs(set, number, split.folds), set, wanted, scores);
  if (!wanted.contains(kFew)) return scores;
  const auto& few = split_of(input, kFew);
  score_few(with_few_rows(fold_of_pairs(set, number, few.folds), number, few.points), set, scores);
  return scores;
}

std::vector<TaskResult> run_gemms(const TaskInput& input, const std::set<std::string>& wanted) {
  const auto& split = split_of(input, kDense);
  const auto tables = read_public_tables(input.data, split);
  const auto sets = gemm_sets(tables);
  const auto folds = static_cast<std::size_t>(split.folds);
  const auto scores = parallel_map(sets.size() * folds, [&](std::size_t i) {
    return score_fold(sets[i / folds], static_cast<int>(i % folds), input, wanted);
  });
  std::vector<TaskResult> results;
  for (const char* task : {kDense, kFew, kCompact}) {
    if (!wanted.contains(task)) continue;
    TaskResult result{task, {}, {}};
    for (const auto& one : scores) result.scores.merge(one.at(task));
    for (const auto& table : tables)
      for (const auto& [what, rows] : table.not_scored) result.not_scored[what] += rows;
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

std::vector<GemmSet> gemm_sets(const std::vector<PublicTable>& tables) {
  std::vector<GemmSet> sets;
  for (const auto& table : tables) {
    std::map<std::string, ObservationFile> by_dtype;
    for (const auto& o : table.rows.observations)
      by_dtype[dtype_label(o.dtypes)].observations.push_back(o);
    for (auto& [dtype, rows] : by_dtype) {
      rows.environments = table.rows.environments;
      sets.push_back({table.card, dtype, std::move(rows)});
    }
  }
  return sets;
}

Fold fold_of_pairs(const GemmSet& set, int fold, int folds) {
  std::vector<bool> held_out;
  for (const auto& o : set.rows.observations)
    held_out.push_back(fold_of(number(o, "n") + "," + number(o, "k"), folds) == fold);
  return make_fold(set.card, set.rows, held_out);
}

Fold with_few_rows(Fold fold, int number_of_fold, int points) {
  auto& rows = fold.seen.observations;
  std::vector<std::pair<std::string, std::size_t>> order;
  for (std::size_t i = 0; i < rows.size(); ++i)
    order.push_back({sha256(number(rows[i], "m") + "," + number(rows[i], "n") + "," +
                            number(rows[i], "k") + "," + std::to_string(number_of_fold)),
                     i});
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), static_cast<std::size_t>(points)));
  std::vector<Observation> few;
  for (const auto& [hash, row] : order) few.push_back(rows[row]);
  rows = std::move(few);
  return fold;
}

calibration::Model fit_gemms(const Fold& fold) {
  calibration::FitOptions options;
  options.cards = known_cards();
  auto fitted = calibration::fit(std::vector{fold.seen}, options);
  if (fitted.coefficients.models.size() != 1)
    throw Error{"the GEMMs of one dtype of " + fold.card + " became " +
                std::to_string(fitted.coefficients.models.size()) + " models instead of one"};
  return std::move(fitted.coefficients.models.front());
}

calibration::Model without_residual(calibration::Model model) {
  if (model.residual) model.residual_quantiles = model.residual->compact_quantiles;
  model.residual.reset();
  return model;
}

TaskGroup gemm_tasks() { return {{kDense, kFew, kCompact}, run_gemms}; }

}  // namespace moecal::evaluation
