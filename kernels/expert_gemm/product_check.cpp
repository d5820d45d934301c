// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/product_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/checked_rows.hpp"
#include "core/element.hpp"
#include "core/parallel.hpp"

namespace moecal::kernels {
namespace {

constexpr int kSamples = 256;
constexpr int kFewestSamples = 8;        // of one product, of many that share them
constexpr std::int64_t kBlock = 1024;    // columns of one Freivalds check
constexpr std::int64_t kPart = 64;       // rows that a thread checks in one go
constexpr std::int64_t kEdgeRows = 256;  // the largest tile's

// Of one element's rounding error, over its bound: at most 1/sqrt(3) if it is uniform.
constexpr double kErrorDeviation = 0.5;
// Deviations a sum of a block's rounding errors may be from 0: 7 leaves one false alarm in 10^11
// rows.
constexpr double kDeviations = 7.0;

bool is_integer(Dtype dtype) { return unit_roundoff(dtype) == 0; }
bool is_fp8(Dtype dtype) { return dtype == Dtype::fp8_e4m3 || dtype == Dtype::fp8_e5m2; }

// Standard deviation of uniform numbers: of [-1, 1], or of [-63, 63].
double deviation_of(Dtype dtype) { return (is_integer(dtype) ? 63.0 : 1.0) / std::sqrt(3.0); }

double typical_value(const ExpertGemmProblem& problem) {
  if (problem.c == Dtype::int8) return kInt8ResultDeviation;
  return std::sqrt(static_cast<double>(problem.shape.k)) * deviation_of(problem.a) *
         deviation_of(problem.b);
}

// NaN is the largest of errors; std::max would lose it.
void raise(double& worst, double error) {
  if (error > worst || std::isnan(error))
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

double relative_error(double value, double truth, double typical) {
  return std::fabs(value - truth) / std::max(std::fabs(truth), typical);
}

std::vector<double> row_of(const HostMatrix& matrix, std::int64_t row) {
  std::vector<double> values(static_cast<std::size_t>(matrix.columns));
  decode_row(matrix, row, values);
  return values;
}

// Four sums at once: one alone waits for each addition.
double dot(std::span<const double> a, std::span<const double> b) {
  constexpr std::size_t kSums = 4;
  std::array<double, kSums> sums{};
  std::size_t i = 0;
  for (; i + kSums <= a.size(); i += kSums)
    for (std::size_t s = 0; s < kSums; ++s) sums[s] += a[i + s] * b[i + s];
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return sums[0] + sums[1] + sums[2] + sums[3];
}

struct Block {
  std::int64_t first = 0;
  std::vector<double> signs;    // x, one per column of the block
  std::vector<double> weights;  // B^T x [k], of the block's rows of B
};

std::vector<Block> make_blocks(const ExpertGemmOperands& operands) {
  std::mt19937_64 engine{2};
  std::vector<Block> blocks;
  for (std::int64_t first = 0; first < operands.n(); first += kBlock) {
    blocks.push_back({first, {}, std::vector<double>(static_cast<std::size_t>(operands.k()))});
    for (std::int64_t j = first; j < std::min(first + kBlock, operands.n()); ++j)
      blocks.back().signs.push_back((engine() >> 63) != 0 ? 1.0 : -1.0);
  }
  for_each_index(blocks.size(), 0, [&](std::size_t index) {
    auto& block = blocks[index];
    std::vector<double> row(block.weights.size());
    for (std::size_t j = 0; j < block.signs.size(); ++j) {
      decode_weights(operands, block.first + static_cast<std::int64_t>(j), row);
      for (std::size_t l = 0; l < row.size(); ++l) block.weights[l] += block.signs[j] * row[l];
    }
  });
  return blocks;
}

// |C x - A (B^T x)| of one row and block, over the largest that rounding explains at tolerance 1.
double block_error(const Block& block, std::span<const double> a_row, std::span<const double> c_row,
                   double typical) {
  const auto c_block = c_row.subspan(static_cast<std::size_t>(block.first), block.signs.size());
  const double deviation = dot(block.signs, c_block) - dot(a_row, block.weights);
  const double columns = std::sqrt(static_cast<double>(block.signs.size()));
  return std::fabs(deviation) / (kDeviations * kErrorDeviation * columns * typical);
}

bool is_computed_whole(const ExpertGemmProblem& problem, std::int64_t groups) {
  return static_cast<double>(groups) * expert_gemm_work(problem).flops.value() <= kFullCheckFlops;
}

std::vector<std::int64_t> all_rows(std::int64_t count) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

struct Samples {
  const HostMatrix& of;  // the rows of C that are there
  int count = 0;
};

struct Place {
  std::int64_t row = 0, column = 0;
};

std::vector<Place> random_places(const HostMatrix& c, int count) {
  std::mt19937_64 engine{1};
  std::vector<Place> places;
  for (int i = 0; i < count; ++i) {
    const auto row = static_cast<std::int64_t>(engine() % static_cast<std::uint64_t>(c.rows));
    places.push_back(
        {row, static_cast<std::int64_t>(engine() % static_cast<std::uint64_t>(c.columns))});
  }
  return places;
}

double sampled_error_of(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands,
                        std::span<const std::int64_t> rows, const Samples& samples) {
  const auto& c = samples.of;
  const auto places = random_places(c, samples.count);
  const auto errors = parallel_map(places.size(), [&](std::size_t sample) {
    const auto& [i, j] = places[sample];
    std::vector<double> tokens(static_cast<std::size_t>(operands.k())), weights(tokens.size());
    decode_tokens(operands, rows[static_cast<std::size_t>(i)], tokens);
    decode_weights(operands, j, weights);
    const double value = decode_element(c.dtype, c.row(i) + j * size_of(c.dtype));
    return relative_error(value, dot(tokens, weights), typical_value(problem));
  });
  double worst = 0;
  for (const double error : errors) raise(worst, error);
  return worst;
}

}  // namespace

double product_tolerance(const ExpertGemmProblem& problem) {
  // Half a unit, and what the scales' own rounding in FP32 adds where it decides a tie.
  if (problem.c == Dtype::int8) return 0.5 / kInt8ResultDeviation + 0x1p-20;
  if (is_integer(problem.c)) return 0;
  const auto k = static_cast<double>(problem.shape.k);
  // The result is rounded once to its type. Before that, FP32 accumulators round (CPU) or truncate
  // (tensor cores) each of k additions by at most 2^-23 of a partial sum, which is of the order of
  // the typical value. FP8 tensor cores of Hopper keep about 14 bits: one truncation by 2^-13 per
  // step of 32 products.
  const double accumulation = is_fp8(problem.a) ? k / 32 * 0x1p-13 : k * 0x1p-23;
  return unit_roundoff(problem.c) + accumulation;
}

double full_error(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands,
                  const HostMatrix& c) {
  std::vector<double> truth(static_cast<std::size_t>(c.rows * c.columns));
  expert_gemm_cpu(operands, truth);
  const double typical = typical_value(problem);
  double worst = 0;
  for (std::int64_t i = 0; i < c.rows; ++i) {
    const auto values = row_of(c, i);
    for (std::size_t j = 0; j < values.size(); ++j)
      raise(worst, relative_error(values[j], truth[static_cast<std::size_t>(i) * values.size() + j],
                                  typical));
  }
  return worst;
}

double sampled_error(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands,
                     const HostMatrix& c, int count) {
  return sampled_error_of(problem, operands, all_rows(c.rows), {c, count});
}

double freivalds_error(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands,
                       const HostMatrix& c) {
  return freivalds_error(problem, operands, all_rows(c.rows), c);
}

double freivalds_error(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands,
                       std::span<const std::int64_t> rows, const HostMatrix& c) {
  const auto blocks = make_blocks(operands);
  const double typical = typical_value(problem);
  std::vector<double> worst(static_cast<std::size_t>((c.rows + kPart - 1) / kPart));
  for_each_index(worst.size(), 0, [&](std::size_t part) {
    const std::int64_t first = static_cast<std::int64_t>(part) * kPart;
    std::vector<double> a_row(static_cast<std::size_t>(operands.k()));
    for (std::int64_t i = first; i < std::min(first + kPart, c.rows); ++i) {
      decode_tokens(operands, rows[static_cast<std::size_t>(i)], a_row);
      const auto c_row = row_of(c, i);
      for (const auto& block : blocks)
        raise(worst[part], block_error(block, a_row, c_row, typical));
    }
  });
  return *std::max_element(worst.begin(), worst.end());
}

std::vector<std::int64_t> rows_to_check(const ExpertGemmProblem& problem, std::int64_t groups) {
  const auto& [m, n, k] = problem.shape;
  const std::int64_t spread = enough_rows(m, n, groups);
  if (is_computed_whole(problem, groups) || m * n <= kFullCheckElements / groups ||
      spread + 2 * kEdgeRows >= m)
    return all_rows(m);
  auto rows = row_of_each_stretch(m, spread);
  for (std::int64_t i = 0; i < kEdgeRows; ++i) rows.insert(rows.end(), {i, m - 1 - i});
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

VerificationResult check_product_rows(const ExpertGemmProblem& problem,
                                      const ExpertGemmOperands& operands, const HostMatrix& c,
                                      std::int64_t groups) {
  const double tolerance = product_tolerance(problem);
  if (is_computed_whole(problem, groups))
    return {full_error(problem, operands, c), tolerance, "full"};
  const auto rows = rows_to_check(problem, groups);
  const auto samples = std::max(kFewestSamples, static_cast<int>(kSamples / groups));
  const double worst = std::max(sampled_error_of(problem, operands, rows, {c, samples}),
                                freivalds_error(problem, operands, rows, c));
  std::string method = "sampled+freivalds";
  if (c.rows < problem.shape.m)
    method += " of " + std::to_string(c.rows) + " of " + std::to_string(problem.shape.m) + " rows";
  return {worst, tolerance, method};
}

VerificationResult check_product(const ExpertGemmProblem& problem,
                                 const ExpertGemmOperands& operands, const HostMatrix& c) {
  const auto rows = rows_to_check(problem);
  if (static_cast<std::int64_t>(rows.size()) == c.rows)
    return check_product_rows(problem, operands, c);
  return check_product_rows(problem, operands, chosen_rows(c, rows));
}

}  // namespace moecal::kernels
