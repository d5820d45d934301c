// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/checked_rows.hpp"
#include "core/element.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "core/parallel.hpp"
#include "core/periodic_matrix.hpp"
#include "kernels/attention/attention.hpp"

namespace moecal::kernels {
namespace {

constexpr std::int64_t kSampledRows = 64;

double real(std::int64_t number) { return static_cast<double>(number); }

double scores_of(const AttentionShape& shape) {
  return real(shape.query_rows()) * real(shape.sequence);
}

/// Of queries, keys, values and result.
double vector_bytes(const AttentionShape& shape, std::int64_t rows) {
  return real(rows) * real(shape.head_size) * real(size_of(shape.type));
}

/// exp(x - largest) over their sum. In place.
void softmax(std::vector<double>& values) {
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (double& value : values) sum += value = std::exp(value - largest);
  for (double& value : values) value /= sum;
}

/// Row `row` of an operand.
template <class T>
void read_row(const PeriodicBytes& operand, std::int64_t row, std::vector<T>& values) {
  operand.copy(static_cast<std::size_t>(row) * values.size() * sizeof(T),
               std::as_writable_bytes(std::span{values}));
}

template <class T>
std::vector<double> row_of(const AttentionShape& shape, const AttentionOperands& operands,
                           std::int64_t row) {
  const auto size = static_cast<std::size_t>(shape.head_size);
  const auto head = row / shape.sequence, position = row % shape.sequence;
  const auto first_key = head / (shape.heads / shape.kv_heads) * shape.sequence;
  std::vector<T> query(size), key(size), value(size);
  read_row(operands.queries, row, query);
  std::vector<double> weights(
      static_cast<std::size_t>(shape.causal ? position + 1 : shape.sequence));
  auto key_row = first_key, value_row = first_key;
  for (double& weight : weights) {
    read_row(operands.keys, key_row++, key);
    for (std::size_t i = 0; i < size; ++i)
      weight += static_cast<double>(to_float(query[i])) * static_cast<double>(to_float(key[i]));
    weight /= std::sqrt(real(shape.head_size));
  }
  softmax(weights);
  std::vector<double> result(size);
  for (const double weight : weights) {
    read_row(operands.values, value_row++, value);
    for (std::size_t i = 0; i < size; ++i)
      result[i] += weight * static_cast<double>(to_float(value[i]));
  }
  return result;
}

/// A row's largest difference from the truth over the truth's largest magnitude in that row: a row
/// that averages many values is small, and beside the largest row all of it would pass as 0.
double error_of_row(const AttentionShape& shape, const std::byte* actual,
                    const std::vector<double>& truth) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double largest = 0, magnitude = 0;
  for (const double expected : truth) {
    const double difference = std::fabs(decode_element(shape.type, actual) - expected);
    // NaN is the largest of errors; std::max would lose it.
    largest = std::isnan(difference) ? kInfinity : std::max(largest, difference);
    magnitude = std::max(magnitude, std::fabs(expected));
    actual += size_of(shape.type);
  }
  return largest == 0 ? 0 : largest / magnitude;
}

std::size_t row_bytes(const AttentionShape& shape) {
  return static_cast<std::size_t>(shape.head_size * size_of(shape.type));
}

/// Scores, probabilities and result are each rounded to the type: a score's rounding moves its
/// probability by as much, being at most about 2; sums are in f32.
double tolerance_of(const AttentionShape& shape) {
  return 8 * unit_roundoff(shape.type) + real(shape.head_size + shape.sequence) * 0x1p-23;
}

}  // namespace

void check_shape(const AttentionShape& shape) {
  const auto& [batch, sequence, heads, kv_heads, head_size, causal, type] = shape;
  for (const auto size : {batch, sequence, heads, kv_heads, head_size})
    if (size < 1)
      throw InvalidInput{"attention needs sizes of at least 1, not batch " + std::to_string(batch) +
                         ", sequence " + std::to_string(sequence) + ", heads " +
                         std::to_string(heads) + ", kv_heads " + std::to_string(kv_heads) +
                         ", head_size " + std::to_string(head_size)};
  if (heads % kv_heads != 0)
    throw InvalidInput{"attention's " + std::to_string(heads) + " heads cannot share " +
                       std::to_string(kv_heads) + " heads of keys and values evenly"};
  with_float_type(type, [](auto) {});
}

Bytes score_bytes(const AttentionShape& shape) {
  return Bytes{scores_of(shape) * real(size_of(shape.type))};
}

Bytes attention_memory(const AttentionShape& shape) {
  return score_bytes(shape) + Bytes{2 * vector_bytes(shape, shape.query_rows()) +
                                    2 * vector_bytes(shape, shape.key_rows())};
}

Work attention_work(const AttentionShape& shape) {
  const double seen = shape.causal ? 0.5 : 1;  // of the scores
  const double scores = score_bytes(shape).value();
  const double queries = vector_bytes(shape, shape.query_rows());
  return {.flops = Flops{seen * 4 * scores_of(shape) * real(shape.head_size)},
          .read = Bytes{queries + 2 * vector_bytes(shape, shape.key_rows()) + (seen + 1) * scores},
          .written = Bytes{queries + 2 * scores}};
}

Work fused_attention_work(const AttentionShape& shape) {
  const double queries = vector_bytes(shape, shape.query_rows());
  return {.flops = attention_work(shape).flops,
          .read = Bytes{queries + 2 * vector_bytes(shape, shape.key_rows())},
          .written = Bytes{queries}};
}

AttentionOperands make_attention_operands(const AttentionShape& shape, std::uint64_t seed) {
  const auto uniform = [&](std::int64_t rows, std::uint64_t number) {
    return uniform_matrix(shape.type, {rows, shape.head_size}, 3 * seed + number).data;
  };
  return {uniform(shape.query_rows(), 0), uniform(shape.key_rows(), 1),
          uniform(shape.key_rows(), 2)};
}

std::vector<double> attention_row_cpu(const AttentionShape& shape,
                                      const AttentionOperands& operands, std::int64_t row) {
  return with_float_type(shape.type,
                         [&](auto zero) { return row_of<decltype(zero)>(shape, operands, row); });
}

std::vector<std::byte> attention_cpu(const AttentionShape& shape,
                                     const AttentionOperands& operands) {
  check_shape(shape);
  std::vector<std::byte> result;
  for (std::int64_t row = 0; row < shape.query_rows(); ++row)
    for (const double value : attention_row_cpu(shape, operands, row)) {
      result.resize(result.size() + static_cast<std::size_t>(size_of(shape.type)));
      encode_element(shape.type, value, result.data() + result.size() - size_of(shape.type));
    }
  return result;
}

std::vector<std::int64_t> attention_rows_to_check(const AttentionShape& shape) {
  const auto all = shape.query_rows();
  const bool full = attention_work(shape).flops.value() <= kFullCheckFlops;
  const auto count = full ? all : std::min(all, kSampledRows);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i)
    rows.push_back(full ? i : i * (all - 1) / std::max<std::int64_t>(1, count - 1));
  return rows;
}

VerificationResult check_attention(const AttentionShape& shape, const AttentionOperands& operands,
                                   const std::vector<std::byte>& result) {
  const auto bytes = static_cast<std::ptrdiff_t>(row_bytes(shape));
  std::vector<std::byte> rows;
  for (const auto row : attention_rows_to_check(shape))
    rows.insert(rows.end(), result.begin() + row * bytes, result.begin() + (row + 1) * bytes);
  return check_attention_rows(shape, operands, rows);
}

VerificationResult check_attention_rows(const AttentionShape& shape,
                                        const AttentionOperands& operands,
                                        const std::vector<std::byte>& result_rows) {
  const auto rows = attention_rows_to_check(shape);
  const auto errors = parallel_map(rows.size(), [&](std::size_t i) {
    return error_of_row(shape, result_rows.data() + i * row_bytes(shape),
                        attention_row_cpu(shape, operands, rows[i]));
  });
  const bool full = static_cast<std::int64_t>(rows.size()) == shape.query_rows();
  return {*std::max_element(errors.begin(), errors.end()), tolerance_of(shape),
          full ? "full" : "sampled"};
}

void softmax_rows_cpu(const ScoreRows& rows, void* scores) {
  with_float_type(rows.type, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      T* of_row = static_cast<T*>(scores) + row * rows.sequence;
      const auto seen = rows.causal ? row % rows.sequence + 1 : rows.sequence;
      std::vector<double> values;
      for (std::int64_t i = 0; i < seen; ++i) values.push_back(to_float(of_row[i]));
      softmax(values);
      values.resize(static_cast<std::size_t>(rows.sequence));
      for (const double value : values) *of_row++ = from_float<T>(static_cast<float>(value));
    }
  });
}

}  // namespace moecal::kernels
