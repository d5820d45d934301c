// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/call_floor.hpp"

#include <gtest/gtest.h>

namespace moecal::planning {
namespace {

/// 1 PFLOPS, 1 TB/s, 10 MB of cache, links of 100 GB/s, 8 devices with 10 GB/s of network each.
Card card() {
  Card card;
  card.id = "test";
  card.peak["bf16"] = {FlopsPerSecond{1e15}, "", true};
  card.peak["f32"] = {FlopsPerSecond{5e13}, "", true};
  card.peak["tf32"] = {FlopsPerSecond{5e14}, "", true};
  card.memory_bandwidth = {BytesPerSecond{1e12}, "", true};
  card.last_level_cache = {Bytes{1e7}, "", true};
  card.link.rate = {BytesPerSecond{1e11}, "", true};
  card.nic.rate = {BytesPerSecond{1e10}, "", true};
  card.devices_per_node = {8, "", true};
  return card;
}

calibration::Query query(const std::string& operation, const Point& point) {
  calibration::Query query;
  query.operation = operation;
  query.point = point;
  return query;
}

std::optional<CallFloor> floor_of(const calibration::Query& query,
                                  const std::string& implementation = "",
                                  const std::string& dtype = "bf16") {
  calibration::Conditions conditions;
  conditions.implementation = implementation;
  conditions.dtype = dtype;
  return call_floor(card(), query, conditions);
}

TEST(CallFloor, OfAProductIsItsArithmeticOrItsBytes) {
  const auto large = floor_of(query("expert_gemm", {{"m", 8192}, {"n", 8192}, {"k", 8192}}));
  EXPECT_NEAR(large->seconds, 2.0 * 8192 * 8192 * 8192 / (kNominalTolerance * 1e15), 1e-12);
  EXPECT_EQ(large->of, "nominal peak of bf16");
  const auto thin = floor_of(query("expert_gemm", {{"m", 1}, {"n", 8192}, {"k", 8192}}));
  EXPECT_NEAR(thin->seconds, 2.0 * (8192.0 * 8192 + 2 * 8192) / (kNominalTolerance * 1e12), 1e-9);
  EXPECT_EQ(thin->of, "nominal memory bandwidth");
  const auto cached = floor_of(query("expert_gemm", {{"m", 1}, {"n", 1024}, {"k", 1024}}));
  EXPECT_EQ(cached->of, "nominal peak of bf16") << "its bytes may lie in the cache";
}

// As imports bound it: a library may multiply floats in TF32.
TEST(CallFloor, OfAProductOfFloatsIsOfTf32) {
  const auto floor =
      floor_of(query("expert_gemm", {{"m", 8192}, {"n", 8192}, {"k", 8192}}), "torch", "f32");
  EXPECT_NEAR(floor->seconds, 2.0 * 8192 * 8192 * 8192 / (kNominalTolerance * 5e14), 1e-12);
  EXPECT_EQ(floor->of, "nominal peak of tf32");
}

// Unfused attention writes its scores and reads them twice, which are most of its bytes.
TEST(CallFloor, OfFusedAttentionIsOfItsOperandsAndResult) {
  const auto attention = query("attention", {{"batch", 4},
                                             {"sequence", 8192},
                                             {"heads", 32},
                                             {"kv_heads", 32},
                                             {"head_size", 128},
                                             {"causal", 0}});
  const double operand = 2.0 * 4 * 8192 * 32 * 128;
  const double scores = 2.0 * 4 * 32 * 8192 * 8192;
  EXPECT_NEAR(floor_of(attention, "cudnn_fused")->seconds, 4 * operand / (kNominalTolerance * 1e12),
              1e-9);
  EXPECT_NEAR(floor_of(attention, "cublaslt_unfused")->seconds,
              (4 * operand + 4 * scores) / (kNominalTolerance * 1e12), 1e-9);
}

TEST(CallFloor, OfRoutedRowsIsOfThoseThatACapacityLeaves) {
  const auto permute =
      query("permute", {{"tokens", 65536}, {"hidden", 4096}, {"experts", 16}, {"top_k", 2}});
  calibration::Conditions all, some;
  all.dtype = some.dtype = "bf16";
  some.routing = {"power_law", 1.2, 1.2};
  const double token_bytes = 2.0 * 65536 * 4096, indices = 4.0 * 2 * 65536;
  EXPECT_NEAR(call_floor(card(), permute, all)->seconds, (3 * token_bytes + indices) / 1.02e12,
              1e-9);
  const double rows_left = 2 * (1 - 0.36);  // of a token; RoutingBench's draws drop 36 %
  EXPECT_NEAR(call_floor(card(), permute, some)->seconds,
              ((1 + rows_left) * token_bytes + indices) / 1.02e12, 4e-5);
}

// A model of floats stands in for bf16: its time is that of half the bytes, and so is the floor.
TEST(CallFloor, IsOfTheDtypeAskedForWhereAnotherStandsIn) {
  auto swiglu = query("swiglu", {{"tokens", 65536}, {"inner", 14336}});
  const auto measured = floor_of(swiglu, "own", "f32");
  swiglu.dtype = "bf16";
  EXPECT_NEAR(floor_of(swiglu, "own", "f32")->seconds, measured->seconds / 2, 1e-9);
}

TEST(CallFloor, OfWhatFitsTheCacheIsUnknown) {
  EXPECT_FALSE(floor_of(query("memory_copy", {{"bytes", 1 << 20}})));
  EXPECT_NEAR(floor_of(query("memory_copy", {{"bytes", 1 << 30}}))->seconds,
              2.0 * (1 << 30) / (kNominalTolerance * 1e12), 1e-9);
}

// Switches that add up carry the bytes of an all-reduce once.
TEST(CallFloor, OfACollectiveIsWhatALinkMustCarry) {
  const double bytes = 1 << 20;
  for (const auto& [operation, share] :
       {std::pair{"all_reduce", 1.0}, {"all_gather", 0.75}, {"all_to_all", 0.75}}) {
    auto asked = query(operation, {{"bytes", 1 << 20}});
    asked.group = 4;
    EXPECT_NEAR(floor_of(asked)->seconds, share * bytes / (kNominalTolerance * 1e11), 1e-12)
        << operation;
  }
  for (const auto& [operation, share] :
       {std::pair{"all_reduce", 1.0 / 8}, {"all_gather", 0.5 / 8}, {"all_to_all", 0.5}}) {
    auto asked = query(operation, {{"bytes", 1 << 20}});
    asked.group = 16;
    asked.tier = "inter";
    EXPECT_FALSE(floor_of(asked)) << "over how many nodes is not said";
    asked.nodes = 2;
    EXPECT_NEAR(floor_of(asked)->seconds, share * bytes / (kNominalTolerance * 1e10), 1e-12)
        << operation;
  }
}

TEST(CallFloor, OfRoutedOrUnlistedWorkIsUnknown) {
  EXPECT_FALSE(floor_of(query("launch", {{"launches", 8}})));
  EXPECT_FALSE(floor_of(query("grouped_gemm", {{"m", 8}, {"n", 8}, {"k", 8}, {"groups", 8}})));
  calibration::Conditions conditions;
  conditions.dtype = "bf16";
  EXPECT_FALSE(
      call_floor(Card{}, query("expert_gemm", {{"m", 8}, {"n", 8}, {"k", 8}}), conditions));
}

}  // namespace
}  // namespace moecal::planning
