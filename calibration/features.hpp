// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "calibration/expert_inputs.hpp"
#include "calibration/operation_call.hpp"

namespace moecal::calibration {

/// Which shape of cost an operation has, and so which forms are fitted to it.
enum class Family {
  transfer,      // one size in bytes: collectives, and any operation whose point is {bytes}
  memory_bound,  // time follows the bytes moved: copies, permute, gate
  gemm,          // FLOPs and bytes both matter; the point has m, n, k
  grouped,       // one or two GEMMs of several experts: grouped_gemm, moe_layer
  exchange       // tokens to the ranks of their experts and back: moe_dispatch, moe_combine
};

/// What a form is evaluated on. An absent number is 0.
struct Inputs {
  double size = 0;   // the size variable of regimes, knots and tables: see inputs_of below
  double flops = 0;  // floating-point operations
  double bytes = 0;  // read and written, each operand once
  double m = 0, n = 0, k = 0;
  double ranks = 0, nodes = 0;            // of a collective's group; only joint forms ask
  GroupedInputs grouped{};                // of Family::grouped
  double compute = 0, communication = 0;  // of an overlap: seconds that each part takes alone
  ExchangeInputs exchange{};              // of Family::exchange
  double skew = 1;  // of an exchange by a routing: see ExchangeLoad; 1 too where it is not known
};

/// Of such products: what inputs_of gives, without names to look up.
[[nodiscard]] Inputs gemm_inputs(const GroupedShape& shape, const ElementBytes& bytes);
/// The same of a grouped_gemm with m rows in each group and no capacity.
[[nodiscard]] Inputs even_groups_inputs(const GroupedShape& shape, const ElementBytes& bytes);

[[nodiscard]] Family family_of(const std::string& operation, const Point& point);
/// Whether ranks of a system take part in it: exchanges with experts among them.
[[nodiscard]] bool is_call_of_system(const std::string& operation);
/// moe_dispatch, moe_combine and moe_prepare: over {tokens of a rank, hidden, experts, top_k}.
[[nodiscard]] bool is_expert_exchange(const std::string& operation);
/// Whether the routing is a number among others to the operation's cost, not a condition apart.
[[nodiscard]] bool takes_routing(const std::string& operation);

/// Of a call of a MoE layer the numbers that make up its model, however it is spread: hidden,
/// inter, experts, top_k. Nothing for a point that lacks one.
[[nodiscard]] std::optional<Point> model_numbers(const Point& point);

/// `size` is, by family: transfer, the point's bytes; memory_bound, bytes moved, or nanoseconds of
/// an overlap's parts; gemm, m (rows of the activations: what tells a decode step from a prefill);
/// grouped, tokens, or rows of all groups; exchange, tokens. `routing` matters where takes_routing
/// says so; `loads` keeps what it leads to for further calls.
/// @throws InvalidInput as work_of (operation_work.hpp).
[[nodiscard]] Inputs inputs_of(const std::string& operation, const Point& point,
                               const Dtypes& dtypes, const RoutingSpec& routing = {},
                               KnownLoads* loads = nullptr);

}  // namespace moecal::calibration
