// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "evaluation/task.hpp"

namespace moecal::evaluation {

inline constexpr char kAll[] = "all";  // the card and dtype of a pooled row

/// One line of the report: a form's score on one card and dtype, or pooled over all of them.
struct Row {
  std::string task, card, dtype, form;
  Summary summary;
};

/// For each form of a task, its cards and dtypes, and the pooled row last.
[[nodiscard]] std::vector<Row> rows_of(const TaskResult& result);

/// An array of rows {task, card, dtype, form, n, median_ape, p90_ape, p95_ape, max_ape,
/// coverage_90, half_width_median}: fractions; the last two null where a form makes no interval.
/// The pooled row (card and dtype "all") also has `by_operation` (one entry a card and operation)
/// and `by_size` (one a size regime), each with the same figures.
[[nodiscard]] std::string to_json(const std::vector<TaskResult>& results);

/// The same for people, in percent: per card and operation, moecal's form beside the baselines.
[[nodiscard]] std::string to_text(const std::vector<TaskResult>& results, const Splits& splits);

}  // namespace moecal::evaluation
