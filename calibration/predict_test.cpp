// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/features.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/releases.hpp"
#include "calibration/selection.hpp"
#include "core/error.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// latency + bytes / rate, measured from 1 KiB to 1 MiB.
Model line_model(const std::string& id, const Conditions& conditions, double latency) {
  Model m;
  m.id = id;
  m.operation = "all_reduce";
  m.card = "x";
  m.system = "x-8";
  m.conditions = conditions;
  m.form = "segmented_latency_bandwidth";
  m.parameters = {{"latency", latency, "s", 0},
                  {"inverse_bandwidth_1", 1e-10, "s/B", 0},
                  {"last_rate_spread", 0.01, "1", 0}};
  m.residual_quantiles = {{0, 0, 0.1, 50}};
  m.validity = {{"bytes", {1024, 1048576}}};
  return m;
}

Conditions over(int group, const std::string& dtype = "f16", const std::string& release = "2.9") {
  return {.dtype = dtype, .group = group, .implementation = "nccl", .release = release};
}

Query ask(int group, std::int64_t bytes, const std::string& dtype = "") {
  return {.operation = "all_reduce", .dtype = dtype, .point = {{"bytes", bytes}}, .group = group};
}

TEST(Predict, GivesValueIntervalAndModel) {
  const Coefficients c{"", "", {line_model("a", over(4), 1e-5)}};
  const auto p = predict(c, ask(4, 10240)).prediction.value();
  EXPECT_DOUBLE_EQ(p.seconds, 1e-5 + 1.024e-6);
  EXPECT_DOUBLE_EQ(p.hi, p.seconds * std::exp(0.1));
  EXPECT_DOUBLE_EQ(p.lo, p.seconds / std::exp(0.1));
  EXPECT_EQ(p.model_id, "a");
  EXPECT_THAT(p.flags, IsEmpty());
}

// In place is another call, and the least of two noisy times is too little.
TEST(Predict, TakesCallsOutOfPlaceUnlessTheOthersAreNamed) {
  auto conditions = over(4);
  const auto own = line_model("out of place", conditions, 1e-5);
  conditions.implementation = "nccl_in_place";
  const auto in_place = line_model("in place", conditions, 0.9e-5);
  auto query = ask(4, 10240);
  EXPECT_EQ(predict({"", "", {own, in_place}}, query).prediction->model_id, "out of place");
  const auto alone = predict({"", "", {in_place}}, query).prediction.value();
  EXPECT_EQ(alone.model_id, "in place");
  EXPECT_THAT(alone.flags,
              ElementsAre("as measured in place: this call was not measured out of place"));
  query.implementation = "nccl_in_place";
  EXPECT_THAT(predict({"", "", {in_place}}, query).prediction->flags, IsEmpty());
  EXPECT_EQ(predict({"", "", {own, in_place}}, query).prediction->model_id, "in place");
}

TEST(Predict, GoesOnAtTheLastRateAndSaysSo) {
  Coefficients c{"", "", {line_model("a", over(4), 1e-5)}};
  const auto p = predict(c, ask(4, 8 * 1048576)).prediction.value();
  EXPECT_DOUBLE_EQ(p.seconds, 8 * (1e-5 + 1048576e-10));
  EXPECT_NEAR(std::log(p.hi / p.seconds), 0.1 * (1 + 0.1 * 3), 1e-12);
  EXPECT_THAT(p.flags, ElementsAre("extrapolated x8"));
  c.models[0].parameters[2].value = 0.2;  // the last three rates do not agree within 3 %
  const auto unsettled = predict(c, ask(4, 8 * 1048576)).prediction.value();
  EXPECT_GT(unsettled.hi, p.hi);
  EXPECT_THAT(unsettled.flags, Contains(HasSubstr("differ by 20 %")));
}

TEST(Predict, WidensBelowTheFirstSize) {
  const Coefficients c{"", "", {line_model("a", over(4), 1e-5)}};
  const auto p = predict(c, ask(4, 256)).prediction.value();
  EXPECT_NEAR(std::log(p.hi / p.seconds), 0.1 * 2, 1e-12);
  EXPECT_THAT(p.flags, ElementsAre(HasSubstr("outside validity: bytes = 256")));
}

/// t = || 1e-5 (n - 1), bytes / 1e10 ||_1 for groups that have no model of their own.
Model joint_model() {
  auto m = line_model("joint", over(kAnyGroup), 1e-12);
  m.form = "group_scaling";
  m.parameters = {{"latency", 0, "s", 0},
                  {"latency_per_rank", 1e-5, "s", 0},
                  {"inverse_bandwidth_intra", 1e-10, "s/B", 0},
                  {"sharpness", 1, "1", 0}};
  m.residual_quantiles = {{0, 0, 0.2, 50}};
  m.between_quantiles = {{0, 0, 0.15, 50}};
  return m;
}

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

TEST(Predict, FlagsARoutingThatWasNeverMeasured) {
  Model layer = line_model("layer", {.dtype = "bf16", .implementation = "k"}, 1e-5);
  layer.operation = "grouped_gemm";
  layer.validity = {{"m", {1, 4096}}};
  layer.routings = {{"balanced", 0, 0}, {"power_law_loads", 1.01, 0}};
  const Coefficients c{"", "", {layer}};
  Query query{.operation = "grouped_gemm",
              .point = {{"groups", 8}, {"m", 64}, {"n", 1024}, {"k", 512}}};
  EXPECT_THAT(predict(c, query).prediction.value().flags, IsEmpty());  // balanced
  query.routing = "power_law_loads";
  query.exponent = 1.01;
  EXPECT_THAT(predict(c, query).prediction.value().flags, IsEmpty());
  query.exponent = 1.5;
  EXPECT_THAT(predict(c, query).prediction.value().flags,
              Contains("routing power_law_loads 1.5 was never measured; measured: balanced, "
                       "power_law_loads 1.01"));
}

// Loads of 1 to 2.4 of the even share were measured.
TEST(Predict, WidensWhereExpertsAreMoreUnevenThanAnyMeasured) {
  Model layer = line_model("layer", {.dtype = "bf16", .implementation = "k"}, 1e-5);
  layer.operation = "grouped_gemm";
  layer.validity = {{"m", {1, 4096}}};
  layer.routings = {{"balanced", 0, 0}, {"power_law_loads", 1.01, 0}};
  const Coefficients c{"", "", {layer}};
  Query query{.operation = "grouped_gemm",
              .point = {{"groups", 8}, {"m", 64}, {"n", 1024}, {"k", 512}}};
  const auto half_width = [&] {
    const auto p = predict(c, query).prediction.value();
    return std::log(p.hi / p.seconds);
  };
  EXPECT_NEAR(half_width(), 0.1, 1e-9);
  query.routing = "uniform";  // between the two
  EXPECT_NEAR(half_width(), 0.1, 1e-9);
  query.routing = "power_law";
  query.exponent = 50;  // one expert has all: 8 times the even share
  EXPECT_GT(half_width(), 0.1 * 1.5);
  EXPECT_THAT(predict(c, query).prediction->flags,
              Contains(HasSubstr("the fullest expert has 7.87 times the even share")));
  query = {.operation = "grouped_gemm", .point = query.point};
  query.capacity_factor = 1.0 / 64;  // a row each: six doublings below
  EXPECT_NEAR(half_width(), 0.1 * (1 + 0.5 * 6), 1e-9);
}

TEST(Predict, SaysThatNothingWidensWhereOnlyRecordedLoadsWereMeasured) {
  Model layer = line_model("layer", {.dtype = "bf16", .implementation = "k"}, 1e-5);
  layer.operation = "grouped_gemm";
  layer.validity = {{"m", {1, 4096}}};
  layer.routings = {{"recorded", 0, 0, {1, 2, 3, 4, 5, 6, 7, 8}}};
  const Query query{.operation = "grouped_gemm",
                    .point = {{"groups", 8}, {"m", 64}, {"n", 1024}, {"k", 512}}};
  const auto p = predict({"", "", {layer}}, query).prediction.value();
  EXPECT_THAT(p.flags, Contains(HasSubstr("only recorded loads were measured")));
}

TEST(Predict, SaysThatTheNewestOfTwoReleasesAnswers) {
  const Coefficients c{"",
                       "",
                       {line_model("old", over(4, "f16", "2.9"), 1e-5),
                        line_model("new", over(4, "f16", "2.29"), 2e-5)}};
  const auto newest = predict(c, ask(4, 1024)).prediction.value();
  EXPECT_EQ(newest.model_id, "new");
  EXPECT_THAT(newest.flags, ElementsAre("release 2.29 of nccl answers, the newest of 2; the one "
                                        "before: 2.9"));
}

TEST(Predict, SpeaksOfNoTierThatWasNotMeasured) {
  const Coefficients c{
      "", "", {line_model("a", over(2), 1e-5), line_model("b", over(8), 4e-5), joint_model()}};
  auto query = ask(16, 1024);
  query.tier = "inter";
  EXPECT_EQ(predict(c, query).missing,
            "no model of all_reduce over 16 ranks, tier inter; of all_reduce there is: f16 over 2 "
            "intra, f16 over 8 intra");
}

TEST(Predict, TakesTheNewestRelease) {
  const Coefficients c{"",
                       "",
                       {line_model("old", over(4, "f16", "2.9.1"), 1e-5),
                        line_model("new", over(4, "f16", "2.29.2"), 2e-5)}};
  EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "new");
  EXPECT_LT(compare_releases("2.9", "2.29"), 0);
  EXPECT_GT(compare_releases("1.3.0", "1.3.0rc20"), 0);
  EXPECT_LT(compare_releases("2.29", "2.29.2"), 0);
  EXPECT_EQ(compare_releases("2.29.2", "2.29.2"), 0);
}

TEST(Predict, TakesAnUnknownReleaseForTheOldest) {
  for (const std::string unnamed : {"unknown", ""}) {
    EXPECT_LT(compare_releases(unnamed, "2.9"), 0);
    EXPECT_GT(compare_releases("2.9", unnamed), 0);
    EXPECT_EQ(compare_releases(unnamed, "unknown"), 0);
    const Coefficients c{"",
                         "",
                         {line_model("named", over(4, "f16", "2.29.2"), 1e-5),
                          line_model("unnamed", over(4, "f16", unnamed), 2e-5)}};
    EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "named");
  }
}

/// Groups of 2 and 4 with two releases, of 8 with the older only, and joint models of both.
Coefficients two_releases() {
  Coefficients c;
  for (const std::string release : {"2.27", "2.29"}) {
    for (const int group : {2, 4, 8})
      if (group < 8 || release == "2.27")
        c.models.push_back(line_model(std::to_string(group) + "@" + release,
                                      over(group, "f16", release),
                                      (release == "2.27" ? 5e-5 : 1e-5) * (group - 1)));
    auto joint = joint_model();
    joint.id += "@" + release;
    joint.conditions.release = release;
    c.models.push_back(joint);
  }
  return c;
}

TEST(Predict, LeansOnNeighboursOfTheJointModelsOwnRelease) {
  const auto p = predict(two_releases(), ask(6, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "joint@2.29 + 2@2.29 + 4@2.29");
  EXPECT_NEAR(p.seconds, 5e-5 + 1.024e-7, 1e-9);
  EXPECT_THAT(p.flags, Contains("release 2.29 of nccl answers, the newest of 2; the one before: "
                                "2.27"));
  EXPECT_THAT(p.flags, Contains("left out: groups of 8 were measured, but with release 2.27"));
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

// The dtype of a copy costs a few percent, another card's figures are a guess of a factor.
TEST(Predict, TakesWhatWasMeasuredHereInAnotherDtypeBeforeATransfer) {
  auto lent = line_model("lent", over(4, "f16"), 3e-5);
  lent.provenance = "transferred";
  const Coefficients c{"", "", {lent, line_model("own", over(4, "bf16"), 1e-5)}};
  const auto p = predict(c, ask(4, 1024, "f16")).prediction.value();
  EXPECT_EQ(p.model_id, "own");
  EXPECT_THAT(p.flags, ElementsAre("dtype bf16 stands in for f16"));
}

TEST(Predict, SaysThatANewerReleaseWasMeasuredOverOtherGroupsOnly) {
  const auto p = predict(two_releases(), ask(8, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "8@2.27");
  EXPECT_THAT(p.flags, ElementsAre("release 2.27 of nccl answers, though 2.29 is newer: with it "
                                   "only groups of 2, 4 were measured"));
}

TEST(Predict, SaysThatTheReleaseIsNotNamed) {
  for (const std::string release : {"", "unknown"}) {
    const Coefficients c{"",
                         "",
                         {line_model("4", over(4, "f16", "2.29"), 1e-5),
                          line_model("8", over(8, "f16", release), 2e-5)}};
    EXPECT_THAT(predict(c, ask(8, 1024)).prediction.value().flags,
                ElementsAre("a release of nccl that is not named answers; 2.29 was measured over "
                            "groups of 4"));
  }
}

/// A latency and 1 ps for each byte of each copy, measured to so many tokens.
Model exchange_model(const std::string& implementation, const std::string& dtype, double latency,
                     double tokens) {
  auto m = line_model(implementation, over(8, dtype, ""), 0);
  m.operation = "moe_dispatch";
  m.conditions.implementation = implementation;
  m.form = "expert_exchange";
  m.parameters = {{"latency", latency, "s", 0},      {"latency_per_group", 0, "s", 0},
                  {"latency_per_byte", 0, "s/B", 0}, {"per_token", 0, "s", 0},
                  {"per_copy", 0, "s", 0},           {"inverse_bandwidth", 1e-12, "s/B", 0},
                  {"sharpness", 1, "1", 0},          {"ranks", 8, "1", 0},
                  {"one_copy_per_expert", 1, "1", 0}};
  m.validity = {{"tokens", {1, tokens}}};
  return m;
}

// The tables of normal kernels do not say their dtype, and low latency's end at 1024 tokens.
TEST(Predict, AnswersAnExchangeByTheKernelsThatWereMeasuredWithAsManyTokens) {
  const Coefficients c{"",
                       "",
                       {exchange_model("deepep-ll", "fp8_e4m3", 5e-6, 1024),
                        exchange_model("deepep-normal", "", 30e-6, 65536)}};
  Query query{.operation = "moe_dispatch",
              .point = {{"tokens", 64}, {"hidden", 2048}, {"experts", 128}, {"top_k", 8}},
              .group = 8};
  for (const std::string dtype : {"", "fp8_e4m3", "bf16"}) {
    query.dtype = dtype;
    query.point["tokens"] = 64;
    EXPECT_EQ(predict(c, query).prediction.value().model_id, "deepep-ll") << dtype;
    query.point["tokens"] = 4096;
    const auto normal = predict(c, query).prediction.value();
    EXPECT_EQ(normal.model_id, "deepep-normal") << dtype;
    EXPECT_NEAR(normal.seconds, 30e-6 + 4096 * 8 * 4096e-12, 1e-12) << "as measured";
    EXPECT_EQ(normal.flags.size(), dtype.empty() ? 0U : 1U) << dtype;
  }
  EXPECT_THAT(predict(c, query).prediction->flags,
              ElementsAre(HasSubstr("dtype rows were sent was not recorded")));
}

TEST(Predict, NeverMixesMachines) {
  auto a8 = line_model("a8", over(8), 2e-5), b2 = line_model("b2", over(2), 1e-6),
       b8 = line_model("b8", over(8), 1e-6);
  for (auto* model : {&b2, &b8}) {
    model->card = "y";
    model->system = "y-8";
  }
  const Coefficients c{"", "", {a8, b2, b8}};
  const auto either = predict(c, ask(8, 1024));
  EXPECT_FALSE(either.prediction);
  EXPECT_TRUE(either.several_machines);
  EXPECT_EQ(either.missing, "models of all_reduce are of 2 systems; choose one: x-8, y-8");
  auto query = ask(8, 1024);
  query.card = "x";
  EXPECT_EQ(predict(c, query).prediction->model_id, "a8");
  query.card.clear();
  query.system = "y-8";
  EXPECT_EQ(predict(c, query).prediction->model_id, "b8");
  EXPECT_EQ(predict(c, ask(2, 1024)).prediction->model_id, "b2");  // only one has it
  EXPECT_TRUE(predict(c, ask(4, 1024)).several_machines);          // no group between two machines
  query = ask(8, 1024);
  query.card = "z";
  EXPECT_THAT(predict(c, query).missing,
              testing::EndsWith("; there are models of the cards: x, y"));
}

TEST(Predict, ComparesReleasesWithinOneLibraryOnly) {
  auto nccl = line_model("nccl", over(4, "f16", "2.29.2"), 1e-5);
  auto outdated = line_model("outdated", over(4, "f16", "2.9"), 1e-7);
  auto mpi = line_model("mpi", over(4, "f16", "4.1.4"), 5e-5);
  mpi.conditions.implementation = "open_mpi";
  const Coefficients c{"", "", {mpi, outdated, nccl}};
  const auto p = predict(c, ask(4, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "nccl");  // 4.1.4 is no newer NCCL, and 2.9 is an older one
  EXPECT_THAT(p.flags,
              ElementsAre("release 2.29.2 of nccl answers, the newest of 2; the one before: 2.9",
                          "implementation nccl, the fastest here of: nccl, open_mpi"));
}

TEST(Predict, PrefersATableAndTheFastestImplementation) {
  auto table = line_model("table", over(4), 0);
  table.form = "log_log_table";
  table.parameters.clear();
  table.table = {{1024, 3e-5}, {1048576, 4e-5}};
  auto slow = line_model("slow", over(4), 9e-5);
  slow.conditions.implementation = "other";
  const Coefficients c{"", "", {line_model("compact", over(4), 1e-5), slow, table}};
  EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "table");
  auto query = ask(4, 1024);
  query.implementation = "other";
  EXPECT_EQ(predict(c, query).prediction->model_id, "slow");
}

TEST(Predict, LetsADtypeStandInAndSaysSo) {
  const Coefficients c{
      "", "", {line_model("int", over(4, "int8"), 1e-5), line_model("half", over(4), 2e-5)}};
  EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "half");
  const auto p = predict(c, ask(4, 1024, "bf16")).prediction.value();
  EXPECT_EQ(p.model_id, "half");
  EXPECT_THAT(p.flags, ElementsAre("dtype f16 stands in for bf16"));
  EXPECT_EQ(predict(c, ask(4, 1024, "fp8_e4m3")).prediction->model_id, "int");
  EXPECT_THROW((void)predict(c, ask(4, 1024, "half")), InvalidInput);
}

TEST(Predict, SaysWhatIsMissing) {
  const Coefficients c{"", "", {line_model("a", over(4), 1e-5)}};
  auto query = ask(4, 1024);
  query.tier = "inter";
  EXPECT_THAT(predict(c, query).missing,
              HasSubstr("no model of all_reduce over 4 ranks, tier inter"));
  query = ask(1, 1024, "bf16");
  query.operation = "permute";
  EXPECT_EQ(predict(c, query).missing,
            "no model of permute in bf16, tier intra; there are models of: all_reduce");
}

TEST(Predict, SaysWhenAnIntervalRestsOnLittle) {
  auto model = line_model("a", over(4), 1e-5);
  model.residual_quantiles = {{0, 0, 0.3, 4}};
  EXPECT_THAT(predict({"", "", {model}}, ask(4, 1024)).prediction->flags,
              ElementsAre("interval widened: calibrated on 4 held-out points only"));
  model.residual_quantiles.clear();
  EXPECT_THAT(predict({"", "", {model}}, ask(4, 1024)).prediction->flags,
              ElementsAre(HasSubstr("not calibrated")));
}

TEST(Features, OfHandComputedCalls) {
  const Dtypes bf16{"bf16", "bf16", "bf16", "", "", ""},
      fp8{"fp8_e4m3", "fp8_e4m3", "bf16", "", "", ""};
  const auto gemm = work_of("expert_gemm", {{"m", 2}, {"n", 3}, {"k", 5}}, fp8);
  EXPECT_EQ(gemm.flops.value(), 60);
  EXPECT_EQ(gemm.read.value(), 10 + 15);
  EXPECT_EQ(gemm.written.value(), 12);
  const auto copy = work_of("memory_copy", {{"bytes", 100}}, bf16);
  EXPECT_EQ(copy.read.value() + copy.written.value(), 200);
  const Point routed{{"tokens", 3}, {"hidden", 8}, {"experts", 4}, {"top_k", 2}};
  const auto permute = work_of("permute", routed, bf16);
  EXPECT_EQ(permute.read.value(), 3 * 16 + 6 * 4);
  EXPECT_EQ(permute.written.value(), 6 * 16);
  const auto unpermute = work_of("unpermute", routed, bf16);
  EXPECT_EQ(unpermute.read.value(), 6 * (16 + 4 + 4));
  EXPECT_EQ(unpermute.written.value(), 3 * 16);
  const auto gate = work_of("topk_gate", routed, bf16);
  EXPECT_EQ(gate.read.value(), 3 * 4 * 2);
  EXPECT_EQ(gate.written.value(), 6 * 12 + 9 * 8);
  EXPECT_EQ(inputs_of("all_reduce", {{"bytes", 77}}, bf16).size, 77);
}

TEST(Features, AnUnknownOperationMovesItsOneNumberAndNoProductOfSeveral) {
  const Dtypes f32{"f32", "", "", "", "", ""};
  EXPECT_EQ(inputs_of("swish", {{"elements", 24}}, f32).size, 96);
  EXPECT_THAT(thrown_message([&] {
                (void)inputs_of("swish", {{"tokens", 3}, {"hidden", 8}}, f32);
              }),
              HasSubstr("from its 2 numbers (hidden, tokens) is not known"));
  EXPECT_THROW((void)work_of("expert_gemm", {{"m", 2}, {"n", 3}}, f32), InvalidInput);
}

TEST(Features, OfAnExchangeWithExperts) {
  const Point point{{"tokens", 4096}, {"hidden", 2048}, {"experts", 128}, {"top_k", 8}};
  auto more_experts = point;
  more_experts["experts"] = 256;
  EXPECT_TRUE(is_collective("moe_dispatch"));
  EXPECT_EQ(family_of("moe_combine", point), Family::exchange);
  const auto inputs = inputs_of("moe_dispatch", point, {"fp8_e4m3", "", "", "", "", ""});
  EXPECT_EQ(inputs.size, 4096);
  EXPECT_EQ(inputs.exchange.row, 2048 + 2048 / 128 * 4);
  const Dtypes bf16{"bf16", "", "", "", "", ""};
  EXPECT_EQ(work_of("moe_combine", point, bf16).sent.value(), 4096.0 * 8 * 4096);
  EXPECT_EQ(work_of("moe_combine", more_experts, bf16).sent.value(), 4096.0 * 8 * 4096);
  EXPECT_THROW((void)inputs_of("moe_combine",
                               {{"tokens", 4}, {"hidden", 8}, {"experts", 2}, {"top_k", 3}}, bf16),
               InvalidInput);
}

}  // namespace
}  // namespace moecal::calibration
