// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/routing_bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <set>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/topk_gate/topk_gate.hpp"
#include "tests/launch_is_verified.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_topk_gate();
std::unique_ptr<Benchmark> make_permute();
std::unique_ptr<Benchmark> make_unpermute();

namespace {

using testing::Contains;

std::vector<std::unique_ptr<Benchmark>> routed_benchmarks() {
  std::vector<std::unique_ptr<Benchmark>> benchmarks;
  benchmarks.push_back(make_topk_gate());
  benchmarks.push_back(make_permute());
  benchmarks.push_back(make_unpermute());
  return benchmarks;
}

std::vector<Point> points_of(const Benchmark& benchmark, Suite suite) {
  std::vector<Point> points;
  for (const auto& c : benchmark.sweep(suite, "cpu", 1)) points.push_back(c.point);
  return points;
}

std::unique_ptr<Trial> cpu_trial(const Benchmark& benchmark, const Case& c) {
  const auto world = make_single_rank_plane();
  Context context{*world};
  return benchmark.make_trial(kOracleLoop, c, context);
}

Case small_case(const Benchmark& benchmark, const std::string& dtype) {
  const std::int64_t hidden = benchmark.operation() == "topk_gate" ? 0 : 24;
  return routed_case({100, hidden, 8, 2, dtype, 1.2});
}

TEST(RoutingBench, SweepsTheDocumentsShapes) {
  EXPECT_THAT(points_of(*make_topk_gate(), Suite::planner),
              Contains(Point{{"tokens", 163840}, {"experts", 16}, {"top_k", 2}}));
  for (const auto& benchmark : {make_permute(), make_unpermute()}) {
    EXPECT_THAT(points_of(*benchmark, Suite::quick),
                Contains(Point{{"tokens", 4096}, {"hidden", 4096}, {"experts", 8}, {"top_k", 2}}));
    EXPECT_THAT(points_of(*benchmark, Suite::planner),
                Contains(Point{{"tokens", 2048}, {"hidden", 1024}, {"experts", 64}, {"top_k", 1}}));
    for (const std::int64_t hidden : {1024, 2048, 4096, 7168})
      EXPECT_THAT(
          points_of(*benchmark, Suite::full),
          Contains(Point{{"tokens", 163840}, {"hidden", hidden}, {"experts", 64}, {"top_k", 2}}));
  }
}

// The ratio to a read of the logits is a median: of one point it would be that point.
TEST(RoutingBench, HoldsSeveralGatesAgainstReadingTheirLogits) {
  const auto gate = make_topk_gate();
  const auto cases = gate->sweep(Suite::planner, "cuda", 1);
  std::set<std::string> dtypes;
  for (const auto& c : cases)
    if (gate->leads(c)) dtypes.insert(c.dtypes.a);
  EXPECT_EQ(std::ranges::count_if(cases, [&](const Case& c) { return gate->leads(c); }), 3);
  EXPECT_THAT(dtypes, testing::ElementsAre("bf16", "f32"));
}

// A point that is there twice is measured twice.
TEST(RoutingBench, HasEveryGateOnce) {
  for (const Suite suite : {Suite::quick, Suite::planner, Suite::full}) {
    const auto cases = make_topk_gate()->sweep(suite, "cuda", 1);
    std::set<std::string> seen;
    for (const auto& c : cases) {
      std::string text = c.dtypes.a + " " + std::to_string(c.routing.capacity_factor);
      for (const auto& [name, value] : c.point) text += " " + name + ":" + std::to_string(value);
      EXPECT_TRUE(seen.insert(text).second) << text;
    }
  }
}

TEST(RoutingBench, CastsToFp8InFullOverHiddenSizesAndTokens) {
  const auto cases = make_permute()->sweep(Suite::full, "cuda", 1);
  for (const std::int64_t hidden : {512, 2048, 7168})
    for (const std::int64_t tokens : {64, 163840})
      EXPECT_TRUE(std::ranges::any_of(cases,
                                      [&](const Case& c) {
                                        return c.dtypes.c == "fp8_e4m3" && c.dtypes.a == "bf16" &&
                                               c.point.at("hidden") == hidden &&
                                               c.point.at("tokens") == tokens;
                                      }))
          << hidden << " x " << tokens;
}

TEST(RoutingBench, SaysThatTheLogitsOfTheChosenAreLarger) {
  const auto world = make_single_rank_plane();
  Context context{*world, -1};
  const auto gate = make_topk_gate();
  const auto c = gate->sweep(Suite::quick, "cpu", 1).front();
  EXPECT_EQ(gate->make_trial(kOracleLoop, c, context)->filled_with(),
            "logits uniform [-1, 1], those of the chosen from 2 on");
}

TEST(RoutingBench, SizesAGatesSetsByItsLargerPart) {
  if (!build::has_cuda) GTEST_SKIP() << "a build without CUDA times no parts";
  const auto world = make_single_rank_plane();
  Context context{*world, -1};
  Case c;
  c.point = {{"tokens", 131072}, {"experts", 64}, {"top_k", 1}};
  c.dtypes.a = c.dtypes.c = "f32";
  const auto gate = make_topk_gate();
  const auto trial = gate->make_trial(kOracleLoop, c, context);
  EXPECT_DOUBLE_EQ(trial->footprint().value(), 131072 * (64 * 4 + 8.0)) << "scores and choice";
  const auto work = gate->work(c);
  EXPECT_EQ(trial->allocated(), work.read + work.written);
}

TEST(RoutingBench, NamesEachPointOnce) {
  for (const auto& benchmark : routed_benchmarks())
    for (const Suite suite : {Suite::quick, Suite::planner, Suite::full}) {
      std::vector<std::string> keys;
      for (const auto& c : benchmark->sweep(suite, "cpu", 1)) {
        Observation o;
        o.point = c.point;
        o.dtypes = c.dtypes;
        o.routing = c.routing;
        o.routed = c.routed;
        keys.push_back(o.key());
      }
      std::sort(keys.begin(), keys.end());
      EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << benchmark->operation();
    }
}

// The second half proves that verify() can fail: nothing was launched, so the outputs are zeros.
TEST(RoutingBench, VerifiesWhatWasLaunched) {
  for (const auto& benchmark : routed_benchmarks())
    for (const auto* dtype : {"f32", "f16", "bf16"}) {
      SCOPED_TRACE(benchmark->operation() + " " + dtype);
      const auto trial = cpu_trial(*benchmark, small_case(*benchmark, dtype));
      const auto after = tests::expect_launch_is_verified(*trial, 2);
      EXPECT_EQ(after.method, "full");
      EXPECT_GT(trial->footprint().value(), 0);
    }
}

TEST(RoutingBench, MovesFp8RowsButDoesNotAddThemUp) {
  const auto trial = cpu_trial(*make_permute(), small_case(*make_permute(), "fp8_e4m3"));
  trial->prepare(1);
  trial->launch(0, nullptr);
  EXPECT_EQ(trial->verify().max_rel_error, 0);
  EXPECT_THROW((void)cpu_trial(*make_unpermute(), small_case(*make_unpermute(), "fp8_e4m3")),
               InvalidInput);
}

// Else a skewed draw's share of a copy would be of bytes that nobody moved.
TEST(RoutingBench, CountsNoRowsThatACapacityDrops) {
  Case c = routed_case({1000, 24, 8, 2, "bf16", 1.0});
  c.routing.distribution = "power_law";
  const auto dropped = dropped_choices(c);
  EXPECT_GT(dropped, 100);
  Case whole = c;
  whole.routing.capacity_factor = 0;
  EXPECT_EQ(dropped_choices(whole), 0);
  const double bytes = static_cast<double>(dropped) * 24 * 2;
  const auto permute = make_permute(), unpermute = make_unpermute();
  EXPECT_DOUBLE_EQ((permute->work(whole).written - permute->work(c).written).value(), bytes);
  EXPECT_DOUBLE_EQ((unpermute->work(whole).read - unpermute->work(c).read).value(), bytes);
  const auto trial = cpu_trial(*permute, c);
  EXPECT_DOUBLE_EQ((trial->allocated() - trial->footprint()).value(), bytes);
}

double share_dropped(const Case& c, std::int64_t draw) {
  const auto rows = SetRouting{c, draw}.row_of;
  return static_cast<double>(std::ranges::count(rows, -1)) / static_cast<double>(rows.size());
}

std::vector<Case> cases_with_capacity(const Benchmark& benchmark, Suite suite) {
  auto cases = benchmark.sweep(suite, "cuda", 1);
  std::erase_if(cases, [](const Case& c) { return c.routing.capacity_factor == 0; });
  return cases;
}

// "With a capacity" is a measurement only where choices are dropped; a record counts those of the
// routing's own draw.
TEST(RoutingBench, DropsChoicesWhereACaseHasACapacity) {
  for (const Suite suite : {Suite::planner, Suite::full})
    for (const auto& benchmark : {make_permute(), make_unpermute()}) {
      const auto cases = cases_with_capacity(*benchmark, suite);
      EXPECT_EQ(cases.size(), 5U) << benchmark->operation();
      for (const auto& c : cases) {
        SCOPED_TRACE(benchmark->operation() + " of " + std::to_string(c.point.at("tokens")));
        const double dropped = share_dropped(c, 0);
        EXPECT_GT(dropped, 0.1);
        EXPECT_NEAR(share_dropped(c, 7), dropped, 0.02);
        const auto choices = static_cast<double>(c.point.at("tokens") * c.point.at("top_k"));
        EXPECT_DOUBLE_EQ(static_cast<double>(dropped_choices(c)) / choices, dropped);
      }
    }
}

// A peer's permute, which makes its table itself, is held against ours with the gate's. (Suite
// quick has no time for all of them.)
TEST(RoutingBench, HasAGateForTheRowsOfEveryPermute) {
  const auto numbers = [](const Case& c) {
    return std::vector{c.point.at("tokens"), c.point.at("experts"), c.point.at("top_k")};
  };
  for (const Suite suite : {Suite::planner, Suite::full}) {
    std::set<std::vector<std::int64_t>> gates;
    for (const auto& c : make_topk_gate()->sweep(suite, "cuda", 1)) gates.insert(numbers(c));
    for (const auto& c : make_permute()->sweep(suite, "cuda", 1))
      EXPECT_TRUE(gates.contains(numbers(c)))
          << testing::PrintToString(numbers(c)) << " in suite " << static_cast<int>(suite);
  }
}

TEST(RoutingBench, DrawsAnewForEverySet) {
  const Case c = routed_case({100, 8, 8, 2, "bf16"});
  EXPECT_NE(SetRouting(c, 0).row_of, SetRouting(c, 1).row_of);
  EXPECT_EQ(SetRouting(c, 1).row_of, SetRouting(c, 1).row_of);
  EXPECT_EQ(SetRouting(c, 0).capacity, 0);
}

// What makes a draw cheap: no token of it is new, and it is a table of its own all the same.
TEST(RoutingPool, MakesEveryDrawOfTokensThatWereDrawnOnce) {
  Case c = routed_case({5000, 8, 8, 2, "bf16"});
  const RoutingPool pool{c};
  ASSERT_TRUE(pool.resamples());
  const auto sources = pool.sources(3);
  const auto routing = pool.routing(3);
  ASSERT_EQ(routing.draw.expert_of.size(), 10000U);
  for (std::size_t token = 0; token < sources.size(); ++token)
    for (std::size_t choice = 0; choice < 2; ++choice) {
      const auto source = 2 * static_cast<std::size_t>(sources[token]) + choice;
      ASSERT_EQ(routing.draw.expert_of[2 * token + choice], pool.rows().expert_of[source]);
      ASSERT_EQ(routing.draw.weight_of[2 * token + choice], pool.rows().weight_of[source]);
    }
  EXPECT_EQ(std::accumulate(routing.draw.counts.begin(), routing.draw.counts.end(), 0), 10000);
  EXPECT_EQ(routing.row_of, RoutingPool{c}.routing(3).row_of) << "an equal seed, an equal table";
  c.routing.seed = 2;
  EXPECT_NE(routing.row_of, RoutingPool{c}.routing(3).row_of);
}

TEST(RoutingPool, GivesEveryDrawATableAndCountsOfItsOwn) {
  const RoutingPool pool{routed_case({1000, 8, 8, 2, "bf16"})};
  std::set<std::vector<std::int32_t>> tables;
  double sum = 0, squares = 0;
  constexpr int kDraws = 200;
  for (int number = 0; number < kDraws; ++number) {
    const auto routing = pool.routing(number);
    EXPECT_TRUE(tables.insert(routing.row_of).second) << number;
    const auto count = static_cast<double>(routing.draw.counts[0]);
    sum += count / kDraws;
    squares += count * count / kDraws;
  }
  // A binomial of 1000 tokens and a chance of a quarter: 250 +- 13.7.
  EXPECT_NEAR(sum, 250, 45);
  EXPECT_NEAR(std::sqrt(squares - sum * sum), 13.7, 3);
}

TEST(RoutingPool, GivesFewTokensOtherTablesToo) {
  for (const std::int64_t tokens : {1, 2}) {
    const RoutingPool pool{routed_case({tokens, 8, 256, 2, "bf16"})};
    std::set<std::vector<std::int32_t>> tables;
    for (int number = 0; number < 50; ++number) tables.insert(pool.routing(number).draw.expert_of);
    EXPECT_GT(tables.size(), 45U) << tokens;
  }
}

// Also where a draw has more tokens than are else drawn at once.
TEST(RoutingPool, BeginsWithTheDrawOfTheRecordedSeed) {
  for (const std::int64_t tokens : {1, 1000, 70000})
    for (const auto* distribution : {"uniform", "recorded", "power_law"}) {
      Case c = routed_case({tokens, 8, 4, 2, "bf16"});
      c.routing.distribution = distribution;
      c.routing.seed = 5;
      if (c.routing.distribution == "recorded") c.routing.loads = {4, 1, 2, 1};
      const auto first = RoutingPool{c}.routing(0).draw;
      const auto own = draw_routing({tokens, 4, 2}, c.routing);
      EXPECT_EQ(first.expert_of, own.expert_of) << distribution << " " << tokens;
      EXPECT_EQ(first.weight_of, own.weight_of);
      EXPECT_EQ(first.offsets, own.offsets);
    }
}

/// The mean square of what counts differ from their mean by, of draws 1 to 20.
template <class Draws>
double spread_of_counts(const Draws& draws) {
  constexpr int kDraws = 20;
  double spread = 0;
  for (int number = 1; number <= kDraws; ++number) {
    const auto counts = draws(number);
    const double mean = 1024.0 / static_cast<double>(counts.size());
    for (const auto count : counts) {
      const double off = static_cast<double>(count) - mean;
      spread += off * off / static_cast<double>(kDraws * counts.size());
    }
  }
  return spread;
}

TEST(RoutingPool, SpreadsCountsAlmostAsNewDrawsDo) {
  double pooled = 0, fresh = 0;
  for (const std::uint64_t seed : {1, 1001, 2001, 3001}) {
    Case c = routed_case({1024, 8, 256, 1, "bf16"});
    c.routing.seed = seed;
    const RoutingPool pool{c};
    pooled += spread_of_counts([&](int number) { return pool.routing(number).draw.counts; });
    fresh += spread_of_counts([&](int number) { return SetRouting(c, number).draw.counts; });
  }
  EXPECT_LT(pooled, 1.5 * fresh);
  EXPECT_NEAR(pooled / fresh, 1.125, 0.1) << "1 + tokens / pool";
}

// Who is busy is itself drawn anew in a power law, and nobody is in a balanced draw.
TEST(RoutingPool, DrawsAnewWhereTokensAreNotIndependent) {
  for (const auto* distribution : {"balanced", "power_law", "power_law_loads"}) {
    Case c = routed_case({1000, 8, 8, 2, "bf16"});
    c.routing.distribution = distribution;
    const RoutingPool pool{c};
    EXPECT_FALSE(pool.resamples());
    EXPECT_EQ(pool.routing(5).draw.weight_of, SetRouting(c, 5).draw.weight_of) << distribution;
  }
}

TEST(RoutingBench, BeginsWithWhatRatiosAreOf) {
  const auto leading = [](const Benchmark& benchmark) {
    const auto cases = benchmark.sweep(Suite::planner, "cuda", 1);
    return std::ranges::count_if(cases, [&](const Case& c) { return benchmark.leads(c); });
  };
  for (const auto& benchmark : routed_benchmarks()) {
    const auto all = benchmark->sweep(Suite::planner, "cuda", 1).size();
    EXPECT_GE(leading(*benchmark), 1) << benchmark->operation();
    EXPECT_LT(leading(*benchmark), static_cast<std::ptrdiff_t>(all)) << benchmark->operation();
  }
  // Long rows and many choices are among them, not only what has most tokens.
  for (const auto& benchmark : {make_permute(), make_unpermute()}) {
    EXPECT_TRUE(benchmark->leads(routed_case({16384, 4096, 8, 2, "bf16"})));
    EXPECT_TRUE(benchmark->leads(routed_case({4096, 7168, 256, 8, "bf16"})));
    for (const auto& [tokens, hidden, experts, top_k] :
         {std::array{16384, 4096, 8, 2}, std::array{4096, 7168, 256, 8}})
      EXPECT_THAT(
          points_of(*benchmark, Suite::planner),
          Contains(Point{
              {"tokens", tokens}, {"hidden", hidden}, {"experts", experts}, {"top_k", top_k}}));
  }
  const auto gate = make_topk_gate();
  EXPECT_TRUE(gate->leads(routed_case({131072, 0, 256, 8, "f32"})));
  EXPECT_FALSE(gate->leads(routed_case({4096, 0, 64, 2, "f16"})));
}

// After a redraw the old result is of another table; after a launch it is of the new one.
TEST(RoutingBench, VerifiesTheTableThatWasDrawnLast) {
  for (const auto& benchmark : routed_benchmarks()) {
    SCOPED_TRACE(benchmark->operation());
    const auto trial = cpu_trial(*benchmark, small_case(*benchmark, "bf16"));
    trial->prepare(2);
    trial->launch(0, nullptr);
    EXPECT_LE(trial->verify().max_rel_error, trial->verify().tolerance);
    EXPECT_TRUE(trial->redraw(0, 2));
    EXPECT_GT(trial->verify().max_rel_error, trial->verify().tolerance);
    trial->launch(0, nullptr);
    EXPECT_LE(trial->verify().max_rel_error, trial->verify().tolerance);
  }
}

TEST(RoutingBench, LogitsLeadTheGateToTheDraw) {
  const auto draw = draw_routing({100, 64, 8}, {.distribution = "power_law"});
  const auto logits = gate_logits(Dtype::f32, draw);
  std::vector<std::int32_t> expert_of(800), row_of(800);
  std::vector<float> weight_of(800);
  std::vector<std::int64_t> counts(64), offsets(65);
  kernels::topk_gate_cpu({.tokens = 100, .experts = 64, .top_k = 8},
                         {logits.data(), expert_of.data(), weight_of.data(), counts.data(),
                          offsets.data(), row_of.data()});
  EXPECT_EQ(counts, draw.counts);
  EXPECT_EQ(offsets, draw.offsets);
  const float largest = *std::max_element(draw.weight_of.begin(), draw.weight_of.begin() + 8);
  EXPECT_NEAR(weight_of[0], largest, 1e-5);
}

TEST(RoutingBench, FillsWithinRangeAndWithoutNan) {
  const auto bytes = uniform_bytes({Dtype::f32, 1}, 1000).whole();
  std::vector<float> values(1000);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  EXPECT_THAT(values, testing::Each(testing::AllOf(testing::Ge(-1), testing::Le(1))));
  EXPECT_LT(*std::min_element(values.begin(), values.end()), -0.9);
  EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.9);
  for (const auto dtype : {Dtype::fp8_e4m3, Dtype::fp8_e5m2}) {
    double sum = 0, largest = 0;
    for (const auto byte : uniform_bytes({dtype, 1}, 10'000).whole()) {
      const double value = decode_element(dtype, &byte);
      ASSERT_LE(std::abs(value), 1);
      sum += value;
      largest = std::max(largest, std::abs(value));
    }
    EXPECT_EQ(largest, 1);
    EXPECT_NEAR(sum / 10'000, 0, 0.03);
  }
}

TEST(RoutingBench, MeasuresErrorAgainstTheLargestValue) {
  const auto bytes_of = [](std::vector<float> values) {
    std::vector<std::byte> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  };
  EXPECT_DOUBLE_EQ(relative_error(Dtype::f32, bytes_of({1, -4}), bytes_of({1, -4})), 0);
  EXPECT_DOUBLE_EQ(relative_error(Dtype::f32, bytes_of({2, -4}), bytes_of({1, -4})), 0.25);
  EXPECT_TRUE(std::isinf(relative_error(Dtype::f32, bytes_of({NAN}), bytes_of({1}))));
  EXPECT_TRUE(std::isinf(relative_error(Dtype::f32, bytes_of({1, 2}), bytes_of({1}))));
  EXPECT_TRUE(std::isinf(relative_error(Dtype::f32, bytes_of({1}), bytes_of({0}))));
}

}  // namespace
}  // namespace moecal::bench
