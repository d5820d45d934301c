// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "calibration/predict.hpp"
#include "planning/cost_source.hpp"

namespace moecal::planning {

/// Answers calls from fitted coefficients. What each cost function becomes:
///
///   gemm, grouped_gemm of 1   expert_gemm {m, n, k}
///   grouped_gemm              grouped_gemm {groups, m, n, k}
///   gate                      expert_gemm {tokens, experts, hidden} + topk_gate
///   permute, unpermute        the same, without the number of experts, which hardly matters
///   stream(B)                 memory_copy of B / 2 bytes: a copy moves each byte twice
///   all_reduce_nvls           all_reduce, flagged: the library chooses its algorithm itself
///   other collectives         the same; over one rank they cost nothing
///   attn                      attention, causal, as many heads of keys as of queries: the
///                             fastest implementation; flagged if that is unfused
///   h2d, d2h, cpu_adam        host_transfer and host_adam
///
/// Tier nvlink is intra, the others are inter. Collectives are asked for with 16-bit payloads
/// first.
class MeasuredSource : public CostSource {
 public:
  using Predict = std::function<calibration::Answer(const calibration::Query&)>;
  explicit MeasuredSource(Predict predict) : predict_{std::move(predict)} {}
  [[nodiscard]] Cost cost(const CostCall& call) const override;

 private:
  Predict predict_;
};

}  // namespace moecal::planning
