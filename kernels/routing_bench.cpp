// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/routing_bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <utility>

#include "core/hash.hpp"
#include "core/narrow_float.hpp"

namespace moecal::bench {
namespace {

/// Capacity factor of the document that states one.
constexpr double kDocumentCapacity = 1.2;

void append(std::vector<RoutedPoint>& points, const std::vector<std::int64_t>& tokens,
            RoutedPoint point) {
  for (const auto count : tokens) {
    point.tokens = count;
    points.push_back(point);
  }
}

std::vector<RoutedPoint> planner_points() {
  std::vector<RoutedPoint> points;
  append(points, {256, 512, 4096}, {0, 4096, 8, 2, "bf16"});
  for (const std::int64_t top_k : {1, 2})
    for (const auto* dtype : {"fp8_e4m3", "bf16"})
      append(points, {2048}, {0, 1024, 64, top_k, dtype});
  for (const double capacity : {0.0, kDocumentCapacity})
    append(points, {2048, 8192, 16384, 65536, 163840}, {0, 512, 16, 2, "f16", capacity});
  append(points, {4096, 32768}, {0, 2048, 64, 2, "f16"});
  append(points, {512, 8192}, {0, 4096, 8, 2, "bf16", 0, true});
  append(points, {2048, 16384}, {0, 1024, 64, 2, "bf16", 0, true});
  // What ratios to a copy are of: long rows, each number of choices that has a kernel of its own,
  // and a cast.
  append(points, {16384}, {0, 4096, 16, 1, "bf16"});
  append(points, {16384}, {0, 4096, 8, 2, "bf16"});
  append(points, {8192}, {0, 4096, 64, 4, "bf16"});
  append(points, {4096}, {0, 7168, 256, 8, "bf16"});
  append(points, {16384}, {0, 7168, 8, 2, "bf16", 0, true});
  return points;
}

std::vector<RoutedPoint> full_points() {
  auto points = planner_points();
  for (const std::int64_t hidden : {512, 1024, 2048, 4096, 7168})
    for (const std::int64_t top_k : {1, 2, 4, 8})
      append(points, {1, 64, 1024, 8192}, {0, hidden, 256, top_k, "bf16"});
  // As many tokens as a step of training has: up to 4.7 GB of rows, more than 2^31 elements.
  for (const std::int64_t hidden : {1024, 2048, 4096, 7168})
    append(points, {163840}, {0, hidden, 64, 2, "bf16"});
  for (const std::int64_t hidden : {512, 2048, 7168})
    append(points, {64, 1024, 8192, 163840}, {0, hidden, 64, 2, "bf16", 0, true});
  return points;
}

std::vector<RoutedPoint> planner_gate_points() {
  std::vector<RoutedPoint> points;
  append(points, {256, 512, 4096}, {0, 0, 8, 2, "bf16"});
  for (const std::int64_t top_k : {1, 2}) {
    append(points, {2048, 8192, 16384, 65536, 163840}, {0, 0, 16, top_k, "f16"});
    append(points, {2048, 131072}, {0, 0, 64, top_k, "bf16"});
    append(points, {4096, 32768}, {0, 0, 64, top_k, "f16"});
  }
  // Of rows that are permuted, beside those above.
  append(points, {8192, 16384}, {0, 0, 8, 2, "bf16"});
  append(points, {16384}, {0, 0, 64, 2, "bf16"});
  append(points, {8192}, {0, 0, 64, 4, "bf16"});
  append(points, {4096}, {0, 0, 256, 8, "bf16"});
  // More logits than any cache holds: what reading them once costs, and choosing on top.
  append(points, {131072}, {0, 0, 256, 8, "f32"});
  append(points, {131072}, {0, 0, 64, 2, "f32"});
  append(points, {131072}, {0, 0, 128, 8, "bf16"});
  return points;
}

std::vector<RoutedPoint> full_gate_points() {
  auto points = planner_gate_points();
  for (const std::int64_t experts : {8, 64, 128, 256})
    for (const std::int64_t top_k : {1, 2, 4, 8}) {
      append(points, {1, 64, 1024, 16384}, {0, 0, experts, top_k, "f32"});
      const bool is_planners = (experts == 256 && top_k == 8) || (experts == 64 && top_k == 2);
      if (!is_planners) append(points, {131072}, {0, 0, experts, top_k, "f32"});
    }
  // Of rows that are permuted in full alone.
  for (const std::int64_t top_k : {1, 2, 4, 8}) append(points, {8192}, {0, 0, 256, top_k, "f32"});
  append(points, {8192, 163840}, {0, 0, 64, 2, "f32"});
  return points;
}

/// What to add to the logarithms of a token's weights so that the smallest is above all other
/// logits.
double shift_of(const float* weights, std::int64_t top_k) {
  return 2 - std::log(static_cast<double>(*std::min_element(weights, weights + top_k)));
}

// Tokens that are drawn once: eight times those of a draw, which adds an eighth to the variance of
// counts; so many at least that one token's draws differ, and at most, unless a draw has more.
constexpr std::int64_t kPooledPerToken = 8;
constexpr std::int64_t kFewestPooled = 8192;
constexpr std::int64_t kMostPooled = 65536;

std::int64_t pooled_tokens(std::int64_t tokens) {
  return std::max(tokens, std::clamp(kPooledPerToken * tokens, kFewestPooled, kMostPooled));
}

RoutingShape shape_of_draw(const Case& c) {
  return {c.point.at("tokens"), c.point.at("experts"), c.point.at("top_k")};
}

RoutingSpec with_seed_of(RoutingSpec spec, std::int64_t number) {
  spec.seed += static_cast<std::uint64_t>(number);
  return spec;
}

}  // namespace

Case routed_case(const RoutedPoint& point) {
  Case c;
  c.point = {{"tokens", point.tokens}, {"experts", point.experts}, {"top_k", point.top_k}};
  if (point.hidden != 0) c.point["hidden"] = point.hidden;
  c.dtypes.a = c.dtypes.c = point.dtype;
  if (point.to_fp8) {
    c.dtypes.c = "fp8_e4m3";
    c.dtypes.scale_mode = "block_1x128";
  }
  c.routing.capacity_factor = point.capacity_factor;
  // Uniform choices of some thousand tokens fill no expert to a fifth over the mean: a capacity
  // would drop nothing.
  if (point.capacity_factor > 0) c.routing.distribution = "power_law";
  c.routed = true;
  return c;
}

std::vector<Case> routed_cases(const std::vector<RoutedPoint>& points) {
  std::vector<Case> cases;
  std::transform(points.begin(), points.end(), std::back_inserter(cases), routed_case);
  return cases;
}

std::vector<RoutedPoint> row_points(Suite suite) {
  if (suite == Suite::planner) return planner_points();
  if (suite == Suite::full) return full_points();
  std::vector<RoutedPoint> points;
  append(points, {256, 512, 4096}, {0, 4096, 8, 2, "bf16"});
  append(points, {16384}, {0, 512, 16, 2, "f16"});
  append(points, {4096}, {0, 2048, 64, 2, "f16"});
  return points;
}

std::vector<RoutedPoint> gate_points(Suite suite) {
  if (suite == Suite::planner) return planner_gate_points();
  if (suite == Suite::full) return full_gate_points();
  std::vector<RoutedPoint> points;
  append(points, {512, 4096}, {0, 0, 8, 2, "bf16"});
  append(points, {16384}, {0, 0, 16, 2, "f16"});
  append(points, {4096, 32768}, {0, 0, 64, 2, "f16"});
  return points;
}

SetRouting::SetRouting(const Case& c, std::int64_t number)
    : SetRouting{c, draw_routing(shape_of_draw(c), with_seed_of(c.routing, number))} {}

SetRouting::SetRouting(const Case& c, RoutingDraw drawn)
    : draw{std::move(drawn)},
      capacity{expert_capacity(shape_of_draw(c), c.routing.capacity_factor)},
      row_of{place_rows(draw, capacity)} {}

std::int64_t dropped_choices(const Case& c) {
  if (c.routing.capacity_factor == 0) return 0;
  return std::ranges::count(SetRouting{c, 0}.row_of, -1);
}

RoutingPool::RoutingPool(const Case& c) : case_{c} {
  const auto& distribution = c.routing.distribution;
  if (distribution != "uniform" && distribution != "recorded") return;
  auto shape = shape_of_draw(c);
  shape.tokens = pooled_tokens(shape.tokens);
  rows_ = draw_routing(shape, c.routing);
}

std::vector<std::int32_t> RoutingPool::sources(std::int64_t number) const {
  std::vector<std::int32_t> sources(static_cast<std::size_t>(case_.point.at("tokens")));
  if (number == 0) {  // a seed's tokens are drawn one after the other: a longer draw begins alike
    std::iota(sources.begin(), sources.end(), 0);
    return sources;
  }
  const auto of_draw = mix(mix(case_.routing.seed) + static_cast<std::uint64_t>(number));
  const auto rows = static_cast<std::uint64_t>(rows_.tokens);
  for (std::size_t token = 0; token < sources.size(); ++token)
    sources[token] = static_cast<std::int32_t>(mix(of_draw + token) % rows);
  return sources;
}

SetRouting RoutingPool::routing(std::int64_t number) const {
  if (!resamples()) return {case_, number};
  const auto shape = shape_of_draw(case_);
  RoutingDraw draw{shape.tokens, shape.experts, shape.top_k, {}, {}, {}, {}};
  draw.expert_of.reserve(static_cast<std::size_t>(shape.tokens * shape.top_k));
  draw.weight_of.reserve(draw.expert_of.capacity());
  for (const std::int64_t source : sources(number)) {
    const auto first = source * shape.top_k, last = first + shape.top_k;
    draw.expert_of.insert(draw.expert_of.end(), rows_.expert_of.begin() + first,
                          rows_.expert_of.begin() + last);
    draw.weight_of.insert(draw.weight_of.end(), rows_.weight_of.begin() + first,
                          rows_.weight_of.begin() + last);
  }
  count_choices(draw);
  return {case_, std::move(draw)};
}

std::vector<std::byte> gate_logits(Dtype dtype, const RoutingDraw& draw) {
  constexpr std::uint64_t kSeed = 1;
  auto bytes = uniform_bytes({dtype, kSeed}, draw.tokens * draw.experts).whole();
  with_float_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t token = 0; token < draw.tokens; ++token) {
      const float* weights = draw.weight_of.data() + token * draw.top_k;
      const double shift = shift_of(weights, draw.top_k);
      for (std::int64_t choice = 0; choice < draw.top_k; ++choice) {
        const auto expert = draw.expert_of[static_cast<std::size_t>(token * draw.top_k + choice)];
        const auto logit = from_float<T>(static_cast<float>(shift + std::log(weights[choice])));
        std::memcpy(&bytes[static_cast<std::size_t>(token * draw.experts + expert) * sizeof(T)],
                    &logit, sizeof(T));
      }
    }
  });
  return bytes;
}

}  // namespace moecal::bench
