// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/predict.hpp"
#include "calibration/testing/line_models.hpp"

namespace moecal::calibration {
namespace {

using synthetic::ask;
using synthetic::joint_model;
using synthetic::line_model;
using synthetic::over;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Predict, AsksTheJointModelOfAGroupThatWasNeverMeasured) {
  const Coefficients c{
      "", "", {line_model("a", over(2), 1e-5), line_model("b", over(8), 7e-5), joint_model()}};
  const auto between = predict(c, ask(4, 1024)).prediction.value();
  // Joint and linear in ranks agree on 3e-5; log-log in ranks says less.
  EXPECT_NEAR(between.seconds, 3e-5 + 1.024e-7, 1e-12);
  // Wider than what was calibrated by as much as the three disagree.
  const double apart =
      std::log((3e-5 + 1.024e-7) / std::sqrt((1e-5 + 1.024e-7) * (7e-5 + 1.024e-7)));
  EXPECT_NEAR(std::log(between.hi / between.seconds), std::hypot(0.15, apart / 2), 1e-9);
  EXPECT_EQ(between.model_id, "joint + a + b");
  EXPECT_THAT(between.flags, ElementsAre("a group of 4 ranks was never measured: predicted by a "
                                         "joint model from groups of 2, 8",
                                         HasSubstr("no other system of the fit lent what can stand "
                                                   "in over groups of 2, 4, 8")));
  const auto past = predict(c, ask(16, 1024)).prediction.value();
  EXPECT_NEAR(past.seconds, 15e-5 + 1.024e-7, 1e-12);
  EXPECT_GT(std::log(past.hi / past.seconds), 0.2);
  const auto far = predict(c, ask(64, 1024)).prediction.value();
  EXPECT_GT(std::log(far.hi / far.seconds), 3 * 0.2);  // three doublings away
}

/// 10 us a further rank of a node and 50 us a further node, of 8 ranks a node and 4.
Coefficients between_nodes() {
  Coefficients c{"", "", {joint_model()}};
  auto& joint = c.models[0];
  joint.conditions.tier = "inter";
  joint.parameters = {{"latency", 0, "s", 0},
                      {"latency_per_rank", 1e-5, "s", 0},
                      {"latency_per_node", 5e-5, "s", 0},
                      {"inverse_bandwidth_inter", 1e-10, "s/B", 0},
                      {"sharpness", 1, "1", 0}};
  // Every group takes 1.1 times what the joint model says, but for what bytes add.
  for (const auto& [group, nodes] : {std::pair{8, 2}, {16, 2}, {32, 4}}) {
    auto conditions = over(group);
    conditions.tier = "inter";
    conditions.nodes = nodes;
    c.models.push_back(line_model(std::to_string(group), conditions,
                                  1.1 * (1e-5 * (group / nodes - 1) + 5e-5 * (nodes - 1))));
  }
  return c;
}

TEST(Predict, TakesAGroupMeasuredOnOtherNodesToThoseAskedOf) {
  const auto c = between_nodes();
  auto query = ask(16, 1024);
  query.tier = "inter";
  query.nodes = 2;
  EXPECT_EQ(predict(c, query).prediction->model_id, "16");
  query.nodes = 4;
  const auto p = predict(c, query).prediction.value();
  EXPECT_NEAR(p.seconds, 1.1 * (3e-5 + 15e-5), 1e-6);
  EXPECT_THAT(p.flags, Contains("a group of 16 ranks on 4 nodes was never measured: predicted by a "
                                "joint model from groups of 8, 16, 32"));
  EXPECT_THAT(p.flags, Contains(HasSubstr("16 ranks on 2 nodes is taken to 4 nodes")));
  EXPECT_GT(std::log(p.hi / p.seconds), 2 * 0.2) << "a doubling of nodes is a doubling away";
}

TEST(Predict, LeansOnNeighboursWithTheRanksPerNodeAskedOf) {
  auto c = between_nodes();
  auto query = ask(24, 1024);
  query.tier = "inter";
  query.nodes = 3;  // 8 a node, as 16 on 2 and 32 on 4 were measured
  const auto p = predict(c, query).prediction.value();
  EXPECT_NEAR(p.seconds, 1.1 * (7e-5 + 10e-5), 1e-6);
  EXPECT_THAT(p.flags, Not(Contains(HasSubstr("is taken to"))));
  query.nodes = 12;  // 2 a node
  EXPECT_NEAR(predict(c, query).prediction->seconds, 1.1 * (1e-5 + 55e-5), 5e-5);
}

TEST(Predict, TakesWhatOtherSystemsShowOfAGroup) {
  auto joint = joint_model();
  joint.donor_ratios = {{16, {8}, {{1024, 1.5}, {4096, 1.5}}}};
  joint.parameters[1].value = 1e-6;  // wrong: two of three opinions must outvote it
  const Coefficients c{
      "", "", {line_model("a", over(2), 1e-5), line_model("b", over(8), 7e-5), joint}};
  const auto p = predict(c, ask(16, 2048)).prediction.value();
  EXPECT_NEAR(p.seconds, 1.5 * (7e-5 + 2.048e-7), 1e-12);
  EXPECT_THAT(p.flags.back(), HasSubstr("and what other systems show"));
}

TEST(Predict, SpeaksOfNoTierThatWasNotMeasured) {
  const Coefficients c{
      "", "", {line_model("a", over(2), 1e-5), line_model("b", over(8), 4e-5), joint_model()}};
  auto query = ask(16, 1024);
  query.tier = "inter";
  EXPECT_EQ(predict(c, query).missing,
            "no model of all_reduce over 16 ranks, tier inter; tier inter: the models have "
            "intra; group 16: the models have 2, 8");
}

TEST(Predict, LeansOnNeighboursOfTheJointModelsOwnDtype) {
  const Coefficients c{"",
                       "",
                       {line_model("f16-2", over(2), 1e-5), line_model("f16-4", over(4), 3e-5),
                        line_model("int8-8", over(8, "int8"), 7e-4), joint_model()}};
  const auto p = predict(c, ask(6, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "joint + f16-2 + f16-4");
  EXPECT_THAT(p.flags, Contains("left out: groups of 8 were measured, but in int8"));
  EXPECT_THAT(predict(c, ask(6, 1024, "bf16")).prediction->flags,
              Contains("dtype f16 stands in for bf16"));
}

TEST(Predict, SaysHowTheGroupsThatAreLeftOutWereMeasured) {
  auto in_place = over(8), set = over(16), both = over(32, "int8");
  in_place.implementation = "nccl_in_place";
  set.settings = both.settings = {{"NCCL_ALGO", "Ring"}};
  const Coefficients c{"",
                       "",
                       {line_model("2", over(2), 1e-5), line_model("4", over(4), 3e-5),
                        line_model("8", in_place, 7e-5), line_model("16", set, 9e-5),
                        line_model("32", both, 9e-5), joint_model()}};
  const auto flags = predict(c, ask(3, 1024)).prediction->flags;
  EXPECT_THAT(flags, Contains("left out: groups of 8 were measured, but by nccl_in_place"));
  EXPECT_THAT(flags, Contains("left out: groups of 16 were measured, but with NCCL_ALGO=Ring"));
  EXPECT_THAT(flags,
              Contains("left out: groups of 32 were measured, but in int8, with NCCL_ALGO=Ring"));
}
}  // namespace
}  // namespace moecal::calibration
