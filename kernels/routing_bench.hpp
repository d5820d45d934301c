// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/routing.hpp"
#include "kernels/own_bench.hpp"

/// What the benchmarks of topk_gate, permute and unpermute share: their points and routing.
namespace moecal::bench {

/// What names a routed point; hidden is 0 where the operation has none.
struct RoutedPoint {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::string dtype;
  double capacity_factor = 0;  // if any, the routing is a power law's: it drops choices
  bool to_fp8 = false;         // rows are cast on their way, with a scale per block of 128
};

[[nodiscard]] Case routed_case(const RoutedPoint& point);
[[nodiscard]] std::vector<Case> routed_cases(const std::vector<RoutedPoint>& points);
/// The points of permute and unpermute: the documents' layers, and around them.
[[nodiscard]] std::vector<RoutedPoint> row_points(Suite suite);

/// The points of topk_gate: the documents' routers, and around them.
[[nodiscard]] std::vector<RoutedPoint> gate_points(Suite suite);

/// One routing draw of a case: other numbers, other tables. Every buffer set has its own, and gets
/// another between samples.
struct SetRouting {
  SetRouting(const Case& c, std::int64_t number);
  SetRouting(const Case& c, RoutingDraw drawn);
  RoutingDraw draw;
  std::int64_t capacity;             // rows an expert takes at most; 0: no limit
  std::vector<std::int32_t> row_of;  // [tokens, top_k]
};

/// Choices that the routing's own draw (number 0) leaves over its capacity: about what every other
/// draw does.
[[nodiscard]] std::int64_t dropped_choices(const Case& c);

/// Where the draws of a point come from. Where tokens choose independently of one another (uniform
/// and recorded routing), a pool of them is drawn once: eight times a draw's tokens, between 8192
/// and 65536, or a draw's own where it has more. Draw 0 is the routing's own, draw_routing of its
/// seed; each token of every other draw is one of the pool, chosen by chance: a table of its own at
/// a hundredth of a new draw's cost to the host. Experts are a little more uneven than in new
/// draws: the variance of their counts is 1 + tokens / pool times as large (9/8 up to 8192 tokens,
/// twice from 65536 on), and that surplus is the same in all draws of a pool. Elsewhere each draw
/// is new.
class RoutingPool {
 public:
  explicit RoutingPool(const Case& c);

  [[nodiscard]] bool resamples() const { return !rows_.expert_of.empty(); }
  /// What was drawn once. Empty unless resamples().
  [[nodiscard]] const RoutingDraw& rows() const { return rows_; }
  /// For each token of draw `number`, which of rows() it is. Only where resamples().
  [[nodiscard]] std::vector<std::int32_t> sources(std::int64_t number) const;
  [[nodiscard]] SetRouting routing(std::int64_t number) const;

 private:
  Case case_;
  RoutingDraw rows_;
};

/// Logits [tokens, experts] of `dtype` whose top_k and weights are the draw's: the chosen experts
/// have the logarithm of their weight, moved above the others' uniform [-1, 1].
[[nodiscard]] std::vector<std::byte> gate_logits(Dtype dtype, const RoutingDraw& draw);

}  // namespace moecal::bench
