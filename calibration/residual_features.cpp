// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual_features.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::array<double, 3> kRows{64, 128, 256};
constexpr std::array<double, 2> kColumns{192, 256};
constexpr std::array<std::pair<double, double>, 6> kTiles{
    {{64, 64}, {64, 128}, {64, 256}, {128, 128}, {128, 256}, {256, 256}}};
constexpr std::size_t kGemmCount = 10 + kRows.size() + kColumns.size() + 2 * kTiles.size() + 3;

double whole(double x) { return std::max(1.0, std::ceil(x)); }

/// Powers of two in an extent: what decides which loads are aligned.
double powers_of_two(double extent) {
  const auto value = static_cast<std::uint64_t>(extent);
  return value == 0 ? 0 : std::min(8, std::countr_zero(value));
}

void gemm_place(const Inputs& inputs, std::span<double> coordinates) {
  coordinates[0] = std::log2(inputs.m);
  coordinates[1] = std::log2(inputs.n);
  coordinates[2] = std::log2(inputs.k);
}

void gemm_features(const ResidualCall& call, std::span<double> features) {
  const auto& x = call.inputs;
  const double m = std::log2(x.m), n = std::log2(x.n), k = std::log2(x.k);
  const double flops = std::log2(x.flops), bytes = std::log2(x.bytes);
  std::size_t next = 0;
  for (const double value :
       {m, n, k, m + n, n + k, m + k, flops, bytes, flops - bytes, std::log2(call.compact_seconds)})
    features[next++] = value;
  for (const double rows : kRows) features[next++] = whole(x.m / rows) * rows / x.m - 1;
  for (const double columns : kColumns) features[next++] = whole(x.n / columns) * columns / x.n - 1;
  const double multiprocessors = std::max(1.0, call.multiprocessors);
  for (const auto& [rows, columns] : kTiles) {
    const double waves = whole(x.m / rows) * whole(x.n / columns) / multiprocessors;
    features[next++] = waves;
    features[next++] = waves / whole(waves);
  }
  for (const double extent : {x.m, x.n, x.k}) features[next++] = powers_of_two(extent);
}

constexpr double kFarApart = 64;  // between models: octaves of a coordinate for each of a number
constexpr std::size_t kExpertPlace = 8;
constexpr std::array<double, 2> kExpertRows{16, 128};
constexpr std::array<double, 2> kExpertColumns{128, 256};
constexpr std::size_t kExpertCount =
    kExpertPlace + 15 + 2 * 2 * kExpertRows.size() * kExpertColumns.size() + 3;

double octaves(double x) { return std::log2(std::max(1.0, x)); }

void expert_place(const Inputs& inputs, std::span<double> coordinates) {
  const auto& g = inputs.grouped;
  std::size_t next = 0;
  for (const double number : {g.hidden, g.inter, g.all_experts, g.top_k})
    coordinates[next++] = kFarApart * octaves(number);
  for (const double number : {g.rows, g.products[0].n, g.products[0].k, g.experts})
    coordinates[next++] = octaves(number);
}

void expert_features(const ResidualCall& call, std::span<double> features) {
  const auto& g = call.inputs.grouped;
  expert_place(call.inputs, features);
  std::size_t next = kExpertPlace;
  const double rows = std::max(1.0, g.rows), active = std::max(1.0, g.active);
  const double flops = octaves(call.inputs.flops), bytes = octaves(call.inputs.bytes);
  for (const double value :
       {octaves(g.tokens), octaves(g.active), g.active / std::max(1.0, g.experts),
        octaves(rows / active), octaves(g.fullest), g.fullest * active / rows, g.padded_16 / rows,
        g.padded_128 / rows, flops, bytes, flops - bytes, octaves(g.moved),
        octaves(g.products[1].n), octaves(g.products[1].k), std::log2(call.compact_seconds)})
    features[next++] = value;
  const double multiprocessors = std::max(1.0, call.multiprocessors);
  for (const auto& product : g.products)
    for (const double tile : kExpertRows)
      for (const double columns : kExpertColumns) {
        const double padded = tile == kExpertRows[0] ? g.padded_16 : g.padded_128;
        const double waves = padded / tile * whole(product.n / columns) / multiprocessors;
        features[next++] = waves;
        features[next++] = waves / whole(waves);
      }
  for (const double extent : {g.products[0].n, g.products[0].k, g.products[1].k})
    features[next++] = powers_of_two(extent);
}

constexpr std::array<FeatureSet, 2> kSets{
    {{kGemmFeatures, kGemmCount, 3, gemm_features, gemm_place},
     {kExpertFeatures, kExpertCount, kExpertPlace, expert_features, expert_place}}};

}  // namespace

const FeatureSet& feature_set(const std::string& name) {
  for (const auto& set : kSets)
    if (set.name == name) return set;
  std::string known;
  for (const auto& set : kSets) known += " " + std::string{set.name};
  throw InvalidInput{"unknown features '" + name + "'; known:" + known};
}

FeatureColumns feature_columns(const FeatureSet& set, double multiprocessors,
                               std::span<const Inputs> calls,
                               std::span<const double> compact_seconds) {
  FeatureColumns columns(set.count, std::vector<double>(calls.size()));
  std::array<double, kMostFeatures> row{};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    set.compute({calls[i], compact_seconds[i], multiprocessors}, row);
    for (std::size_t f = 0; f < set.count; ++f) columns[f][i] = row[f];
  }
  return columns;
}

FeatureColumns coordinate_columns(const FeatureSet& set, std::span<const Inputs> calls) {
  FeatureColumns columns(set.coordinates, std::vector<double>(calls.size()));
  std::array<double, kMostFeatures> row{};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    set.place(calls[i], row);
    for (std::size_t f = 0; f < set.coordinates; ++f) columns[f][i] = row[f];
  }
  return columns;
}

}  // namespace moecal::calibration
