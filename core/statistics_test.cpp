// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/statistics.hpp"

#include <gtest/gtest.h>

#include "core/call_statistics.hpp"
#include "core/part_statistics.hpp"

namespace moecal {
namespace {

// 6 ms of a product and 3 ms of an exchange take 7 ms at once: 2 of the 3 are hidden.
TEST(PartStatistics, SayWhatAnOverlapHides) {
  Observation o;
  o.operation = "overlap";
  o.samples_s = {7e-3};
  EXPECT_FALSE(overlap_figures(o));
  EXPECT_FALSE(parts_over_whole(o));
  o.parts_s = {{"gemm", {6e-3}}, {"all_to_all", {3e-3}}, {"gemm_beside", {6.6e-3}}};
  EXPECT_FALSE(overlap_figures(o));
  o.parts_s["all_to_all_beside"] = {5e-3, 6e-3, 7e-3};
  EXPECT_NEAR(overlap_figures(o)->gemm_slowdown, 1.1, 1e-12);
  EXPECT_NEAR(overlap_figures(o)->all_to_all_slowdown, 2, 1e-12);
  EXPECT_NEAR(overlap_figures(o)->hidden_fraction, 2.0 / 3, 1e-12);
  EXPECT_NEAR(*parts_over_whole(o), 9.0 / 7, 1e-12);
}

TEST(PartStatistics, AddUpNoPartsThatWereWarmWhereTheWholeWasCold) {
  Observation o;
  o.samples_s = {2e-3};
  o.parts_s = {{"gate", {1e-3}}, {"gemm", {2e-3}}};
  EXPECT_NEAR(*parts_over_whole(o), 1.5, 1e-12);
  o.policy.cache = "cold";
  EXPECT_FALSE(parts_over_whole(o)) << "it is not known what they found";
  o.parts_cache = {{"gate", "warm"}, {"gemm", "cold"}};
  EXPECT_FALSE(parts_over_whole(o));
  EXPECT_NEAR(*least_parts_over_whole(o), 1.5, 1e-12) << "cold, the gate would take longer";
  o.parts_cache["gate"] = "cold";
  EXPECT_NEAR(*parts_over_whole(o), 1.5, 1e-12);
}

TEST(CallStatistics, AreThoseOfNcclTests) {
  Observation o;
  o.operation = "all_reduce";
  o.point = {{"bytes", 8'000'000}};
  o.ranks.group = 4;
  o.samples_s = {1e-3};
  EXPECT_NEAR(collective_rates(o)->algbw.value(), 8e9, 1);
  EXPECT_NEAR(collective_rates(o)->busbw.value(), 12e9, 1);
  EXPECT_FALSE(call_percentiles(o));
  EXPECT_FALSE(most_often_late(o));
  for (int i = 0; i <= 100; ++i) o.call_s.push_back(1e-3 * i);
  EXPECT_NEAR(call_percentiles(o)->p50, 50e-3, 1e-12);
  EXPECT_NEAR(call_percentiles(o)->p99.value(), 99e-3, 1e-12);
  o.call_s.resize(99);
  EXPECT_FALSE(call_percentiles(o)->p99) << "no call lies beyond it";
  EXPECT_NEAR(call_percentiles(o)->p95.value(), 93.1e-3, 1e-12);
  o.call_s.resize(19);
  EXPECT_FALSE(call_percentiles(o)->p95);
  EXPECT_NEAR(call_percentiles(o)->p50, 9e-3, 1e-12);
  o.late_rank = {-1, -1, -1, 3, 1, 3};
  EXPECT_EQ(most_often_late(o)->rank, 3);
  EXPECT_EQ(most_often_late(o)->calls, 2);
  o.operation = "expert_gemm";
  EXPECT_FALSE(collective_rates(o));
}

TEST(CallStatistics, OfAnExchangeOfRowsFollowFromWhatIsSent) {
  Observation o;
  o.operation = "all_to_all_v";
  o.point = {{"tokens", 64}};
  o.ranks.group = 4;
  o.samples_s = {1e-3};
  o.work.sent = Bytes{3e6};
  EXPECT_NEAR(collective_rates(o)->algbw.value(), 4e9, 1);
  EXPECT_NEAR(collective_rates(o)->busbw.value(), 3e9, 1);
}

TEST(Statistics, OfHandComputedData) {
  const std::vector<double> samples{4, 1, 3, 2, 100};
  EXPECT_DOUBLE_EQ(median(samples), 3);
  EXPECT_DOUBLE_EQ(mean(samples), 22);
  EXPECT_DOUBLE_EQ(quantile(samples, 0.25), 2);
  EXPECT_DOUBLE_EQ(scaled_mad(samples), 1.4826);
  EXPECT_EQ(outliers(samples), (std::vector<bool>{false, false, false, false, true}));
  EXPECT_THROW((void)median({}), InvalidInput);
}

// Binomial tables: of 9 samples the second to the eighth cover the median in 96.1 % of all cases.
TEST(Statistics, HalfWidthIsThatOfTheOrderStatistics) {
  const std::vector<double> nine{1, 2, 3, 4, 5, 6, 7, 9, 10};
  EXPECT_DOUBLE_EQ(relative_median_half_width(nine, 0.95), (9.0 - 5.0) / 5.0);
  EXPECT_DOUBLE_EQ(relative_median_half_width(nine, 0.97), (10.0 - 5.0) / 5.0);
  const std::vector<double> three{1, 2, 4};
  EXPECT_DOUBLE_EQ(relative_median_half_width(three, 0.95), 1.0);
  EXPECT_DOUBLE_EQ(relative_median_half_width(std::vector<double>{7}, 0.95), 0.0);
}

}  // namespace
}  // namespace moecal
