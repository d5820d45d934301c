// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/donors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/predict.hpp"
#include "calibration/testing/made_up_cards.hpp"

namespace moecal::calibration {
namespace {

using synthetic::all_reduce;
using synthetic::card;
using synthetic::gemm;
using synthetic::kOne;
using synthetic::kTarget;
using synthetic::kTwo;
using testing::HasSubstr;

TEST(Donors, AreMeasuredCardsWithASpecSheet) {
  const auto unknown = card("cpu-unknown", {});
  Coefficients file;
  file.source = "a table, its licence";
  file.models = {gemm(kOne, 1, 1), gemm(unknown, 1, 1), gemm(kTwo, 1, 1)};
  file.models.back().provenance = "transferred";
  const auto donors = donors_of(std::vector{file}, {kOne, kTwo});
  ASSERT_EQ(donors.size(), 1u);
  EXPECT_EQ(donors.front().card.id, "one");
  EXPECT_EQ(donors.front().source, "a table, its licence");
  EXPECT_THAT(transfer(donors, kTarget).coefficients.source,
              HasSubstr("one: a table, its licence"));
}

TEST(Donors, SpeakInOneSettingThatReachesNoTarget) {
  Coefficients file;
  for (const auto& own : {kOne, kTwo})
    for (const auto& [algorithm, latency] : {std::pair{"Tree", 9e-5}, std::pair{"unset", 1e-5}}) {
      auto model = all_reduce(own, latency, 0.8);
      model.conditions.settings = {{"NCCL_ALGO", algorithm}};
      model.id += algorithm;
      file.models.push_back(model);
    }
  const auto donors = donors_of(std::vector{file}, {kOne, kTwo});
  for (const auto& donor : donors) EXPECT_EQ(donor.models.size(), 1u);
  const auto result = transfer(donors, kTarget);
  ASSERT_EQ(result.coefficients.models.size(), 1u);
  const auto& model = result.coefficients.models.front();
  EXPECT_TRUE(model.conditions.settings.empty());
  EXPECT_EQ(model.id.find("NCCL_ALGO"), std::string::npos);
  EXPECT_NEAR(predict_with(model, {{"bytes", 512}}).seconds, 1e-5, 1e-6);
}
}  // namespace
}  // namespace moecal::calibration
