// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// How unevenly tokens load experts, as functions that formulas may call. Those without a closed
/// form are simulated with a fixed seed, so they are functions of their arguments alone.
namespace moecal::planning {

/// Standard deviation over mean of the rows per expert when each token picks top_k distinct
/// experts uniformly at random.
[[nodiscard]] double uniform_load_cv(double tokens, double experts, double top_k);

/// Expected rows of the busiest expert over the mean when `rows` rows fall on experts uniformly.
[[nodiscard]] double uniform_load_max_over_mean(double rows, double experts);

/// Expected mean over busiest load, of normal loads with this coefficient of variation.
[[nodiscard]] double normal_load_mean_over_max(double experts, double cv);

/// Expected busiest over mean load, of normal loads with this coefficient of variation.
[[nodiscard]] double normal_load_max_over_mean(double experts, double cv);

/// Expected share of all rows that exceeds `capacity` times the mean, of normal loads.
[[nodiscard]] double normal_load_overflow(double experts, double cv, double capacity);

}  // namespace moecal::planning
