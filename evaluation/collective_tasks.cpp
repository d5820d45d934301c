// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/collective_tasks.hpp"

#include "calibration/fit.hpp"
#include "core/parallel.hpp"
#include "evaluation/asking.hpp"
#include "evaluation/baselines_collective.hpp"

namespace moecal::evaluation {
namespace {

constexpr char kPoints[] = "collective.points";
constexpr char kCoefficients[] = "collective.coefficients";
constexpr char kUnseen8[] = "collective.unseen_group_8";
constexpr char kUnseen4[] = "collective.unseen_group_4";
constexpr char kUnseen8Alone[] = "collective.unseen_group_8_alone";
constexpr char kUnseen4Alone[] = "collective.unseen_group_4_alone";

using calibration::Coefficients;

Coefficients without_tables(Coefficients coefficients) {
  std::erase_if(coefficients.models, [](const auto& model) { return !model.table.empty(); });
  return coefficients;
}

/// With the points kept, and with compact coefficients only: one fit serves both.
struct SizeScores {
  ScoreBoard points, coefficients;
};

SizeScores score_sizes(const Fold& fold) {
  SizeScores scores;
  const auto fitted = fit_seen(fold);
  const auto compact = without_tables(fitted);
  score_unseen(fold, "log_log_table", predictor_of(fitted), scores.points);
  score_unseen(fold, "segmented_latency_bandwidth", predictor_of(compact), scores.coefficients);
  for (const auto& baseline : baselines_of_sizes(fold.seen))
    for (auto* board : {&scores.points, &scores.coefficients})
      score_unseen(fold, baseline.name, baseline.predictor, *board);
  return scores;
}

void add_not_scored(const std::vector<PublicTable>& tables, TaskResult& result) {
  for (const auto& table : tables)
    for (const auto& [what, rows] : table.not_scored) result.not_scored[what] += rows;
}

/// The seen rows of the card that is scored.
ObservationFile rows_of_card(const Fold& fold) {
  ObservationFile rows{fold.seen.environments, {}};
  for (const auto& o : fold.seen.observations)
    if (fold.seen.environment(o.environment_id).card == fold.card) rows.observations.push_back(o);
  return rows;
}

ScoreBoard score_group(const Fold& fold) {
  ScoreBoard scores;
  const auto fitted = fit_seen(fold);
  score_unseen(fold, "group_scaling", predictor_of(fitted), scores);
  for (const auto& baseline : baselines_of_groups(rows_of_card(fold)))
    score_unseen(fold, baseline.name, baseline.predictor, scores);
  return scores;
}

struct UnseenGroup {
  const char* task;
  int group;
  OtherCards others;
};

TaskResult run_unseen_group(const TaskInput& input, const UnseenGroup& unseen) {
  const auto& [task, group, others] = unseen;
  const auto tables = read_public_tables(input.data, split_of(input, task));
  const auto folds = folds_of_group(tables, group, others);
  TaskResult result{task, {}, {}};
  for (const auto& scores :
       parallel_map(folds.size(), [&](std::size_t i) { return score_group(folds[i]); }))
    result.scores.merge(scores);
  add_not_scored(tables, result);
  return result;
}

std::vector<TaskResult> run_sizes(const TaskInput& input, const std::set<std::string>& wanted) {
  const auto& split = split_of(input, kPoints);
  const auto tables = read_public_tables(input.data, split);
  const auto folds = folds_of_sizes(tables, split.phases);
  TaskResult points{kPoints, {}, {}}, coefficients{kCoefficients, {}, {}};
  for (const auto& scores :
       parallel_map(folds.size(), [&](std::size_t i) { return score_sizes(folds[i]); })) {
    points.scores.merge(scores.points);
    coefficients.scores.merge(scores.coefficients);
  }
  std::vector<TaskResult> results;
  for (auto* result : {&points, &coefficients}) {
    if (!wanted.contains(result->task)) continue;
    add_not_scored(tables, *result);
    results.push_back(std::move(*result));
  }
  return results;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>& wanted) {
  std::vector<TaskResult> results;
  if (wanted.contains(kPoints) || wanted.contains(kCoefficients))
    results = run_sizes(input, wanted);
  for (const auto& unseen : {UnseenGroup{kUnseen8, 8, OtherCards::seen},
                             {kUnseen4, 4, OtherCards::seen},
                             {kUnseen8Alone, 8, OtherCards::unseen},
                             {kUnseen4Alone, 4, OtherCards::unseen}})
    if (wanted.contains(unseen.task)) results.push_back(run_unseen_group(input, unseen));
  return results;
}

void append(const ObservationFile& rows, ObservationFile& all) {
  all.environments.insert(all.environments.end(), rows.environments.begin(),
                          rows.environments.end());
  all.observations.insert(all.observations.end(), rows.observations.begin(),
                          rows.observations.end());
}

}  // namespace

std::vector<Fold> folds_of_sizes(const std::vector<PublicTable>& tables, int phases) {
  std::vector<Fold> folds;
  for (const auto& table : tables) {
    const auto phase_of = phases_of_sizes(table.rows.observations, phases);
    for (int phase = 0; phase < phases; ++phase) {
      std::vector<bool> held_out;
      for (const int own : phase_of) held_out.push_back(own == phase);
      folds.push_back(make_fold(table.card, table.rows, held_out));
    }
  }
  return folds;
}

Coefficients fit_seen(const Fold& fold) {
  return calibration::fit(std::vector{fold.seen}, {.card = fold.card}).coefficients;
}

Predictor predictor_of(const Coefficients& coefficients) {
  return [&coefficients](const Observation& call) { return ask(coefficients, query_of(call)); };
}

std::vector<Fold> folds_of_group(const std::vector<PublicTable>& tables, int group,
                                 OtherCards others) {
  std::vector<Fold> folds;
  for (const auto& table : tables) {
    std::vector<bool> held_out;
    for (const auto& o : table.rows.observations) held_out.push_back(o.ranks.group == group);
    auto fold = make_fold(table.card, table.rows, held_out);
    for (const auto& other : tables)
      if (others == OtherCards::seen && other.card != table.card) append(other.rows, fold.seen);
    folds.push_back(std::move(fold));
  }
  return folds;
}

TaskGroup collective_tasks() {
  return {{kPoints, kCoefficients, kUnseen8, kUnseen4, kUnseen8Alone, kUnseen4Alone}, run};
}

}  // namespace moecal::evaluation
