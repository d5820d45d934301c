// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/observation.hpp"

namespace moecal::evaluation {

/// What is held out for one task: an entry of evaluation/splits.json, what it takes over from
/// another (`same_as`) filled in.
struct Split {
  std::string task;
  std::vector<std::string> tables;  // files, relative to the folder of the public tables
  std::set<std::string> dtypes;     // the tables' words for them
  std::string rule;                 // for people
  int phases = 0;                   // of held-out sizes; 0: the task has none
  int folds = 0;                    // of held-out keys; 0: the task has none
  int points = 0;                   // rows that are fitted; 0: all that are seen
};

using Splits = std::map<std::string, Split>;  // by task

/// @throws InvalidInput naming file and field.
[[nodiscard]] Splits read_splits(const std::string& path);
/// moecal's own: evaluation/splits.json of its data folder.
[[nodiscard]] Splits read_splits();

/// The fold of a key, e.g. "4096,1536": the number in the first 8 hexadecimal digits of its
/// SHA-256, modulo `folds`.
[[nodiscard]] int fold_of(const std::string& key, int folds);

inline constexpr int kNeverHeldOut = -1;

/// The phase in which each observation of collectives is held out: the interior sizes of each curve
/// (operation, dtype, group size) in turn; kNeverHeldOut for the first and the last size.
[[nodiscard]] std::vector<int> phases_of_sizes(const std::vector<Observation>& observations,
                                               int phases);

}  // namespace moecal::evaluation
