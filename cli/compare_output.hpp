// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "planning/compare.hpp"

namespace moecal::cli {

/// The first card against one other.
struct Comparison {
  const planning::ComparedCard* first = nullptr;
  const planning::ComparedCard* other = nullptr;
  std::vector<planning::ComparedCall> calls;
};

struct CompareReport {
  std::vector<Comparison> comparisons;
  std::vector<planning::MemoryDemand> demands;  // of the documents
};

/// Those of the documents' demands that the card's memory cannot hold.
[[nodiscard]] std::vector<const planning::MemoryDemand*> too_large(
    const CompareReport& report, const planning::ComparedCard& card);

/// For each pair of cards a summary of each operation, what nothing verifies, a table of each
/// call's ratio with its interval, then what has none and why, and what does not fit; at the end
/// the notes of all tables.
[[nodiscard]] std::string compare_text(const CompareReport& report);
/// {comparisons: [{first, other, calls: [...], does_not_fit: [...]}]}; null where there is no
/// number; times in seconds.
[[nodiscard]] std::string compare_json(const CompareReport& report);

}  // namespace moecal::cli
