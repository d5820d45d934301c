// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "core/units.hpp"

namespace moecal::bench {

/// Says when launches have stopped getting faster: clocks ramped up, pages touched, caches and
/// connections made. Gives up at a cap, since a noisy machine may never settle.
class WarmUp {
 public:
  /// `cap`: of warm-up time.
  explicit WarmUp(Seconds cap) : cap_{cap} {}
  void add(Seconds batch);
  [[nodiscard]] bool finished() const;
  /// How many batches to add before it is worth asking again, if each takes about so long.
  [[nodiscard]] int wanted(Seconds each) const;

 private:
  Seconds cap_;
  Seconds spent_{0};
  std::vector<double> batches_s_;
};

}  // namespace moecal::bench
