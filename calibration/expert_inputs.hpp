// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/operation_call.hpp"

namespace moecal::calibration {

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

/// Of a grouped_gemm or a moe_layer.
/// @throws InvalidInput where the point lacks a number, or ranks do not divide what they share.
[[nodiscard]] GroupedInputs grouped_inputs(const OperationCall& call);
/// Of so many groups with one product each.
[[nodiscard]] GroupedInputs group_inputs(double groups, const RankLoads& loads,
                                         const ExpertProduct& product);
/// Of a moe_dispatch, moe_combine or moe_prepare.
/// @throws InvalidInput where a token is sent to no expert, or to more than there are.
[[nodiscard]] ExchangeInputs exchange_inputs(const OperationCall& call);
/// Of an operation that takes_routing: rows of the fullest expert over the even share of all rows,
/// in expectation. Below 1 where the routing's capacity drops rows.
/// @throws InvalidInput as work_of (operation_work.hpp).
[[nodiscard]] double load_skew(const std::string& operation, const Point& point,
                               const RoutingSpec& routing);

}  // namespace moecal::calibration
