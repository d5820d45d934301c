// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/floor_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planning/expression.hpp"

namespace moecal::planning {
namespace {

// Round numbers, so that every floor below can be computed in one's head.
Hardware round_hardware() {
  Hardware hardware;
  hardware.source = "test card";
  hardware.peak_flops = {{"bf16", 1e3}, {"fp8", 2e3}};
  hardware.links = {{"nvlink", 100}, {"ib", 10}};
  hardware.memory = 1000;
  hardware.host_link = 50;
  hardware.host_memory = 280;
  return hardware;
}

Cost floor_of(const std::string& formula, const Hardware& hardware = round_hardware()) {
  Cost cost;
  (void)Expression{formula, {}, "test"}.evaluate([&](const CostCall& call) {
    cost = FloorSource{hardware}.cost(call);
    return 0.0;
  });
  return cost;
}

double seconds(const std::string& formula) { return floor_of(formula).seconds(); }

TEST(FloorSource, GemmIsArithmeticOrTraffic) {
  EXPECT_DOUBLE_EQ(seconds("gemm(100, 100, 1000, bf16)"), 2e4);  // 2e7 FLOP at 1e3
  EXPECT_DOUBLE_EQ(seconds("gemm(1, 10, 100, bf16)"), 2.22);     // 2 (100 + 1000 + 10) B
  EXPECT_DOUBLE_EQ(seconds("gemm(1, 10, 100, fp8)"), 1.11);      // half the bytes
  EXPECT_DOUBLE_EQ(seconds("grouped_gemm(3, 1, 10, 100, bf16)"), 3 * 2.22);
  Hardware without = round_hardware();
  without.memory.reset();
  EXPECT_DOUBLE_EQ(floor_of("gemm(1, 10, 100, bf16)", without).seconds(), 2);
}

TEST(FloorSource, Routing) {
  EXPECT_DOUBLE_EQ(seconds("permute(10, 5, 2, bf16)"), 0.3);  // (10 + 20) rows of 10 B
  EXPECT_DOUBLE_EQ(seconds("unpermute(10, 5, 2, fp8)"), 0.15);
  // GEMM 160 FLOP (its 136 B take less), then 4 x (4 x 2 + 8) B.
  EXPECT_DOUBLE_EQ(seconds("gate(4, 2, 10, 1, bf16)"), 0.16 + 0.064);
  EXPECT_DOUBLE_EQ(seconds("attn(1, 100, 2, 5, bf16)"), 200);  // 4 x 1e4 x 10 / 2 FLOP
}

TEST(FloorSource, CollectivesByTheBytesOnOneLink) {
  EXPECT_DOUBLE_EQ(seconds("all_reduce(1000, 4, nvlink)"), 15);
  EXPECT_DOUBLE_EQ(seconds("all_reduce(1000, 1, nvlink)"), 0);
  EXPECT_DOUBLE_EQ(seconds("all_reduce_nvls(1000, 4, nvlink)"), 10);
  EXPECT_DOUBLE_EQ(seconds("reduce_scatter(1000, 4, nvlink)"), 7.5);
  EXPECT_DOUBLE_EQ(seconds("all_gather(1000, 2, nvlink)"), 5);
  EXPECT_DOUBLE_EQ(seconds("all_to_all(1000, 4, ib)"), 75);
  EXPECT_DOUBLE_EQ(seconds("broadcast(1000, 65, ib)"), 100);
  EXPECT_DOUBLE_EQ(seconds("send_recv(1000, ib)"), 100);
}

TEST(FloorSource, HostAndMemory) {
  EXPECT_DOUBLE_EQ(seconds("h2d(100)"), 2);
  EXPECT_DOUBLE_EQ(seconds("d2h(100)"), 2);
  EXPECT_DOUBLE_EQ(seconds("cpu_adam(10)"), 1);  // 28 B a parameter
  EXPECT_DOUBLE_EQ(seconds("stream(500)"), 0.5);
}

TEST(FloorSource, SaysWhichRateIsUnknown) {
  EXPECT_THAT(floor_of("all_reduce(1, 2, link)").missing,
              testing::AllOf(testing::HasSubstr("test card"), testing::HasSubstr("tier link")));
  EXPECT_THAT(floor_of("gemm(1, 1, 1, int8)").missing, testing::HasSubstr("peak of int8"));
}

}  // namespace
}  // namespace moecal::planning
