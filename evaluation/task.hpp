// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/observation.hpp"
#include "evaluation/score.hpp"
#include "evaluation/splits.hpp"

namespace moecal::evaluation {

/// What the tasks read: the folder of the public tables, and what is held out of them.
struct TaskInput {
  std::string data;
  Splits splits;
};

struct TaskResult {
  std::string task;
  ScoreBoard scores;
  std::map<std::string, int> not_scored;  // rows of the tables outside moecal's dtypes, and why
};

/// Tasks that share their tables and fits: one file each. Held-out rows are taken away before
/// anything is fitted: a fit is a function of the seen rows alone.
struct TaskGroup {
  std::vector<std::string> tasks;  // the names that `run` knows
  /// Results of the wanted ones among them, in their order.
  std::vector<TaskResult> (*run)(const TaskInput& input, const std::set<std::string>& wanted);
};

/// Every task, in the order in which they are reported.
[[nodiscard]] const std::vector<TaskGroup>& all_task_groups();

[[nodiscard]] TaskGroup collective_tasks();
[[nodiscard]] TaskGroup dispatch_tasks();
[[nodiscard]] TaskGroup gemm_tasks();
[[nodiscard]] TaskGroup moe_tasks();
[[nodiscard]] TaskGroup ratio_tasks();
[[nodiscard]] TaskGroup suggest_tasks();

/// The split of a task. @throws InvalidInput if the splits have none.
[[nodiscard]] const Split& split_of(const TaskInput& input, const std::string& task);

/// Runs the tasks whose name matches the glob (`*` any run of characters, `?` any one).
/// @throws InvalidInput, listing the tasks, if none does.
[[nodiscard]] std::vector<TaskResult> run_tasks(const TaskInput& input, const std::string& glob);

/// Rows of one card, divided.
struct Fold {
  std::string card;
  ObservationFile seen;  // all that a fit is given
  std::vector<Observation> unseen;
};

/// The rows whose flag is set are unseen. @param held_out one flag a row
[[nodiscard]] Fold make_fold(const std::string& card, const ObservationFile& rows,
                             const std::vector<bool>& held_out);

/// What a form, fitted to the seen rows, says of a call.
using Predictor = std::function<Estimate(const Observation& call)>;

/// The regime of a call of so many tokens, in words.
[[nodiscard]] std::string regime_of_tokens(double tokens);

/// Asks about each unseen row, without showing its time, and scores the answer.
void score_unseen(const Fold& fold, const std::string& form, const Predictor& predictor,
                  ScoreBoard& scores);

}  // namespace moecal::evaluation
