// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/kernel_benchmarks.hpp"

// README's shares of a copy are medians over points of 256 MiB moved and more: a kernel that the
// planner has no such point of would have no ratio.
namespace moecal::bench {
namespace {

constexpr double kJudged = 256.0 * (1 << 20);  // bytes moved

/// What has a kernel of its own, or a row in the table of ratios.
std::string variant(const Benchmark& benchmark, const Case& c) {
  std::string name = benchmark.operation();
  if (c.dtypes.scale_mode != "none" && !c.dtypes.scale_mode.empty())
    name += " " + c.dtypes.scale_mode;
  if (c.routing.capacity_factor > 0) return name + " with a capacity";
  // A cast is one kernel, whatever the number of choices.
  const bool by_choices = c.routed && c.dtypes.a == c.dtypes.c;
  return by_choices ? name + " top-" + std::to_string(c.point.at("top_k")) : name;
}

std::set<std::string> variants(Suite suite, double least_moved) {
  std::set<std::string> found;
  for (const auto& make : {make_permute, make_unpermute, make_quantize, make_swiglu}) {
    const auto benchmark = make();
    for (const auto& c : benchmark->sweep(suite, "cuda", 1)) {
      const auto work = benchmark->work(c);
      if ((work.read + work.written).value() >= least_moved) found.insert(variant(*benchmark, c));
    }
  }
  return found;
}

TEST(JudgedPoints, AreInPlannerForEveryKernel) {
  const auto judged = variants(Suite::planner, kJudged);
  EXPECT_EQ(judged, variants(Suite::full, 0));
  EXPECT_EQ(judged.size(), 15U) << testing::PrintToString(judged);
}

}  // namespace
}  // namespace moecal::bench
