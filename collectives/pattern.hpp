// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.hpp"

/// What collectives are checked with: data that follows from group, rank and index alone, so every
/// rank knows what every other one of its group sent, and those of another group differ. It
/// repeats, so that buffers of many gigabytes are filled and checked as fast as memory goes; the
/// periods are primes, which no block of memory is a multiple of.
namespace moecal::collectives {

/// Elements after which summand() repeats.
inline constexpr std::int64_t kSummandPeriod = 251;
/// Bytes after which block_byte() repeats.
inline constexpr std::int64_t kBlockPeriod = 65'521;

/// What one rank of a group sends to another; misplaced, repeated and stale blocks differ.
struct BlockPattern {
  int group = 0;  // which one of the launch's
  int source = 0;
  int target = 0;
};
[[nodiscard]] std::byte block_byte(const BlockPattern& pattern, std::int64_t index);

/// The block, whole.
void fill_block(const BlockPattern& pattern, std::span<std::byte> block);
[[nodiscard]] bool holds_block(const BlockPattern& pattern, std::span<const std::byte> block);

/// Elements of a sum over `ranks` ranks, from element `first` of each rank's buffer on.
struct SumPattern {
  Dtype dtype = Dtype::f32;
  int ranks = 1;
  int group = 0;  // which one of the launch's
  std::int64_t first = 0;
};
/// Whole numbers so small that their sum over the group's ranks is exact in the type, in any order.
/// @throws Unsupported if even ones would not be, or the type is an integer.
[[nodiscard]] int summand(const SumPattern& pattern, int rank, std::int64_t index);
/// What `rank` adds. @throws Unsupported as summand() does.
void fill_summands(const SumPattern& pattern, int rank, std::span<std::byte> send);
/// 0 if `receive` is the sum over all ranks, else the largest relative error of the first piece
/// that differs; not a number if an element there is not.
[[nodiscard]] double sum_error(const SumPattern& pattern, std::span<const std::byte> receive);
/// The oracle: the sum of `elements` elements of every buffer, written to `sum`.
void add_elements(Dtype dtype, std::span<const std::byte* const> buffers, std::span<std::byte> sum);

/// @throws Unsupported if the bytes are no whole elements of the type.
void check_whole_elements(std::int64_t bytes, Dtype dtype);
/// The bytes of one of `group` equal blocks. @throws Unsupported if they are not blocks of whole
/// elements.
[[nodiscard]] std::int64_t block_bytes(std::int64_t bytes, int group, Dtype dtype);

/// Fills `bytes` with copies of its first `period` bytes.
void repeat_start(std::span<std::byte> bytes, std::size_t period);

/// The first piece of `bytes`, cut into pieces as long as `pattern`, that does not equal it (the
/// last piece: its start); empty if there is none.
[[nodiscard]] std::span<const std::byte> first_difference(std::span<const std::byte> bytes,
                                                          std::span<const std::byte> pattern);

}  // namespace moecal::collectives
