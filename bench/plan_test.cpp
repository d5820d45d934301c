// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "bench/point_measurer.hpp"
#include "bench/testing/fake_benchmark.hpp"

namespace moecal::bench {
namespace {

std::vector<PlannedPoint> catalog(std::int64_t size) {
  std::vector<PlannedPoint> points(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i)
    points[static_cast<std::size_t>(i)].c.point = {{"index", i}};
  return points;
}

std::vector<std::int64_t> order_of(std::int64_t size, std::uint64_t seed) {
  std::vector<std::int64_t> order;
  for (const auto& point : spread_out(catalog(size), seed))
    order.push_back(point.c.point.at("index"));
  return order;
}

TEST(SpreadOut, KeepsEveryPointOnceInAnOrderOfTheSeed) {
  for (const std::int64_t size : {0, 1, 2, 3, 37, 64}) {
    const auto order = order_of(size, 5);
    EXPECT_EQ(order.size(), static_cast<std::size_t>(size));
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), order.size());
    EXPECT_EQ(order, order_of(size, 5));
  }
  EXPECT_NE(order_of(37, 5), order_of(37, 6));
}

TEST(SpreadOut, HasPointsEverywhereWhereverItIsCut) {
  for (const std::uint64_t seed : {1, 2, 3})
    for (const std::int64_t points : {2, 4, 8, 32}) {
      const auto order = order_of(64, seed);
      for (std::int64_t first = 0; first < 64; first += points) {
        std::set<std::int64_t> parts;
        for (std::int64_t i = first; i < first + points; ++i)
          parts.insert(order[static_cast<std::size_t>(i)] / (64 / points));
        EXPECT_EQ(parts.size(), static_cast<std::size_t>(points)) << "from " << first;
      }
    }
}

TEST(SpreadOut, LeavesNoLongStretchOutWhateverTheSize) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const auto order = order_of(37, seed);
    const std::set<std::int64_t> seen(order.begin(), order.begin() + 10);
    std::int64_t last = -1, longest = 0;
    for (const auto index : seen) longest = std::max(longest, index - std::exchange(last, index));
    EXPECT_LE(std::max(longest, 37 - last), 15) << "seed " << seed;
  }
}

TEST(SpreadOut, BeginsWithThePointsThatRatiosAreOf) {
  struct Leading final : FakeBenchmark {
    Leading() : FakeBenchmark{nullptr} {}
    [[nodiscard]] bool leads(const Case& c) const override { return c.point.at("bytes") > 96; }
  };
  const Leading benchmark;
  std::vector<PlannedPoint> plan;
  for (std::int64_t bytes = 1; bytes <= 100; ++bytes) {
    plan.push_back({&benchmark, {"fake", "cpu"}, {}, CachePolicy::warm});
    plan.back().c.point["bytes"] = bytes;
  }
  const auto ordered = spread_out(plan, 7);
  ASSERT_EQ(ordered.size(), 100U);
  for (std::size_t i = 0; i < ordered.size(); ++i)
    EXPECT_EQ(ordered[i].c.point.at("bytes") > 96, i < 4) << i;
}

TEST(MakePlan, MeasuresTheHostBesideADevice) {
  struct OfHost final : FakeBenchmark {
    explicit OfHost(bool of_host) : FakeBenchmark{nullptr}, of_host_{of_host} {}
    [[nodiscard]] std::vector<Implementation> implementations() const override {
      return {{.name = "fake", .backend = "cpu", .of_host = of_host_}};
    }
    bool of_host_;
  };
  Machine with_gpu;
  with_gpu.device = 0;
  Benchmarks host, cpu;
  host.push_back(std::make_unique<OfHost>(true));
  cpu.push_back(std::make_unique<OfHost>(false));
  EXPECT_FALSE(make_plan(host, {}, with_gpu, 1).empty());
  EXPECT_THROW((void)make_plan(cpu, {}, with_gpu, 1), InvalidInput);
}

/// Of two implementations one is choosy, and moves less.
struct Choosy final : FakeBenchmark {
  Choosy() : FakeBenchmark{nullptr} { work_.read = Bytes{1000}; }
  [[nodiscard]] std::vector<Case> sweep(Suite, const std::string&, int) const override {
    std::vector<Case> cases(2);
    cases[1].point = {{"large", 1}};
    return cases;
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return {{"choosy", "cpu"}, {"fake", "cpu"}};
  }
  [[nodiscard]] bool measures(const Implementation& implementation, const Case& c,
                              Suite suite) const override {
    return implementation.name == "fake" || suite == Suite::full || !c.point.empty();
  }
  [[nodiscard]] Work work_by(const Implementation& implementation, const Case& c) const override {
    return implementation.name == "fake" ? work(c) : Work{};
  }
};

std::ptrdiff_t points_of(const std::string& implementation, const Options& options) {
  Benchmarks benchmarks;
  benchmarks.push_back(std::make_unique<Choosy>());
  Machine machine;
  machine.last_level_cache = Bytes{100};
  return std::ranges::count_if(make_plan(benchmarks, options, machine, 1), [&](const auto& point) {
    return point.implementation.name == implementation;
  });
}

TEST(MakePlan, HasOfEachImplementationWhatItMeasuresUnlessItIsNamed) {
  EXPECT_EQ(points_of("fake", {}), 2) << "cold only: it moves more than the caches hold";
  EXPECT_EQ(points_of("choosy", {}), 2) << "one case, cold and warm: it moves less";
  Options full, named;
  full.suite = "full";
  named.implementation = "choosy";
  EXPECT_EQ(points_of("choosy", full), 4);
  EXPECT_EQ(points_of("choosy", named), 4);
}

/// Counts how often it is asked what a case of a suite comes to.
struct Counting final : FakeBenchmark {
  Counting() : FakeBenchmark{nullptr} {}
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    ++sweeps[suite];
    return std::vector<Case>(10);
  }
  [[nodiscard]] Work work(const Case&) const override {
    ++works;
    return {.flops = Flops{7}};
  }
  mutable std::map<Suite, int> sweeps;
  mutable int works = 0;
};

// To know the work of a routed product a routing is drawn, which takes up to tens of milliseconds.
TEST(List, AsksForTheCasesOfItsSuiteOnly) {
  Benchmarks benchmarks;
  benchmarks.push_back(std::make_unique<Counting>());
  const auto& counting = static_cast<const Counting&>(*benchmarks.front());
  (void)list_as_json("", benchmarks, "planner", 0);
  EXPECT_EQ(counting.sweeps, (std::map<Suite, int>{{Suite::planner, 1}}));
  EXPECT_EQ(counting.works, 10);
  (void)list_as_json("", benchmarks, "file.jsonl", 0);
  EXPECT_EQ(counting.works, 10);
}

TEST(MakePlan, AsksOnceForTheWorkOfACase) {
  Benchmarks benchmarks;
  benchmarks.push_back(std::make_unique<Counting>());
  const auto& counting = static_cast<const Counting&>(*benchmarks.front());
  Machine machine;
  machine.last_level_cache = Bytes{100};
  const auto plan = make_plan(benchmarks, {}, machine, 1);
  const auto world = make_single_rank_plane();
  for (const auto& point : plan)
    EXPECT_EQ(PointMeasurer(*world, {}).describe(point).work.flops, Flops{7});
  EXPECT_EQ(plan.size(), 20U) << "cold and warm";
  EXPECT_EQ(counting.works, 10);
}

}  // namespace
}  // namespace moecal::bench
