// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <vector>

#include "core/narrow_float.hpp"

namespace moecal::tests {

/// Each value as the nearest T.
template <class T>
[[nodiscard]] std::vector<T> narrowed(const std::vector<float>& values) {
  std::vector<T> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(),
                 [](float value) { return from_float<T>(value); });
  return result;
}

}  // namespace moecal::tests
