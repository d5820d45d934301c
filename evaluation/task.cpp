// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/task.hpp"

#include <fnmatch.h>

#include "evaluation/public_tables.hpp"

namespace moecal::evaluation {
namespace {

/// The regimes in which intervals are calibrated, in words (calibration::regime_limits).
std::string regime_of(const Observation& o) {
  if (const auto bytes = o.point.find("bytes"); bytes != o.point.end())
    return bytes->second <= 65536     ? "1: to 64 KiB"
           : bytes->second <= 4194304 ? "2: to 4 MiB"
                                      : "3: above 4 MiB";
  if (const auto m = o.point.find("m"); m != o.point.end())
    return m->second <= 64 ? "1: m to 64" : m->second < 512 ? "2: m to 511" : "3: m from 512";
  return "";
}

}  // namespace

const std::vector<TaskGroup>& all_task_groups() {
  static const std::vector<TaskGroup> kGroups{collective_tasks(), gemm_tasks(),    moe_tasks(),
                                              dispatch_tasks(),   suggest_tasks(), ratio_tasks()};
  return kGroups;
}

const Split& split_of(const TaskInput& input, const std::string& task) {
  const auto found = input.splits.find(task);
  if (found == input.splits.end())
    throw InvalidInput{"evaluation/splits.json does not say what is held out for " + task};
  return found->second;
}

std::vector<TaskResult> run_tasks(const TaskInput& input, const std::string& glob) {
  std::vector<TaskResult> results;
  std::string known;
  for (const auto& group : all_task_groups()) {
    std::set<std::string> wanted;
    for (const auto& task : group.tasks) {
      known += "\n  " + task;
      if (fnmatch(glob.c_str(), task.c_str(), 0) == 0) wanted.insert(task);
    }
    if (wanted.empty()) continue;
    for (auto& result : group.run(input, wanted)) results.push_back(std::move(result));
  }
  if (results.empty()) throw InvalidInput{"no task matches '" + glob + "'; the tasks are:" + known};
  return results;
}

Fold make_fold(const std::string& card, const ObservationFile& rows,
               const std::vector<bool>& held_out) {
  Fold fold{card, {rows.environments, {}}, {}};
  for (std::size_t i = 0; i < rows.observations.size(); ++i)
    (held_out.at(i) ? fold.unseen : fold.seen.observations).push_back(rows.observations[i]);
  return fold;
}

std::string regime_of_tokens(double tokens) {
  return tokens <= 64   ? "1: to 64 tokens"
         : tokens < 512 ? "2: to 511 tokens"
                        : "3: from 512 tokens";
}

void score_unseen(const Fold& fold, const std::string& form, const Predictor& predictor,
                  ScoreBoard& scores) {
  for (const auto& o : fold.unseen) {
    auto call = o;
    call.samples_s.clear();  // the answer
    scores.of({form, fold.card, dtype_label(o.dtypes), o.operation, regime_of(o)})
        .take(predictor(call), o.seconds());
  }
}

}  // namespace moecal::evaluation
