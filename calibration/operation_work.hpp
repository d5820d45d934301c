// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/expert_inputs.hpp"
#include "core/work.hpp"

namespace moecal::calibration {

/// Whether an implementation keeps on the chip what others write to memory, as its name says.
[[nodiscard]] bool is_fused(const std::string& implementation);
/// The name that work_of and inputs_of know a call by: its operation, but "fused_attention" of an
/// attention by a fused implementation, whose scores are never in memory.
[[nodiscard]] std::string kind_of_work(const std::string& operation,
                                       const std::string& implementation);

/// Whether the work of this kind of call (see kind_of_work) is known by its name, not only by its
/// family.
[[nodiscard]] bool has_known_work(const std::string& kind);

/// FLOPs and bytes of one call from its shape, of permute and unpermute without what a capacity
/// drops on average. An operation this table does not know moves, as far as a fit is concerned, as
/// many elements as its one number says. Of a moe_layer: what the busiest rank does (gated experts,
/// without the router). Of a collective `sent` is the size that its points have, with the block
/// that a rank keeps.
/// @throws InvalidInput if the point lacks a number the operation needs, the dtype is unknown, or
/// an operation that is not known has several numbers.
[[nodiscard]] Work work_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
                           const RoutingSpec& routing = {});

/// Of such products, each operand once.
[[nodiscard]] inline Work gemm_work(const GroupedShape& shape, const ElementBytes& bytes) {
  const auto& [groups, m, n, k] = shape;
  return {Flops{2 * groups * m * n * k}, Bytes{groups * (m * k * bytes.a + k * n * bytes.b)},
          Bytes{groups * m * n * bytes.c}, Bytes{0}, 0};
}
/// Of a grouped_gemm or a moe_layer, whose grouped_inputs these are.
[[nodiscard]] Work work_of_experts(const OperationCall& call, const GroupedInputs& grouped);

}  // namespace moecal::calibration
