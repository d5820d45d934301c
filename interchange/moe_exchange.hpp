// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "core/observation.hpp"

namespace moecal::interchange {

/// What a dispatch of tokens to their experts, or the combine after it, was asked to move.
struct ExchangeShape {
  std::int64_t tokens = 0;  // of one rank
  std::int64_t hidden = 0, experts = 0, top_k = 0;
  [[nodiscard]] Point point() const {
    return {{"tokens", tokens}, {"hidden", hidden}, {"experts", experts}, {"top_k", top_k}};
  }
};

/// An FP8 row as DeepEP's low-latency dispatch sends it: 1 byte an element, a scale of 4 bytes for
/// each 128, and 16 bytes of header.
[[nodiscard]] inline double bytes_of_fp8_row(std::int64_t hidden) {
  return static_cast<double>(hidden) * (1 + 4.0 / 128) + 16;
}

/// A row in bf16.
[[nodiscard]] inline double bytes_of_bf16_row(std::int64_t hidden) {
  return 2.0 * static_cast<double>(hidden);
}

}  // namespace moecal::interchange
