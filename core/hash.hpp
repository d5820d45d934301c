// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace moecal {

/// SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
[[nodiscard]] std::string sha256(std::string_view bytes);

/// FNV-1a: unlike std::hash, the same with every standard library.
[[nodiscard]] std::uint64_t hash_of(std::string_view bytes);

/// Spreads a number over all 64 bits (the step of SplitMix64): numbers that differ little give
/// numbers that have nothing in common.
[[nodiscard]] std::uint64_t mix(std::uint64_t value);

}  // namespace moecal
