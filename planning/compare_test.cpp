// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "planning/propagate.hpp"

namespace moecal::planning {
namespace {

using testing::HasSubstr;

/// A card whose all-reduce over 8 takes `seconds`, known within a factor exp(half_width).
ComparedCard card(const std::string& id, double seconds, double half_width, double memory = 1e11) {
  ComparedCard compared;
  compared.card.id = compared.card.name = id;
  compared.card.memory = Nominal<Bytes>{Bytes{memory}, "test"};
  calibration::Model model;
  model.id = "all_reduce/" + id;
  model.operation = "all_reduce";
  model.card = id;
  model.system = id + "-8";
  model.conditions.dtype = "f16";
  model.conditions.group = 8;
  model.form = "segmented_latency_bandwidth";
  model.parameters = {{"latency", seconds, "s", 0}, {"inverse_bandwidth_1", 1e-30, "s/B", 0}};
  model.validity = {{"bytes", {1, 1e12}}};
  model.residual_quantiles = {{0, 0, half_width, 100}};
  model.provenance = "imported";
  compared.models.models = {model};
  return compared;
}

calibration::Query all_reduce(std::int64_t bytes) {
  calibration::Query query;
  query.operation = "all_reduce";
  query.group = 8;
  query.point = {{"bytes", bytes}};
  return query;
}

TEST(Compare, GivesARatioWithItsIntervalAndSaysWhatItMeans) {
  const auto first = card("first", 1e-5, 0.1);
  const auto call = compare_call(first, card("slow", 3e-5, 0.2), all_reduce(1024));
  ASSERT_TRUE(call.ratio.has_value());
  EXPECT_NEAR(*call.ratio, 3, 1e-9);
  EXPECT_EQ(call.standing, Standing::faster);
  EXPECT_EQ(compare_call(first, card("fast", 3e-6, 0.2), all_reduce(1024)).standing,
            Standing::slower);
  EXPECT_EQ(compare_call(first, card("like", 1.05e-5, 0.2), all_reduce(1024)).standing,
            Standing::undecided);
}

TEST(Compare, TakesTheSettingOfTheMostPoints) {
  auto other = card("other", 3e-5, 0.2);
  auto& models = other.models.models;
  models.push_back(models.front());
  models.back().id += "/Tree";
  models.back().parameters.front().value = 5e-5;
  models.front().conditions.settings = {{"NCCL_ALGO", "Ring"}};
  models.back().conditions.settings = {{"NCCL_ALGO", "Tree"}};
  models.back().quality.points = 9;
  const auto call = compare_call(card("first", 1e-5, 0.1), other, all_reduce(1024));
  ASSERT_TRUE(call.ratio.has_value());
  EXPECT_NEAR(*call.ratio, 5, 1e-9);
  EXPECT_THAT(call.other.prediction->flags,
              testing::Contains(HasSubstr("NCCL_ALGO=Tree, the setting of the most points")));
}

// Collectives are asked for in f16, and measured in whatever dtype stands for all.
TEST(Compare, TakesWhatWasMeasuredBeforeWhatWasTransferred) {
  auto other = card("other", 3e-5, 0.2);
  auto& models = other.models.models;
  models.push_back(models.front());
  models.front().provenance = "transferred";
  models.back().id += "/bf16";
  models.back().conditions.dtype = "bf16";
  models.back().parameters.front().value = 2e-5;
  models.back().provenance = "measured";
  auto query = all_reduce(1024);
  query.dtype = "f16";
  const auto call = compare_call(card("first", 1e-5, 0.1), other, query);
  EXPECT_EQ(call.other.prediction->provenance, "measured");
  EXPECT_NEAR(*call.ratio, 2, 1e-9);
}

TEST(Compare, LetsSharedErrorsCancel) {
  const auto call =
      compare_call(card("first", 1e-5, 0.3), card("other", 2e-5, 0.3), all_reduce(1024));
  ASSERT_TRUE(call.interval.has_value());
  const double half = 0.5 * std::log(call.interval->hi / call.interval->lo);
  EXPECT_LT(half, 0.97 * std::hypot(0.3, 0.3)) << "narrower than two independent errors";
  EXPECT_GT(half, 0.85 * std::hypot(0.3, 0.3)) << "but most of an error is one card's own";
  const auto itself =
      compare_call(card("first", 1e-5, 0.3), card("first", 1e-5, 0.3), all_reduce(1024));
  EXPECT_NEAR(itself.interval->lo, 1, 1e-12) << "a card's error against itself is none";
  EXPECT_NEAR(itself.interval->hi, 1, 1e-12);
}

TEST(Compare, GivesNoNumberWhereACardHasNoAnswer) {
  auto query = all_reduce(1024);
  query.group = 4;
  const auto call = compare_call(card("first", 1e-5, 0.1), card("other", 1e-5, 0.1), query);
  EXPECT_FALSE(call.ratio.has_value());
  EXPECT_FALSE(call.interval.has_value());
  EXPECT_EQ(call.standing, Standing::unknown);
  EXPECT_THAT(call.other.missing, HasSubstr("no model of all_reduce"));
}

TEST(Compare, GivesNoNumberForWhatDoesNotFit) {
  const auto call = compare_call(card("first", 1e-5, 0.1), card("small", 1e-5, 0.1, 1e9),
                                 all_reduce(2'000'000'000));
  EXPECT_TRUE(call.first.fits);
  EXPECT_FALSE(call.other.fits);
  EXPECT_FALSE(call.ratio.has_value());
  EXPECT_EQ(call.standing, Standing::does_not_fit);
}

TEST(Compare, CountsTheBuffersOfACall) {
  EXPECT_DOUBLE_EQ(device_bytes(all_reduce(1000)), 1000);
  auto query = all_reduce(1000);
  query.operation = "all_to_all";
  EXPECT_DOUBLE_EQ(device_bytes(query), 2000);
  query.operation = "all_gather";
  EXPECT_DOUBLE_EQ(device_bytes(query), 1125);
  calibration::Query gemm;
  gemm.operation = "expert_gemm";
  gemm.dtype = "bf16";
  gemm.point = {{"m", 2}, {"n", 3}, {"k", 5}};
  EXPECT_DOUBLE_EQ(device_bytes(gemm), 2 * (2 * 5 + 5 * 3 + 2 * 3));
}

TEST(Compare, AsksForLayersExchangesAndWhatCrossesNodes) {
  std::set<std::string> operations;
  bool crosses_nodes = false;
  for (const auto& call : planning_calls()) {
    operations.insert(call.operation);
    crosses_nodes = crosses_nodes || (call.tier == "inter" && call.nodes == 2);
    EXPECT_GT(device_bytes(call), 0) << call.operation;
  }
  for (const char* operation : {"moe_layer", "moe_dispatch", "moe_combine"})
    EXPECT_TRUE(operations.contains(operation)) << operation;
  EXPECT_TRUE(crosses_nodes);
}

TEST(Compare, TakesMemoryDemandsFromTheDocuments) {
  const auto demands = memory_demands(read_claims(MOECAL_SOURCE_DIR "/claims"));
  const auto find = [&](const std::string& claim) {
    for (const auto& demand : demands)
      if (demand.claim == claim) return demand.bytes;
    return 0.0;
  };
  EXPECT_NEAR(find("b200-8gpu.dp4-ep2.model-memory"), 48.308e9, 1e6);
  EXPECT_NEAR(find("b200-8gpu.dp4-ep2.total-memory"), 73e9, 1);
  EXPECT_EQ(find("b200-8gpu.dp4-ep2.headroom"), 0) << "what another card would have left";
}

}  // namespace
}  // namespace moecal::planning
