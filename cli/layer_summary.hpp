// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/observation.hpp"

namespace moecal::cli {

/// What the parts of a run's layers come to, added, beside the layers.
class LayerSummary {
 public:
  /// Passes over what is no measured layer.
  void add(const Observation& observation);
  /// A line; empty where no layer was measured by its parts.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<double> sums_;  // over the whole, of each point
  int least_ = 0;             // of those: a part was warmer than the whole
};

}  // namespace moecal::cli
