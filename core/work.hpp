// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/units.hpp"

namespace moecal {

/// What a point asks of the hardware: computed from the shape, never measured.
struct Work {
  Flops flops{};
  Bytes read{};             // device memory, each operand once
  Bytes written{};          // device memory
  Bytes sent{};             // by one rank over links: the block that it keeps does not count
  std::int64_t messages{};  // sent by one rank, likewise
  bool operator==(const Work&) const = default;
};

}  // namespace moecal
