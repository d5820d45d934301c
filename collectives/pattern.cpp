// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/pattern.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "core/error.hpp"

namespace moecal::collectives {
namespace {

/// Largest whole number up to which every whole number is exact in the type.
int largest_exact(Dtype dtype) {
  if (unit_roundoff(dtype) == 0)
    throw Unsupported{"sums of " + std::string{to_string(dtype)} +
                      " are not measured: those of floating-point types are"};
  return static_cast<int>(1 / unit_roundoff(dtype));
}

/// 32 bits that differ between groups, ranks and indices.
std::uint32_t mix(int group, std::int64_t rank, std::int64_t index) {
  auto mixed = static_cast<std::uint64_t>(index) +
               0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(rank + 1) +
               0xd6e8feb86659fd93ULL * static_cast<std::uint64_t>(group);
  mixed = (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<std::uint32_t>(mixed >> 32);
}

/// Pieces that are compared at once: long enough for memcmp, short enough for a core's cache.
constexpr std::int64_t kPeriodsPerPiece = 256;

/// What every rank receives of a sum, as often as it repeats in a piece of `bytes` at most.
std::vector<std::byte> expected_piece(const SumPattern& pattern, std::int64_t bytes) {
  const std::int64_t size = size_of(pattern.dtype);
  const std::int64_t period = std::min(bytes / size, kSummandPeriod);
  std::vector<std::byte> piece(
      static_cast<std::size_t>(std::min(bytes, size * kSummandPeriod * kPeriodsPerPiece)));
  for (std::int64_t i = 0; i < period; ++i) {
    double sum = 0;
    for (int rank = 0; rank < pattern.ranks; ++rank)
      sum += summand(pattern, rank, pattern.first + i);
    encode_element(pattern.dtype, sum, &piece[i * size]);
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

int summand(const SumPattern& pattern, int rank, std::int64_t index) {
  constexpr int kPeriod = kSummandPeriod;
  const int largest = largest_exact(pattern.dtype) / pattern.ranks;
  if (largest < 1)
    throw Unsupported{"a sum over " + std::to_string(pattern.ranks) + " ranks is not exact in " +
                      std::string{to_string(pattern.dtype)}};
  // Mixed, not counted up: sums of numbers that count up can be the same everywhere.
  return static_cast<int>(mix(pattern.group, rank, index % kPeriod) %
                          std::min(kPeriod, largest + 1));
}

std::byte block_byte(const BlockPattern& pattern, std::int64_t index) {
  return static_cast<std::byte>(
      mix(pattern.group, pattern.source * 65'537LL + pattern.target, index % kBlockPeriod) >> 24);
}

void fill_block(const BlockPattern& pattern, std::span<std::byte> block) {
  const auto period = std::min<std::size_t>(block.size(), kBlockPeriod);
  for (std::size_t i = 0; i < period; ++i)
    block[i] = block_byte(pattern, static_cast<std::int64_t>(i));
  repeat_start(block, period);
}

bool holds_block(const BlockPattern& pattern, std::span<const std::byte> block) {
  std::vector<std::byte> expected(std::min<std::size_t>(block.size(), kBlockPeriod));
  fill_block(pattern, expected);
  return first_difference(block, expected).empty();
}

void fill_summands(const SumPattern& pattern, int rank, std::span<std::byte> send) {
  const std::int64_t size = size_of(pattern.dtype);
  const std::int64_t period =
      std::min(static_cast<std::int64_t>(send.size()) / size, kSummandPeriod);
  for (std::int64_t i = 0; i < period; ++i)
    encode_element(pattern.dtype, summand(pattern, rank, pattern.first + i), &send[i * size]);
  repeat_start(send, static_cast<std::size_t>(period * size));
}

double sum_error(const SumPattern& pattern, std::span<const std::byte> receive) {
  const auto expected = expected_piece(pattern, static_cast<std::int64_t>(receive.size()));
  while (!receive.empty()) {
    const auto wrong = first_difference(receive, expected);
    const double error = largest_error(pattern.dtype, wrong, expected);
    if (wrong.empty() || error != 0) return error;
    receive = receive.last(&receive.back() - &wrong.back());  // other bits of the same number: -0
  }
  return 0;
}

void add_elements(Dtype dtype, std::span<const std::byte* const> buffers,
                  std::span<std::byte> sum) {
  for (std::size_t at = 0; at < sum.size(); at += size_of(dtype)) {
    double total = 0;
    for (const std::byte* buffer : buffers) total += decode_element(dtype, buffer + at);
    encode_element(dtype, total, &sum[at]);
  }
}

void check_whole_elements(std::int64_t bytes, Dtype dtype) {
  if (bytes % size_of(dtype) != 0)
    throw Unsupported{std::to_string(bytes) + " bytes are not whole " +
                      std::string{to_string(dtype)} + " elements"};
}

std::int64_t block_bytes(std::int64_t bytes, int group, Dtype dtype) {
  if (bytes % (group * size_of(dtype)) != 0)
    throw Unsupported{std::to_string(bytes) + " bytes are not " + std::to_string(group) +
                      " equal blocks of whole " + std::string{to_string(dtype)} + " elements"};
  return bytes / group;
}

void repeat_start(std::span<std::byte> bytes, std::size_t period) {
  for (std::size_t done = period; done < bytes.size(); done *= 2)
    std::memcpy(&bytes[done], bytes.data(), std::min(done, bytes.size() - done));
}

std::span<const std::byte> first_difference(std::span<const std::byte> bytes,
                                            std::span<const std::byte> pattern) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), pattern.size()));
    if (std::memcmp(piece.data(), pattern.data(), piece.size()) != 0) return piece;
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

}  // namespace moecal::collectives
