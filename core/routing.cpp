// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/routing.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/error.hpp"

namespace moecal {
namespace {

// std::mt19937_64 is specified bit for bit, the standard distributions are not: draws must be the
// same on every machine, so the conversion to [0, 1) is written out.
double unit_uniform(std::mt19937_64& engine) {
  return static_cast<double>(engine() >> 11) * 0x1.0p-53;
}

std::vector<double> expert_weights(const RoutingShape& shape, const RoutingSpec& spec,
                                   std::mt19937_64& engine) {
  std::vector<double> weights(static_cast<std::size_t>(shape.experts), 1.0);
  if (spec.distribution == "recorded") return spec.loads;
  if (spec.distribution == "power_law_loads")
    for (auto& weight : weights)
      weight = power_law_load(shape, spec.exponent, unit_uniform(engine));
  if (spec.distribution != "power_law") return weights;
  for (std::size_t e = 0; e < weights.size(); ++e)
    weights[e] = std::pow(static_cast<double>(e + 1), -spec.exponent);
  for (std::size_t e = weights.size(); e > 1; --e) std::swap(weights[e - 1], weights[engine() % e]);
  return weights;
}

// Draws top_k different experts with the given weights, without replacement.
void draw_token(std::vector<double> weights, std::mt19937_64& engine, std::int32_t* chosen,
                std::int64_t top_k) {
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::int64_t k = 0; k < top_k; ++k) {
    const double target = unit_uniform(engine) * total;
    double sum = 0;
    std::size_t pick = weights.size();
    for (std::size_t e = 0; e < weights.size(); ++e) {
      if (weights[e] == 0) continue;
      pick = e;
      sum += weights[e];
      if (sum > target) break;
    }
    chosen[k] = static_cast<std::int32_t>(pick);
    total -= weights[pick];
    weights[pick] = 0;
  }
}

// Tokens choose top_k different experts: so many must have a load.
void check_loads(const RoutingShape& shape, const RoutingSpec& spec) {
  if (static_cast<std::int64_t>(spec.loads.size()) != shape.experts)
    throw InvalidInput{"the recorded routing has the loads of " +
                       std::to_string(spec.loads.size()) + " experts, the point has " +
                       std::to_string(shape.experts)};
  const auto loaded = std::ranges::count_if(spec.loads, [](double load) { return load > 0; });
  if (loaded < shape.top_k)
    throw InvalidInput{"only " + std::to_string(loaded) + " experts of the recorded routing have " +
                       "a load; tokens choose " + std::to_string(shape.top_k) + " different ones"};
}

}  // namespace

void check_routing(const RoutingShape& shape, const RoutingSpec& spec) {
  if (shape.tokens < 0 || shape.experts < 1 || shape.top_k < 1 || shape.top_k > shape.experts)
    throw InvalidInput{"routing needs tokens >= 0 and 1 <= top_k <= experts, not tokens " +
                       std::to_string(shape.tokens) + ", experts " + std::to_string(shape.experts) +
                       ", top_k " + std::to_string(shape.top_k)};
  if (spec.distribution == "recorded") return check_loads(shape, spec);
  if (spec.distribution != "uniform" && spec.distribution != "balanced" &&
      spec.distribution != "power_law" && spec.distribution != "power_law_loads")
    throw InvalidInput{"unknown routing distribution '" + spec.distribution +
                       "'; known: uniform balanced power_law power_law_loads recorded"};
}

double power_law_load(const RoutingShape& shape, double exponent, double share) {
  // With fewer rows than experts the limits would cross: most experts get none, a few get two.
  const bool dense = shape.tokens * shape.top_k > shape.experts;
  const double least = dense ? 1 : 0.01;
  const double most = dense ? std::max(1.0, 0.8 * static_cast<double>(shape.tokens)) : 2;
  if (std::abs(exponent - 1) < 1e-9) return least * std::pow(most / least, share);
  const double power = 1 - exponent;
  const double low = std::pow(least, power), high = std::pow(most, power);
  return std::pow((high - low) * share + low, 1 / power);
}

RoutingDraw draw_routing(const RoutingShape& shape, const RoutingSpec& spec) {
  check_routing(shape, spec);
  std::mt19937_64 engine{spec.seed};
  RoutingDraw draw{shape.tokens, shape.experts, shape.top_k, {}, {}, {}, {}};
  const auto rows = static_cast<std::size_t>(shape.tokens * shape.top_k);
  draw.expert_of.resize(rows);
  draw.weight_of.resize(rows);
  const auto weights = expert_weights(shape, spec, engine);
  for (std::int64_t t = 0; t < shape.tokens; ++t) {
    std::int32_t* chosen = draw.expert_of.data() + t * shape.top_k;
    if (spec.distribution == "balanced")
      for (std::int64_t k = 0; k < shape.top_k; ++k)
        chosen[k] = static_cast<std::int32_t>((t * shape.top_k + k) % shape.experts);
    else
      draw_token(weights, engine, chosen, shape.top_k);
    float* weight = draw.weight_of.data() + t * shape.top_k;
    float sum = 0;
    for (std::int64_t k = 0; k < shape.top_k; ++k)
      sum += weight[k] = static_cast<float>(0.25 + unit_uniform(engine));
    for (std::int64_t k = 0; k < shape.top_k; ++k) weight[k] /= sum;
  }
  count_choices(draw);
  return draw;
}

void count_choices(RoutingDraw& draw) {
  draw.counts.assign(static_cast<std::size_t>(draw.experts), 0);
  for (const auto expert : draw.expert_of) ++draw.counts[static_cast<std::size_t>(expert)];
  draw.offsets.assign(draw.counts.size() + 1, 0);
  std::partial_sum(draw.counts.begin(), draw.counts.end(), draw.offsets.begin() + 1);
}

std::int64_t expert_capacity(const RoutingShape& shape, double capacity_factor) {
  const double mean =
      static_cast<double>(shape.tokens * shape.top_k) / static_cast<double>(shape.experts);
  return static_cast<std::int64_t>(std::ceil(capacity_factor * mean));
}

std::vector<std::int32_t> place_rows(const RoutingDraw& draw, std::int64_t capacity) {
  std::vector<std::int64_t> next(draw.counts.size());  // row that the expert's next token takes
  std::vector<std::int64_t> end(draw.counts.size());   // first row that is not the expert's
  std::int64_t row = 0;
  for (std::size_t e = 0; e < next.size(); ++e) {
    next[e] = row;
    row += capacity == 0 ? draw.counts[e] : std::min(capacity, draw.counts[e]);
    end[e] = row;
  }
  std::vector<std::int32_t> rows;
  rows.reserve(draw.expert_of.size());
  for (const auto expert : draw.expert_of) {
    const auto e = static_cast<std::size_t>(expert);
    rows.push_back(next[e] < end[e] ? static_cast<std::int32_t>(next[e]++) : -1);
  }
  return rows;
}

}  // namespace moecal
