// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/testing/line_models.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using synthetic::ask;
using synthetic::line_model;
using synthetic::over;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

// The dtype of a copy costs a few percent, another card's figures are a guess of a factor.
TEST(Predict, TakesWhatWasMeasuredHereInAnotherDtypeBeforeATransfer) {
  auto lent = line_model("lent", over(4, "f16"), 3e-5);
  lent.provenance = "transferred";
  const Coefficients c{"", "", {lent, line_model("own", over(4, "bf16"), 1e-5)}};
  const auto p = predict(c, ask(4, 1024, "f16")).prediction.value();
  EXPECT_EQ(p.model_id, "own");
  EXPECT_THAT(p.flags, ElementsAre("dtype bf16 stands in for f16"));
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

TEST(Predict, NamesEachConditionThatNoModelMeets) {
  auto slow = line_model("c", over(16), 1e-5);
  slow.conditions.implementation = "mpi";
  const Coefficients c{
      "", "", {line_model("a", over(2), 1e-5), line_model("b", over(4, "bf16"), 1e-5), slow}};
  EXPECT_THAT(predict(c, ask(8, 1024)).missing,
              testing::EndsWith(" over 8 ranks, tier intra; group 8: the models have 2, 4, 16"));
  auto query = ask(16, 1024);
  query.implementation = "nccl";
  query.cache = "cold";
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_THAT(predict(c, query).missing,
              HasSubstr("; implementation nccl: the models have mpi; cache cold: the models have "
                        "warm"));
  query = ask(2, 1024);
  query.system = "elsewhere";
  EXPECT_THAT(predict(c, query).missing, HasSubstr("; there are models of the systems: "));
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
}  // namespace
}  // namespace moecal::calibration
