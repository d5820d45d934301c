// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/deciding_settings.hpp"

#include <gmock/gmock.h>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/synthetic.hpp"

// Times of one machine set to two things are two series: a median of both is true of neither.
namespace moecal::calibration {
namespace {

using testing::HasSubstr;

Environment set_to(const Settings& settings) {
  auto environment = synthetic::environment();
  environment.settings = settings;
  return environment;
}

void move_to(std::vector<Observation>& all, const Environment& environment) {
  for (auto& o : all) {
    o.environment_id = environment.id();
    o.backend = "cuda";
  }
}

/// All-reduces over 4 ranks, `times` as long as 10 us and 10 GB/s.
ObservationFile all_reduces(const Settings& settings, double times) {
  const auto environment = set_to(settings);
  auto all = synthetic::curve("all_reduce", 4, 16,
                              [&](double bytes) { return times * (1e-5 + bytes / 1e10); }, {});
  move_to(all, environment);
  return {{environment}, all};
}

/// GEMMs of a card under a power limit.
ObservationFile gemms(const Settings& settings, double rate) {
  const auto environment = set_to(settings);
  std::vector<Observation> all;
  for (int m = 64; m <= 16384; m *= 4)
    for (int n = 512; n <= 8192; n *= 4)
      all.push_back(synthetic::observation("expert_gemm", {{"m", m}, {"n", n}, {"k", 1024}},
                                           1e-6 + 2.0 * m * n * 1024 / rate));
  move_to(all, environment);
  return {{environment}, all};
}

Query all_reduce(std::int64_t bytes) {
  Query query;
  query.operation = "all_reduce";
  query.group = 4;
  query.point = {{"bytes", bytes}};
  return query;
}

Coefficients fitted(const std::vector<ObservationFile>& files) {
  return fit(files, {}).coefficients;
}

TEST(DecidingSettings, AreThoseOfTheOperation) {
  auto exchange = synthetic::observation("all_reduce", {{"bytes", 8}}, 1);
  auto product = synthetic::observation("expert_gemm", {{"m", 1}, {"n", 1}, {"k", 1}}, 1);
  product.backend = "cuda";
  const auto environment = set_to({{"NCCL_ALGO", "Ring"},
                                   {"NCCL_DEBUG", "INFO"},
                                   {"NCCL_HOSTID", "a"},
                                   {"network", "eth0"},
                                   {"power_limit_watts", "700.0"},
                                   {"threads", "8"}});
  EXPECT_EQ(deciding_settings(exchange, environment), (Settings{{"NCCL_ALGO", "Ring"}}));
  EXPECT_EQ(deciding_settings(product, environment), (Settings{{"power_limit_w", "700"}}));
  product.backend = "cpu";
  EXPECT_EQ(deciding_settings(product, environment), (Settings{{"threads", "8"}}));
}

TEST(DecidingSettings, ThatAllShareAreNoCondition) {
  const auto coefficients = fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1)});
  for (const auto& model : coefficients.models) EXPECT_TRUE(model.conditions.settings.empty());
  EXPECT_EQ(to_json(coefficients).find("NCCL_ALGO"), std::string::npos);
}

TEST(DecidingSettings, ThatDifferMakeSeriesAndAreAskedFor) {
  const auto coefficients =
      parse_coefficients(to_json(fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1),
                                         all_reduces({{"NCCL_ALGO", "Tree"}}, 3)})),
                         "c.json");
  auto query = all_reduce(1 << 20);
  const auto unsaid = predict(coefficients, query);
  EXPECT_FALSE(unsaid.prediction);
  EXPECT_TRUE(unsaid.several_settings);
  EXPECT_THAT(unsaid.missing, HasSubstr("choose one of: NCCL_ALGO=Ring, NCCL_ALGO=Tree"));
  const double ring = 1e-5 + (1 << 20) / 1e10;
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, ring, 1e-3 * ring);
  query.settings = {{"NCCL_ALGO", "Tree"}};
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, 3 * ring, 3e-3 * ring);
  query.settings = {{"NCCL_ALGO", "NVLS"}};
  EXPECT_THAT(predict(coefficients, query).missing, HasSubstr("set to NCCL_ALGO=NVLS"));
}

TEST(DecidingSettings, WhatIsUnsetAnswersBeforeWhatIsSet) {
  const auto coefficients = fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1), all_reduces({}, 3)});
  const auto answer = predict(coefficients, all_reduce(1 << 20));
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, 3 * (1e-5 + (1 << 20) / 1e10), 1e-6);
  EXPECT_THAT(answer.prediction->flags, testing::Contains(HasSubstr("different: NCCL_ALGO=Ring")));
}

TEST(DecidingSettings, APowerLimitIsOneOfAProduct) {
  const auto coefficients = fitted(
      {gemms({{"power_limit_w", "1000"}}, 1e15), gemms({{"power_limit_watts", "700"}}, 7e14)});
  Query query;
  query.operation = "expert_gemm";
  query.point = {{"m", 4096}, {"n", 2048}, {"k", 1024}};
  EXPECT_TRUE(predict(coefficients, query).several_settings);
  const double flops = 2.0 * 4096 * 2048 * 1024;
  for (const auto& [limit, rate] : {std::pair{"1000", 1e15}, std::pair{"700", 7e14}}) {
    query.settings = {{"power_limit_w", limit}};
    EXPECT_NEAR(predict(coefficients, query).prediction->seconds, 1e-6 + flops / rate, 1e-7);
  }
}

}  // namespace
}  // namespace moecal::calibration
