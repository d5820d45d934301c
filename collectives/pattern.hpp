// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.hpp"

/// What collectives are checked with: data that follows from rank and index alone, so every rank
/// knows what every other one sent.
namespace moecal::collectives {

/// Whole numbers so small that their sum over `group` ranks is exact in the type, in any order.
/// @throws Unsupported if even ones would not be, or the type is not f32, f16 or bf16.
[[nodiscard]] int summand(Dtype dtype, int group, int rank, std::int64_t index);

/// A byte of the block that `source` sends to `target`: misplaced, repeated and stale blocks
/// differ.
[[nodiscard]] std::byte block_byte(int source, int target, std::int64_t index);

}  // namespace moecal::collectives
