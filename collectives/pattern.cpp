// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/pattern.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/element.hpp"
#include "core/error.hpp"

namespace moecal::collectives {
namespace {

/// Largest whole number up to which every whole number is exact in the type.
int largest_exact(Dtype dtype) {
  if (dtype != Dtype::f32 && dtype != Dtype::f16 && dtype != Dtype::bf16)
    throw Unsupported{"sums of " + std::string{to_string(dtype)} +
                      " are not measured: those of f32, f16 and bf16 are"};
  return static_cast<int>(1 / unit_roundoff(dtype));
}

}  // namespace

int summand(Dtype dtype, int group, int rank, std::int64_t index) {
  constexpr int kPeriod = kSummandPeriod;
  const int largest = largest_exact(dtype) / group;
  if (largest < 1)
    throw Unsupported{"a sum over " + std::to_string(group) + " ranks is not exact in " +
                      std::string{to_string(dtype)}};
  return static_cast<int>((rank * 7 + index % kPeriod) % std::min(kPeriod, largest + 1));
}

std::byte block_byte(int source, int target, std::int64_t index) {
  auto mixed = static_cast<std::uint64_t>(index % kBlockPeriod) +
               0x9e3779b97f4a7c15ULL * (source * 65'537ULL + target + 1);
  mixed = (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<std::byte>(mixed >> 56);
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
