// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moecal::calibration {

/// Numbers by feature: columns[feature][row].
using FeatureColumns = std::vector<std::vector<double>>;

/// A tree that asks one question a level: leaf index bit i is "feature of level i lies above its
/// border". Leaves are whole numbers of kLeafUnit, so that text and memory hold the same tree.
struct SymmetricTree {
  std::vector<int> features;  // of each level
  std::vector<int> borders;   // of each level: index into the feature's borders
  std::vector<int> leaves;    // 2^levels
};

inline constexpr double kLeafUnit = 1e-5;

/// A sum of symmetric trees.
struct BoostedTrees {
  std::vector<std::vector<double>> borders;  // of each feature, ascending
  std::vector<SymmetricTree> trees;
};

struct BoostingOptions {
  int trees = 600, levels = 7;
  double rate = 0.2;           // share of a tree's step that is taken
  double loss_scale = 0.02;    // errors well above it count by their sign: an L1 loss, rounded
  double leaf_prior = 3;       // rows' worth of zero in each leaf
  double row_share = 0.4;      // of the rows a tree is grown on
  double feature_share = 0.4;  // of the features it may ask about
  int most_borders = 127;      // of a feature; at most 255
  std::uint64_t seed = 1;
};

/// Gradient boosting of `targets` with an L1 loss. Sums are whole numbers, so the order of addition
/// cannot matter: the same rows give the same trees.
[[nodiscard]] BoostedTrees fit_boosted_trees(const FeatureColumns& columns,
                                             std::span<const double> targets,
                                             const BoostingOptions& options);

/// One value a row. Rows are taken in blocks and features as bins, so that a tree costs a few
/// comparisons of bytes a row.
[[nodiscard]] std::vector<double> evaluate(const BoostedTrees& trees,
                                           const FeatureColumns& columns);

}  // namespace moecal::calibration
