// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// What a library sends of a token: one copy to each rank that holds an expert of its choice, which
/// spreads it there (DeepEP's normal kernels), or one to each expert (its low-latency kernels).
enum class Copies { per_rank, per_expert };

/// What does not change over a series of exchanges.
struct ExchangeSystem {
  double ranks = 0;
  double multiprocessors = 0;  // of the card; 0: unknown
  Copies copies = Copies::per_rank;
};

/// A dispatch of tokens to their experts' ranks, or the combine of their results:
///   t = || L, W ||_q,  ||a, b||_q = (a^q + b^q)^(1/q)
///   L = latency + latency_per_group groups + latency_per_byte row
///   W = tokens (per_token / lanes + copies (per_copy + inverse_bandwidth row))
/// in seconds, with row the bytes of a token as it is sent, scales included (features.hpp).
/// One copy per rank: copies is how many of `ranks` ranks the top_k different experts of a token
/// lie on in expectation, lanes and groups are 1 and 0: the kernel's multiprocessors were chosen by
/// the caller. One copy per expert: copies is top_k; each multiprocessor serves groups =
/// ceil(experts / multiprocessors) of the experts, so that lanes = ceil(experts / groups) of them
/// send. q below 1: between the two limits a call takes longer than their sum. Valid for the ranks
/// it was fitted to, between the hidden, experts and top_k that were measured.
[[nodiscard]] Form expert_exchange_form();

inline constexpr std::size_t kExpertExchangePoints = 14;

/// `from`: a fit of the same form to more points, where this one starts; null: starts are tried.
/// @throws InvalidInput for fewer than kExpertExchangePoints points.
[[nodiscard]] Model fit_expert_exchange(std::span<const FitPoint> points,
                                        const ExchangeSystem& system, const Model* from = nullptr);

inline constexpr std::size_t kPlainExchangePoints = 2;

/// What few points tell: t = latency + copies row inverse_bandwidth, the same form without the
/// rest.
/// @throws InvalidInput for fewer than kPlainExchangePoints points.
[[nodiscard]] Model fit_plain_exchange(std::span<const FitPoint> points,
                                       const ExchangeSystem& system);

/// On how many of `ranks` ranks a token's top_k different experts lie, each choice as likely.
[[nodiscard]] double expected_ranks(double experts, double top_k, double ranks);

}  // namespace moecal::calibration
