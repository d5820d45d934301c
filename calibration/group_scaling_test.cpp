// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_scaling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/fit.hpp"
#include "calibration/group_opinions.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A cluster of nodes of 8 whose cost is known: 5 us, 1 us a rank, 12 us a node, 300 GB/s inside a
/// node and 40 GB/s between nodes, with a sharp corner.
double cluster_seconds(int ranks, int nodes, double bytes) {
  const double latency = 5e-6 + 1e-6 * (ranks / nodes - 1) + 12e-6 * (nodes - 1);
  const double transfer = bytes / (nodes > 1 ? 40e9 : 300e9);
  return std::pow(std::pow(latency, 3) + std::pow(transfer, 3), 1.0 / 3);
}

struct Group {
  int ranks, nodes;
};

std::vector<Observation> cluster(const std::vector<Group>& groups, double spread) {
  std::vector<Observation> all;
  for (const auto& [ranks, nodes] : groups) {
    const auto seconds = [ranks = ranks, nodes = nodes](double bytes) {
      return cluster_seconds(ranks, nodes, bytes);
    };
    auto curve = synthetic::curve("all_to_all", ranks, 18, seconds,
                                  {.spread = spread, .seed = static_cast<unsigned>(ranks)});
    for (auto& o : curve) {
      o.ranks.nodes = nodes;
      o.ranks.tier = nodes > 1 ? "inter" : "intra";
      all.push_back(o);
    }
  }
  return all;
}

Coefficients fit_of(const std::vector<Group>& groups, double spread) {
  const std::vector files{synthetic::file(cluster(groups, spread))};
  return parse_coefficients(to_json(fit(files, {}).coefficients), "c.json");
}

const Model& joint_of(const Coefficients& coefficients) {
  for (const auto& model : coefficients.models)
    if (model.form == "group_scaling") return model;
  throw InvalidInput{"there is no joint model"};
}

const std::vector<Group> kMeasured{{2, 1}, {4, 1}, {8, 1}, {16, 2}, {32, 4}, {48, 6}};

TEST(GroupScaling, RecoversLatencyAndBandwidthOfEachTier) {
  const auto coefficients = fit_of(kMeasured, 0.02);
  const auto& joint = joint_of(coefficients);
  EXPECT_NEAR(parameter(joint, "latency"), 5e-6, 0.4e-6);
  EXPECT_NEAR(parameter(joint, "latency_per_rank"), 1e-6, 0.1e-6);
  EXPECT_NEAR(parameter(joint, "latency_per_node"), 12e-6, 0.6e-6);
  EXPECT_NEAR(1 / parameter(joint, "inverse_bandwidth_intra"), 300e9, 10e9);
  EXPECT_NEAR(1 / parameter(joint, "inverse_bandwidth_inter"), 40e9, 1e9);
  EXPECT_EQ(joint.conditions.group, kAnyGroup);
  EXPECT_EQ(joint.conditions.tier, "inter");
  EXPECT_EQ(joint.validity.at("nodes"), (std::pair{1.0, 6.0}));
}

TEST(GroupScaling, PredictsANodeCountThatWasNeverMeasured) {
  const auto coefficients = fit_of(kMeasured, 0.01);
  for (const std::int64_t bytes : {1024, 262144, 16777216}) {
    Query query{.operation = "all_to_all", .point = {{"bytes", bytes}}, .group = 64};
    query.tier = "inter";
    for (const int nodes : {0, 8}) {  // 0: spread as the measured groups are
      query.nodes = nodes;
      const auto p = predict(coefficients, query).prediction.value();
      const double truth = cluster_seconds(64, 8, static_cast<double>(bytes));
      EXPECT_NEAR(p.seconds / truth, 1, 0.08) << bytes;
      EXPECT_LE(p.lo, truth) << bytes;
      EXPECT_GE(p.hi, truth) << bytes;
      EXPECT_THAT(p.flags,
                  testing::Contains(HasSubstr(nodes == 0 ? "64 ranks was never measured"
                                                         : "64 ranks on 8 nodes was never")));
    }
  }
}

TEST(GroupScaling, CalibratesItsIntervalOnGroupsLeftOut) {
  const auto coefficients = fit_of({{2, 1}, {4, 1}, {8, 1}}, 0.02);
  const auto& joint = joint_of(coefficients);
  for (const auto& quantiles : {joint.residual_quantiles, joint.between_quantiles}) {
    ASSERT_EQ(quantiles.size(), 3U);
    for (const auto& regime : quantiles) {
      EXPECT_GT(regime.half_width_90, 0.01);
      EXPECT_LT(regime.half_width_90, 0.3);
    }
  }
  // Two groups leave nothing to leave out: the interval says that it was not calibrated.
  const auto two = fit_of({{2, 1}, {4, 1}}, 0.02);
  Query query{.operation = "all_to_all", .point = {{"bytes", 4096}}, .group = 8};
  EXPECT_THAT(predict(two, query).prediction->flags,
              testing::Contains(HasSubstr("not calibrated")));
}

TEST(GroupScaling, ClaimsNoMoreThanAClockTells) {
  const auto joint = joint_of(fit_of(kMeasured, 0));
  for (const auto* quantiles : {&joint.residual_quantiles, &joint.between_quantiles})
    for (const auto& quantile : *quantiles)
      EXPECT_TRUE(quantile.count == 0 || quantile.half_width_90 >= 0.001);
}

TEST(GroupScaling, OneGroupMakesNoJointModel) {
  EXPECT_THROW((void)joint_of(fit_of({{2, 1}}, 0)), InvalidInput);
}

TEST(GroupOpinions, NeighboursAreOnEitherSideOrTheNearestTwo) {
  const std::vector<int> groups{2, 4, 16};
  EXPECT_THAT(neighbours(groups, 8), ElementsAre(4, 16));
  EXPECT_THAT(neighbours(groups, 3), ElementsAre(2, 4));
  EXPECT_THAT(neighbours(groups, 32), ElementsAre(4, 16));
  EXPECT_THAT(neighbours(groups, 1), ElementsAre(2, 4));
  EXPECT_THAT(donor_basis(groups, 32), ElementsAre(16));
  EXPECT_THAT(donor_basis(groups, 8), ElementsAre(4, 16));
  EXPECT_TRUE(is_between(groups, 8));
  EXPECT_FALSE(is_between(groups, 32));
}

TEST(GroupOpinions, LinesOverRanks) {
  EXPECT_DOUBLE_EQ(linear_in_ranks({{2, 1.0}, {4, 2.0}}, 8), 4.0);
  EXPECT_DOUBLE_EQ(log_log_in_ranks({{2, 1.0}, {4, 2.0}}, 8), 4.0);
  EXPECT_DOUBLE_EQ(log_log_in_ranks({{2, 1.0}, {8, 4.0}}, 4), 2.0);
  // Noise must not make a larger group nearly free.
  EXPECT_DOUBLE_EQ(linear_in_ranks({{2, 2.0}, {4, 1.0}}, 8), 0.5);
}

TEST(GroupOpinions, ADonorsRatioIsInterpolatedAndHeldAtItsEnds) {
  const DonorRatio donor{8, {4}, {{100, 1.0}, {400, 4.0}}};
  EXPECT_DOUBLE_EQ(ratio_at(donor, 200), 2.0);
  EXPECT_DOUBLE_EQ(ratio_at(donor, 10), 1.0);
  EXPECT_DOUBLE_EQ(ratio_at(donor, 1000), 4.0);
}

}  // namespace
}  // namespace moecal::calibration
