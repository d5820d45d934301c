// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/predict.hpp"
#include "calibration/transfer.hpp"
#include "core/card.hpp"
#include "planning/claims.hpp"
#include "planning/verdict.hpp"

namespace moecal::planning {

/// A card with what answers for it.
struct ComparedCard {
  Card card;
  calibration::Coefficients models;  // measured, imported or transferred
  std::vector<calibration::NotTransferred>
      left_out{};  // what could not be transferred to it, and why
  std::vector<calibration::NotTransferred> unmeasured{};  // what no other card has measured
  std::string no_transfer{};                              // why nothing could; empty: something was
};

/// What one card says about a call.
struct ComparedSide {
  std::optional<calibration::Prediction> prediction;
  std::string missing;  // why there is none
  bool fits = true;     // the call's buffers into its memory, where that is known
};

/// How the first card stands to the other.
enum class Standing { faster, slower, undecided, does_not_fit, unknown };
[[nodiscard]] std::string_view to_string(Standing standing);

/// One call on two cards. `ratio` is the other card's time over the first's: how many times as fast
/// the first is. There is a ratio only with its interval.
struct ComparedCall {
  calibration::Query query;
  double device_bytes = 0;  // buffers on each device
  ComparedSide first, other;
  std::optional<double> ratio;
  std::optional<Interval> interval;  // 90 %
  Standing standing = Standing::unknown;
};

/// Calls that MoE planning asks for: the documents' expert GEMMs (their hidden and intermediate
/// sizes) from a decode step's rows to a prefill's, in bf16 and FP8; collectives over 2, 4 and 8
/// devices of a node from 64 KiB to 1 GiB, and over two nodes; a memory copy; MoE layers over 8
/// ranks, and their dispatch and combine.
[[nodiscard]] std::vector<calibration::Query> planning_calls();

/// Bytes that a call keeps on one device: operands and result; a reduction in place, other
/// collectives with a receive buffer; of an exchange with experts what is sent, and as much.
[[nodiscard]] double device_bytes(const calibration::Query& query);

/// Errors that both sides share cancel (planning/propagate.hpp). The first card is `faster` if the
/// whole interval lies above 1, `slower` if below, else `undecided`.
[[nodiscard]] ComparedCall compare_call(const ComparedCard& first, const ComparedCard& other,
                                        const calibration::Query& query);

/// What one device must hold according to a document, its arithmetic done again.
struct MemoryDemand {
  std::string claim, quantity;
  double bytes = 0;
};

/// The documents' claims of memory per device, in their order; not those of what is left of a
/// card's capacity, which are another card's.
[[nodiscard]] std::vector<MemoryDemand> memory_demands(const ClaimSet& set);

}  // namespace moecal::planning
