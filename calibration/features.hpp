// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "calibration/expert_loads.hpp"
#include "core/point.hpp"
#include "core/work.hpp"

namespace moecal::calibration {

/// Which shape of cost an operation has, and so which forms are fitted to it.
enum class Family {
  transfer,      // one size in bytes: collectives, and any operation whose point is {bytes}
  memory_bound,  // time follows the bytes moved: copies, permute, gate
  gemm,          // FLOPs and bytes both matter; the point has m, n, k
  grouped,       // one or two GEMMs of several experts: grouped_gemm, moe_layer
  exchange       // tokens to the ranks of their experts and back: moe_dispatch, moe_combine
};

/// What the experts of one rank multiply: a weight matrix of k x n each.
struct ExpertProduct {
  double n = 0, k = 0;  // elements; 0: there is none
};

/// Experts of the busiest rank, in expectation over the routing (calibration/expert_loads.hpp).
struct GroupedInputs {
  double rows = 0, active = 0;           // rows, and experts that have any
  double padded_16 = 0, padded_128 = 0;  // rows, each expert's rounded up to such a multiple
  double fullest = 0;                    // rows of the expert that has most
  double experts = 0;                    // of the rank
  double tokens = 0;                     // that the rank is given; of a grouped GEMM 0
  double moved = 0;                      // bytes that permute and unpermute read and write
  double weight_size = 0;                // bytes of one weight element
  double hidden = 0, inter = 0, all_experts = 0, top_k = 0;  // of a layer's whole model; else 0
  ExpertProduct products[2];
};

/// What a rank sends to the experts of its tokens, or has back from them.
struct ExchangeInputs {
  double tokens = 0;              // of the rank
  double experts = 0, top_k = 0;  // of the layer, and that each token is given to
  double row = 0;                 // bytes of one token, scales included
};

/// What a form is evaluated on. An absent number is 0.
struct Inputs {
  double size = 0;   // the size variable of regimes, knots and tables: see size_of below
  double flops = 0;  // floating-point operations
  double bytes = 0;  // read and written, each operand once
  double m = 0, n = 0, k = 0;
  double ranks = 0, nodes = 0;            // of a collective's group; only joint forms ask
  GroupedInputs grouped{};                // of Family::grouped
  double compute = 0, communication = 0;  // of an overlap: seconds that each part takes alone
  ExchangeInputs exchange{};              // of Family::exchange
  double skew = 1;  // of an exchange by a routing: see ExchangeLoad; 1 too where it is not known
};

/// Bytes of one element of a GEMM's operands and result.
struct ElementBytes {
  double a = 0, b = 0, c = 0;
};
[[nodiscard]] ElementBytes element_bytes(const Dtypes& dtypes);

/// Of `groups` products of m x k and k x n: what inputs_of gives, without names to look up.
[[nodiscard]] Inputs gemm_inputs(double groups, double m, double n, double k,
                                 const ElementBytes& bytes);
/// The same of a grouped_gemm with m rows in each group and no capacity.
[[nodiscard]] Inputs even_groups_inputs(double groups, double m, double n, double k,
                                        const ElementBytes& bytes);

[[nodiscard]] Family family_of(const std::string& operation, const Point& point);
/// Whether ranks of a system take part in it: exchanges with experts among them.
[[nodiscard]] bool is_collective(const std::string& operation);
/// moe_dispatch, moe_combine and moe_prepare: over {tokens of a rank, hidden, experts, top_k}.
[[nodiscard]] bool is_expert_exchange(const std::string& operation);
/// Whether the routing is a number among others to the operation's cost, not a condition apart.
[[nodiscard]] bool takes_routing(const std::string& operation);

/// Of a call of a MoE layer the numbers that make up its model, however it is spread: hidden,
/// inter, experts, top_k. Nothing for a point that lacks one.
[[nodiscard]] std::optional<Point> model_numbers(const Point& point);

/// Whether an implementation keeps on the chip what others write to memory, as its name says.
[[nodiscard]] bool is_fused(const std::string& implementation);
/// The name that work_of and inputs_of know a call by: its operation, but "fused_attention" of an
/// attention by a fused implementation, whose scores are never in memory.
[[nodiscard]] std::string kind_of_work(const std::string& operation,
                                       const std::string& implementation);

/// FLOPs and bytes of one call from its shape. An operation this table does not know moves, as far
/// as a fit is concerned, as many elements as its one number says. Of a moe_layer: what the busiest
/// rank does (gated experts, without the router).
/// @throws InvalidInput if the point lacks a number the operation needs, the dtype is unknown, or
/// an operation that is not known has several numbers.
[[nodiscard]] Work work_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
                           const RoutingSpec& routing = {});

/// `size` is, by family: transfer, the point's bytes; memory_bound, bytes moved, or nanoseconds of
/// an overlap's parts; gemm, m (rows of the activations: what tells a decode step from a prefill);
/// grouped, tokens, or rows of all groups; exchange, tokens. `routing` matters where takes_routing
/// says so; `loads` keeps what it leads to for further calls.
/// @throws InvalidInput as work_of.
[[nodiscard]] Inputs inputs_of(const std::string& operation, const Point& point,
                               const Dtypes& dtypes, const RoutingSpec& routing = {},
                               KnownLoads* loads = nullptr);

}  // namespace moecal::calibration
