// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/pattern.hpp"
#include "core/element.hpp"
#include "core/error.hpp"

namespace moecal::collectives {
namespace {

/// Pieces that are compared at once: long enough for memcmp, short enough for a core's cache.
constexpr std::int64_t kPeriodsPerPiece = 256;

/// What every rank receives, as often as it repeats in a piece.
std::vector<std::byte> expected_piece(const CollectiveShape& shape) {
  const std::int64_t size = size_of(shape.dtype);
  const std::int64_t period = std::min(shape.elements(), kSummandPeriod);
  std::vector<std::byte> piece(
      static_cast<std::size_t>(std::min(shape.bytes, size * kSummandPeriod * kPeriodsPerPiece)));
  for (std::int64_t i = 0; i < period; ++i) {
    double sum = 0;
    for (int rank = 0; rank < shape.group; ++rank)
      sum += summand(shape.dtype, shape.group, rank, i);
    encode_element(shape.dtype, sum, &piece[i * size]);
  }
  repeat_start(piece, static_cast<std::size_t>(period * size));
  return piece;
}

/// Not a number if any element is not.
double largest_error(Dtype dtype, std::span<const std::byte> got,
                     std::span<const std::byte> expected) {
  double worst = 0;
  for (std::size_t at = 0; at < got.size(); at += size_of(dtype)) {
    const double sum = decode_element(dtype, &expected[at]);
    const double error = std::abs(decode_element(dtype, &got[at]) - sum) / std::max(1.0, sum);
    if (std::isnan(error)) return error;
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace

std::int64_t all_reduce_elements(const CollectiveShape& shape) {
  static_cast<void>(summand(shape.dtype, shape.group, 0, 0));
  if (shape.bytes % size_of(shape.dtype) != 0)
    throw Unsupported{std::to_string(shape.bytes) + " bytes are not whole " +
                      std::string{to_string(shape.dtype)} + " elements"};
  return shape.elements();
}

Work all_reduce_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  const double share = (shape.group - 1.0) / shape.group;
  return {.flops = Flops{share * static_cast<double>(shape.elements())},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{2 * share * bytes},
          .messages = 2 * (shape.group - 1)};
}

double all_reduce_busbw_factor(int group) { return 2 * (group - 1.0) / group; }

void all_reduce_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t size = size_of(shape.dtype);
  const std::int64_t period = std::min(all_reduce_elements(shape), kSummandPeriod);
  for (std::int64_t i = 0; i < period; ++i)
    encode_element(shape.dtype, summand(shape.dtype, shape.group, rank, i), &send[i * size]);
  repeat_start(send, static_cast<std::size_t>(period * size));
}

double all_reduce_error(const CollectiveShape& shape, std::span<const std::byte> receive) {
  const auto expected = expected_piece(shape);
  while (!receive.empty()) {
    const auto wrong = first_difference(receive, expected);
    const double error = largest_error(shape.dtype, wrong, expected);
    if (wrong.empty() || error != 0) return error;
    receive = receive.last(&receive.back() - &wrong.back());  // other bits of the same number: -0
  }
  return 0;
}

void all_reduce_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  const std::int64_t size = size_of(shape.dtype);
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    double sum = 0;
    for (const auto& rank : ranks) sum += decode_element(shape.dtype, rank.send + i * size);
    for (const auto& rank : ranks) encode_element(shape.dtype, sum, rank.receive + i * size);
  }
}

}  // namespace moecal::collectives
