// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <vector>

#include "calibration/predict.hpp"

namespace moecal::calibration {

/// The models that answer a query best, with what had to be given up for it.
struct Selection {
  std::vector<const Model*>
      models;                      // equally good but for their implementation, each at its newest
  std::vector<std::string> flags;  // e.g. "dtype f16 stands in for bf16"
  std::string missing;             // where models is empty: what there is no model of
};

/// How far a dtype is from the one a query asks for; kNoMatch: it cannot stand in for it. What only
/// moves bytes takes any payload, one of the same width first; arithmetic takes floating point for
/// floating point of the same width.
inline constexpr int kNoMatch = 1000;
[[nodiscard]] int dtype_distance(const std::string& operation, const std::string& dtype,
                                 const Query& query);

/// The query's group size must be matched exactly.
[[nodiscard]] Selection select_models(const Coefficients& coefficients, const Query& query);

/// The joint model over group sizes that matches the query in everything but group and tier, and
/// speaks of its tier; null if there is none.
[[nodiscard]] const Model* select_joint(const Coefficients& coefficients, const Query& query);

/// Group sizes of models that match the query in everything else, ascending.
[[nodiscard]] std::vector<int> measured_groups(const Coefficients& coefficients,
                                               const Query& query);

/// Machines with models that match the query: cards, or for a collective systems. Of the query's
/// group if there are any of it, else of any group.
[[nodiscard]] std::set<std::string> matching_machines(const Coefficients& coefficients,
                                                      const Query& query);

/// Negative, 0, positive: a is an older, equal, newer release than b. Numbers compare as numbers:
/// 2.9 is older than 2.29, and 1.3.0rc20 than 1.3.0.
[[nodiscard]] int compare_releases(const std::string& a, const std::string& b);

}  // namespace moecal::calibration
