// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/donors.hpp"
#include "calibration/fit.hpp"

namespace moecal::calibration {

/// Half-widths of log time where no card could be left out to measure one. 90 % of the predictions
/// of one card of the public tables from others of its class lay within x0.7 .. x1.4, of another
/// class within x0.4 .. x3.0; the former is of kernels, for collectives it is kUnknownHalfWidth.
inline constexpr double kSameClassHalfWidth = 0.3566749439387324;   // log(1 / 0.7)
inline constexpr double kOtherClassHalfWidth = 1.0986122886681098;  // log 3

/// A series that measured cards have and the target cannot, and why.
struct NotTransferred {
  std::string series, reason;
  std::string operation;
  Conditions conditions;
};

struct TransferResult {
  Coefficients coefficients;  // of the target, provenance `transferred`
  std::vector<NotTransferred> left_out;
  /// What planning asks of any card and no other card has measured: the kernels that only move
  /// data, and each collective inside a node and between nodes. A spec sheet alone says no share.
  std::vector<NotTransferred> unmeasured{};
};

/// What a card would cost, from its spec sheet and the cards that were measured. By family:
///
///   gemm          a roofline: launch, and the shares of peak and memory bandwidth, are the donors'
///                 geometric means
///   memory_bound  launch and the share of memory bandwidth likewise; as a GEMM where a donor's
///                 form is a roofline, as attention's
///   transfer      the geometric mean of the donors' curves, each with its bytes scaled by its link
///                 over the target's (inside a node, to the network or to the host): bandwidth
///                 follows the spec sheet, latency does not
///
/// Donors of the target's class are used where there are any, else all. The interval is made of
/// what the same procedure gets wrong for each donor when it is left out: of the cards' own 90 %
/// quantiles the widest, by size regime; of fewer than four cards 5 / (cards + 1) times that. A
/// card of another class than all donors gets no less than kOtherClassHalfWidth. Models of the
/// target itself among the donors are not used.
/// @throws InvalidInput if there are no donors, or nothing could be transferred.
[[nodiscard]] TransferResult transfer(std::span<const Donor> donors, const Card& target);

/// How the transfer to one measured card, from the others, compares with what was measured on it.
struct TransferScore {
  std::string operation, dtype, scale_mode, card;
  double from = 0, to = 0;  // the regime of the size variable; 0: no end
  int n = 0;
  double median_ape = 0, p90_ape = 0;  // fractions
  double coverage_90 = 0;              // of the intervals, made without this card
  double half_width_median = 0;        // of log time
};

/// Leaves each card out in turn, and transfers to it from the others. Needs at least two donors.
/// @throws InvalidInput if there are fewer.
[[nodiscard]] std::vector<TransferScore> leave_one_card_out(std::span<const Donor> donors);

}  // namespace moecal::calibration
