// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "calibration/boosted_trees.hpp"
#include "calibration/features.hpp"

namespace moecal::calibration {

/// What a residual may ask about: a call, what the compact form says of it, and the card.
struct ResidualCall {
  const Inputs& inputs;
  double compact_seconds = 0;
  double multiprocessors = 0;  // of the card; 0: unknown
};

/// What any list of them has room in.
inline constexpr std::size_t kMostFeatures = 64;

/// A named, ordered list of numbers of a call. A change of the list is a new name: coefficients
/// carry the name, and what was fitted to one list means nothing on another.
struct FeatureSet {
  std::string_view name;
  std::size_t count;        // of all features
  std::size_t coordinates;  // the first of them, in octaves: where distance is measured
  void (*compute)(const ResidualCall& call, std::span<double> features);
  void (*place)(const Inputs& inputs, std::span<double> coordinates);  // those alone
};

/// @throws InvalidInput naming the known sets.
[[nodiscard]] const FeatureSet& feature_set(const std::string& name);

/// All features of calls, by feature. `compact_seconds`: one of each call.
[[nodiscard]] FeatureColumns feature_columns(const FeatureSet& set, double multiprocessors,
                                             std::span<const Inputs> calls,
                                             std::span<const double> compact_seconds);
/// Their coordinates alone.
[[nodiscard]] FeatureColumns coordinate_columns(const FeatureSet& set,
                                                std::span<const Inputs> calls);

/// Of a GEMM: log2 of m, n, k, of their products, of FLOPs, bytes, intensity and the compact time;
/// how full the tiles and waves of a few tile shapes are; powers of two in m, n and k.
inline constexpr char kGemmFeatures[] = "gemm/1";

/// Of the experts of a rank: the numbers of the layer's model, counted 64-fold as coordinates, so
/// that a gate closes at other models. Where it reaches five octaves, as on the public tables, a
/// model an eighth off in any number is told nothing of those measured, and one within a twentieth
/// in all of them what its neighbour is. Then rows, the shape of the first product and the experts;
/// rows of an active expert and of the fullest, padding, FLOPs, bytes, intensity, what is moved and
/// the compact time; how full the waves of a few tile shapes are; powers of two.
inline constexpr char kExpertFeatures[] = "experts/1";

}  // namespace moecal::calibration
