// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.hpp"

/// What collectives are checked with: data that follows from rank and index alone, so every rank
/// knows what every other one sent. It repeats, so that buffers of many gigabytes are filled and
/// checked as fast as memory goes; the periods are primes, which no block of memory is a multiple
/// of.
namespace moecal::collectives {

/// Elements after which summand() repeats.
inline constexpr std::int64_t kSummandPeriod = 251;
/// Bytes after which block_byte() repeats.
inline constexpr std::int64_t kBlockPeriod = 65'521;

/// Whole numbers so small that their sum over `group` ranks is exact in the type, in any order.
/// @throws Unsupported if even ones would not be, or the type is not f32, f16 or bf16.
[[nodiscard]] int summand(Dtype dtype, int group, int rank, std::int64_t index);

/// A byte of the block that `source` sends to `target`: misplaced, repeated and stale blocks
/// differ.
[[nodiscard]] std::byte block_byte(int source, int target, std::int64_t index);

/// Fills `bytes` with copies of its first `period` bytes.
void repeat_start(std::span<std::byte> bytes, std::size_t period);

/// The first piece of `bytes`, cut into pieces as long as `pattern`, that does not equal it (the
/// last piece: its start); empty if there is none.
[[nodiscard]] std::span<const std::byte> first_difference(std::span<const std::byte> bytes,
                                                          std::span<const std::byte> pattern);

}  // namespace moecal::collectives
