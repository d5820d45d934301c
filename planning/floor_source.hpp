// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "planning/cost_source.hpp"
#include "planning/hardware.hpp"

namespace moecal::planning {

/// The least time the nominal rates allow: no latency, every unit at its full rate.
class FloorSource : public CostSource {
 public:
  explicit FloorSource(Hardware hardware) : hardware_{std::move(hardware)} {}
  /// A rate the hardware does not give makes the call missing, except the memory bandwidth of a
  /// GEMM: its floor then counts FLOPs alone.
  [[nodiscard]] Cost cost(const CostCall& call) const override;

 private:
  Hardware hardware_;
};

}  // namespace moecal::planning
