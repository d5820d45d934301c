// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/expert_loads.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::int64_t kMostExperts = 65536;  // a draw walks over them all
constexpr std::uint64_t kSeed = 20261121;
constexpr int kMostSteps = 60;
constexpr double kSettled = 1e-9;
constexpr double kManyRows = 50;  // from here on a count is drawn from the normal distribution

double padded(double rows, double multiple) { return std::ceil(rows / multiple) * multiple; }

void add(RankLoads& loads, const RankLoads& others) {
  loads.rows += others.rows;
  loads.active += others.active;
  loads.padded_16 += others.padded_16;
  loads.padded_128 += others.padded_128;
  loads.fullest = std::max(loads.fullest, others.fullest);
}

RankLoads loads_of(std::span<const double> rows_of) {
  RankLoads loads;
  for (const double rows : rows_of) add(loads, equal_loads(1, rows));
  return loads;
}

/// What is over an expert's capacity (0: none) is dropped, not given to another.
void drop_over(std::int64_t capacity, std::vector<double>& rows_of) {
  if (capacity == 0) return;
  for (double& rows : rows_of) rows = std::min(rows, static_cast<double>(capacity));
}

/// Rows as even as whole numbers allow, spread over the ranks first: some experts have one more.
RankLoads balanced_loads(const RoutingShape& shape, std::int64_t ranks, std::int64_t capacity) {
  const std::int64_t rows = (shape.tokens * shape.top_k + ranks - 1) / ranks;
  const std::int64_t experts = shape.experts / ranks, fuller = rows % experts;
  const auto loads_of_some = [&](std::int64_t some, std::int64_t each) {
    const auto kept = capacity == 0 ? each : std::min(each, capacity);
    return equal_loads(static_cast<double>(some), static_cast<double>(kept));
  };
  auto loads = loads_of_some(experts - fuller, rows / experts);
  if (fuller > 0) add(loads, loads_of_some(fuller, rows / experts + 1));
  loads.mean = static_cast<double>(shape.tokens * shape.top_k) / static_cast<double>(ranks);
  if (capacity > 0)
    loads.mean = std::min(loads.mean, static_cast<double>(experts) * static_cast<double>(capacity));
  return loads;
}

// The standard distributions are not specified bit for bit: written out, as in core/routing.
double unit_uniform(std::mt19937_64& engine) {
  return (static_cast<double>(engine() >> 11) + 0.5) * 0x1.0p-53;
}

/// How many of many unlikely choices hit an expert that is hit `mean` times on average.
double drawn_count(double mean, std::mt19937_64& engine) {
  const double first = unit_uniform(engine), second = unit_uniform(engine);
  if (mean >= kManyRows) {
    const double normal = std::sqrt(-2 * std::log(first)) * std::cos(2 * std::numbers::pi * second);
    return std::max(0.0, std::round(mean + std::sqrt(mean) * normal));
  }
  double count = 0, term = std::exp(-mean);
  for (double below = term; below < first && term > 0; below += term) term *= mean / ++count;
  return count;
}

/// A token chooses an expert once: rows over the number of tokens go to the experts with room.
void cap_at_tokens(std::vector<double>& rows_of, double tokens) {
  double excess = 0, room = 0;
  for (double& rows : rows_of) {
    excess += std::max(0.0, rows - tokens);
    rows = std::min(rows, tokens);
    room += tokens - rows;
  }
  if (excess == 0 || room <= 0) return;
  for (double& rows : rows_of) rows += (tokens - rows) * std::min(1.0, excess / room);
}

/// Whole rows that add up: what is missing goes to the fullest, what is too much leaves the
/// emptiest.
void round_to_sum(std::vector<double>& rows_of, double sum) {
  for (double& rows : rows_of) rows = std::nearbyint(rows);
  std::vector<std::size_t> order(rows_of.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rows_of[a] > rows_of[b]; });
  double missing = sum - std::accumulate(rows_of.begin(), rows_of.end(), 0.0);
  for (std::size_t i = 0; missing > 0; i = (i + 1) % order.size(), --missing) ++rows_of[order[i]];
  for (std::size_t i = order.size(); missing < 0; i = i == 1 ? order.size() : i - 1) {
    if (rows_of[order[i - 1]] == 0) continue;
    --rows_of[order[i - 1]];
    ++missing;
  }
}

void shuffle(std::vector<double>& values, std::mt19937_64& engine) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[engine() % i]);
}

/// Rows of each expert on average where a token chooses top_k different ones by their weights. They
/// are the first top_k of exponential clocks with the weights as rates: about those that ring until
/// the time by which top_k have.
void choose_different(const RoutingShape& shape, std::vector<double>& weights) {
  const auto tokens = static_cast<double>(shape.tokens), wanted = static_cast<double>(shape.top_k);
  double time = 0;
  for (int step = 0; step < kMostSteps; ++step) {  // Newton's, from below: it never overshoots
    double rung = 0, rate = 0;
    for (const double weight : weights) {
      rung -= std::expm1(-weight * time);
      rate += weight * std::exp(-weight * time);
    }
    if (wanted - rung <= kSettled * wanted || rate <= 0) break;
    time += (wanted - rung) / rate;
  }
  for (double& weight : weights) weight = -tokens * std::expm1(-weight * time);
}

std::vector<double> drawn_rows(const RoutingShape& shape, const RoutingSpec& routing,
                               std::mt19937_64& engine) {
  std::vector<double> rows_of(static_cast<std::size_t>(shape.experts), 1.0);
  if (routing.distribution == "recorded") rows_of = routing.loads;
  const bool loads = routing.distribution == "power_law_loads";
  for (std::size_t e = 0; e < rows_of.size(); ++e) {
    if (loads) rows_of[e] = power_law_load(shape, routing.exponent, unit_uniform(engine));
    if (routing.distribution == "power_law")
      rows_of[e] = std::pow(static_cast<double>(e + 1), -routing.exponent);
  }
  if (routing.distribution == "power_law") shuffle(rows_of, engine);
  const auto tokens = static_cast<double>(shape.tokens);
  if (routing.distribution == "power_law" || routing.distribution == "recorded")
    choose_different(shape, rows_of);
  const double rows = tokens * static_cast<double>(shape.top_k);
  const double scale = rows / std::accumulate(rows_of.begin(), rows_of.end(), 0.0);
  for (double& expert : rows_of) expert *= scale;
  cap_at_tokens(rows_of, tokens);
  if (loads)
    round_to_sum(rows_of, rows);
  else
    for (double& expert : rows_of) expert = std::min(tokens, drawn_count(expert, engine));
  return rows_of;
}

double standard_deviation(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (count - 1));
}

/// What the draws lie apart by. Without a capacity all of them have the same rows.
void add_spreads(RankLoads& loads, std::span<const RankLoads> draws, bool limited) {
  std::vector<double> skews, means;
  for (const auto& draw : draws) {
    if (!(draw.mean > 0)) continue;
    skews.push_back(std::log(draw.rows / draw.mean));
    means.push_back(std::log(draw.mean));
  }
  if (skews.size() < 2) return;
  loads.skew_spread = standard_deviation(skews);
  if (limited) loads.mean_spread = standard_deviation(means);
}

RankLoads busiest_of(const std::vector<double>& rows_of, std::int64_t ranks) {
  const std::size_t local = rows_of.size() / static_cast<std::size_t>(ranks);
  RankLoads busiest;
  double all = 0;
  for (std::size_t first = 0; first < rows_of.size(); first += local) {
    const auto loads = loads_of(std::span{rows_of}.subspan(first, local));
    all += loads.rows;
    if (first == 0 || loads.rows > busiest.rows) busiest = loads;
  }
  busiest.mean = all / static_cast<double>(ranks);
  return busiest;
}

void check(const RoutingShape& shape, std::int64_t ranks, const RoutingSpec& routing) {
  check_routing(shape, routing);
  if (ranks < 1 || shape.experts % ranks != 0)
    throw InvalidInput{std::to_string(shape.experts) + " experts cannot be spread evenly over " +
                       std::to_string(ranks) + " ranks"};
}

}  // namespace

RankLoads equal_loads(double experts, double rows) {
  return {experts * rows, rows > 0 ? experts : 0, experts * padded(rows, 16),
          experts * padded(rows, 128), rows};
}

RankLoads busiest_rank_loads(const RoutingShape& shape, std::int64_t ranks,
                             const RoutingSpec& routing, int draws) {
  if (shape.experts > kMostExperts)
    throw InvalidInput{std::to_string(shape.experts) + " experts are more than the " +
                       std::to_string(kMostExperts) + " whose rows moecal can draw"};
  check(shape, ranks, routing);
  if (shape.tokens <= 0) return {};
  const auto capacity = expert_capacity(shape, routing.capacity_factor);
  if (routing.distribution == "balanced") return balanced_loads(shape, ranks, capacity);
  std::mt19937_64 engine{kSeed};
  RankLoads mean;
  std::vector<RankLoads> drawn;
  for (int draw = 0; draw < draws; ++draw) {
    auto rows_of = drawn_rows(shape, routing, engine);
    drop_over(capacity, rows_of);
    const auto& loads = drawn.emplace_back(busiest_of(rows_of, ranks));
    mean.rows += loads.rows / draws;
    mean.active += loads.active / draws;
    mean.padded_16 += loads.padded_16 / draws;
    mean.padded_128 += loads.padded_128 / draws;
    mean.fullest += loads.fullest / draws;
    mean.mean += loads.mean / draws;
  }
  add_spreads(mean, drawn, capacity > 0);
  // Experts are drawn one by one, and their sum is not that of all choices to the row.
  if (capacity == 0)
    mean.mean = static_cast<double>(shape.tokens * shape.top_k) / static_cast<double>(ranks);
  return mean;
}

const RankLoads& KnownLoads::of(const RoutingShape& shape, std::int64_t ranks,
                                const RoutingSpec& routing) {
  const Question question{
      shape.tokens,     shape.experts,           shape.top_k,  ranks, routing.distribution,
      routing.exponent, routing.capacity_factor, routing.loads};
  const auto found = known_.find(question);
  if (found != known_.end()) return found->second;
  return known_.emplace(question, busiest_rank_loads(shape, ranks, routing)).first->second;
}

}  // namespace moecal::calibration
