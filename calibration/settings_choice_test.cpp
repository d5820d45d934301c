// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/settings_choice.hpp"

#include <gmock/gmock.h>

#include "calibration/joint_fit.hpp"
#include "calibration/pooled_curves.hpp"
#include "calibration/suggest.hpp"
#include "calibration/testing/synthetic_settings.hpp"

// Which of several settings answers, where the query does not say.
namespace moecal::calibration {
namespace {

using synthetic::all_reduce;
using synthetic::all_reduces;
using synthetic::fitted;
using testing::Contains;
using testing::HasSubstr;

ObservationFile of_implementation(const char* name, ObservationFile file) {
  for (auto& o : file.observations) o.implementation = name;
  return file;
}

ObservationFile in_dtype(const char* dtype, ObservationFile file) {
  for (auto& o : file.observations) o.dtypes.a = dtype;
  return file;
}

ObservationFile imported(ObservationFile file) {
  for (auto& o : file.observations) o.source.kind = "imported";
  return file;
}

double seconds(double times) { return times * (1e-5 + (1 << 20) / 1e10); }

TEST(SettingsChoice, LeavesOutOnlyWhatIsUndecided) {
  const auto coefficients =
      fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1), all_reduces({{"NCCL_ALGO", "Tree"}}, 2),
              of_implementation("other", all_reduces({{"NCCL_ALGO", "Ring"}}, 4)),
              of_implementation("other", all_reduces({}, 4, 16, 2))});
  const auto answer = predict(coefficients, all_reduce(1 << 20));
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, seconds(4), 1e-3 * seconds(4));
  EXPECT_THAT(answer.prediction->flags,
              Contains(HasSubstr("implementation own is left out: its models differ in their "
                                 "settings: NCCL_ALGO=Ring, NCCL_ALGO=Tree")));
}

TEST(SettingsChoice, LeavesOutWhatWasOnlyMeasuredWithSomethingSet) {
  const auto coefficients =
      fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1), all_reduces({{"NCCL_ALGO", "Tree"}}, 2),
              of_implementation("other", all_reduces({}, 4))});
  const auto answer = predict(coefficients, all_reduce(1 << 20));
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, seconds(4), 1e-3 * seconds(4));
  EXPECT_THAT(answer.prediction->flags,
              Contains("implementation own is left out: measured only with NCCL_ALGO=Ring, "
                       "NCCL_ALGO=Tree"));
}

// Neither who measured it nor the dtype may decide for a setting that nobody asked for.
TEST(SettingsChoice, AnswersByWhatIsUnsetWhereverItComesFrom) {
  const auto coefficients = fitted({in_dtype("bf16", all_reduces({{"NCCL_ALGO", "Ring"}}, 1)),
                                    in_dtype("f16", imported(all_reduces({}, 3)))});
  auto query = all_reduce(1 << 20);
  query.dtype = "bf16";
  const auto answer = predict(coefficients, query);
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, seconds(3), 1e-3 * seconds(3));
  EXPECT_THAT(answer.prediction->flags,
              Contains("as measured with nothing set; measured too, and different: "
                       "NCCL_ALGO=Ring"));
  query.settings = {{"NCCL_ALGO", "Ring"}};
  const auto asked = predict(coefficients, query);
  EXPECT_NEAR(asked.prediction->seconds, seconds(1), 1e-3 * seconds(1));
  EXPECT_THAT(asked.prediction->flags, testing::Not(Contains(HasSubstr("as measured with"))));
}

TEST(SettingsChoice, SaysWhereOnlyAnUnaskedSettingAnswers) {
  const auto coefficients = fitted({all_reduces({}, 1, 16, 2), all_reduces({}, 1, 16, 4),
                                    all_reduces({{"NCCL_ALGO", "Ring"}}, 2, 16, 8)});
  auto query = all_reduce(1 << 20);
  query.group = 8;
  const auto answer = predict(coefficients, query);
  ASSERT_TRUE(answer.prediction);
  EXPECT_THAT(answer.prediction->flags,
              Contains("as measured with NCCL_ALGO=Ring, which was not asked for: this call was "
                       "measured with nothing else"));
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_THAT(predict(coefficients, query).prediction->flags,
              testing::Not(Contains(HasSubstr("as measured with"))));
  query = all_reduce(1 << 20);
  query.group = 3;
  EXPECT_THAT(predict(coefficients, query).prediction->flags,
              Contains("left out: groups of 8 were measured, but with NCCL_ALGO=Ring"));
}

// What was asked for is set, and what it left out of the models was measured nevertheless.
TEST(SettingsChoice, SaysNothingSetOnlyWhereNothingIs) {
  const auto coefficients =
      fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1),
              all_reduces({{"NCCL_ALGO", "Ring"}, {"NCCL_PROTO", "LL"}}, 2), all_reduces({}, 4)});
  auto query = all_reduce(1 << 20);
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_THAT(predict(coefficients, query).prediction->flags,
              Contains("as measured with NCCL_ALGO=Ring NCCL_PROTO=unset; measured too, and "
                       "different: NCCL_ALGO=Ring NCCL_PROTO=LL"));
  query.settings = {{"NCCL_PROTO", "LL"}};
  EXPECT_THAT(predict(coefficients, query).prediction->flags,
              Contains("as measured with NCCL_ALGO=Ring, which was not asked for: with what was "
                       "asked for this call was measured with nothing else"));
}

// The types of a sum differ by more than what is set: bytes are bytes, whatever they stand for.
TEST(SettingsChoice, OfASumTakesTheTypeAskedForBeforeWhatIsUnset) {
  for (const auto& [dtype, times] : {std::pair{"int8", 1}, std::pair{"bf16", 3}}) {
    const auto coefficients = fitted({in_dtype(dtype, all_reduces({{"NCCL_ALGO", "Ring"}}, 1)),
                                      in_dtype("f16", all_reduces({}, 3))});
    auto query = all_reduce(1 << 20);
    query.dtype = dtype;
    const auto answer = predict(coefficients, query);
    ASSERT_TRUE(answer.prediction);
    EXPECT_NEAR(answer.prediction->seconds, seconds(times), 1e-3 * seconds(times)) << dtype;
    const auto* unset = times == 1 ? "as measured with NCCL_ALGO=Ring; measured too"
                                   : "as measured with nothing set; measured too";
    EXPECT_THAT(answer.prediction->flags, Contains(HasSubstr(unset))) << dtype;
  }
}

TEST(SettingsChoice, AnswersWhereASettingIsNoCondition) {
  const auto coefficients = fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1)});
  auto query = all_reduce(1 << 20);
  query.settings = {{"NCCL_ALGO", "Ring"}};
  const auto answer = predict(coefficients, query);
  ASSERT_TRUE(answer.prediction);
  EXPECT_THAT(answer.prediction->flags, Contains(HasSubstr("NCCL_ALGO is not a condition")));
}

TEST(SettingsChoice, TakesTheMostPointsWhereNobodyCanBeAsked) {
  const auto coefficients = fitted(
      {all_reduces({{"NCCL_ALGO", "Ring"}}, 3, 14), all_reduces({{"NCCL_ALGO", "Tree"}}, 1)});
  auto query = all_reduce(1 << 20);
  EXPECT_TRUE(predict(coefficients, query).several_settings);
  query.any_setting = true;
  const auto answer = predict(coefficients, query);
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, seconds(1), 1e-3 * seconds(1));
  EXPECT_THAT(answer.prediction->flags,
              Contains(HasSubstr("NCCL_ALGO=Tree, the setting of the most points")));
}

TEST(SettingsChoice, TakesTheSlowerOfEqualPoints) {
  for (const auto& [ring, tree] : {std::pair{3, 1}, std::pair{1, 3}}) {
    const auto coefficients = fitted(
        {all_reduces({{"NCCL_ALGO", "Ring"}}, ring), all_reduces({{"NCCL_ALGO", "Tree"}}, tree)});
    auto query = all_reduce(1 << 20);
    query.any_setting = true;
    EXPECT_NEAR(predict(coefficients, query).prediction->seconds, seconds(3), 1e-3 * seconds(3));
  }
}

TEST(SettingsChoice, IsAskedForOfAGroupNeverMeasuredToo) {
  std::vector<ObservationFile> files;
  for (const int group : {2, 4})
    for (const auto& [algorithm, times] : {std::pair{"Ring", 1}, std::pair{"Tree", 3}})
      files.push_back(all_reduces({{"NCCL_ALGO", algorithm}}, times, 16, group));
  const auto coefficients = fitted(files);
  auto query = all_reduce(1 << 20);
  query.group = 8;
  EXPECT_TRUE(predict(coefficients, query).several_settings);
  query.any_setting = true;
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, seconds(3), 0.05 * seconds(3));
}

TEST(SettingsChoice, PoolsNoCurvesOfTwoSettings) {
  const std::vector<ObservationFile> files{all_reduces({}, 1, 4, 2), all_reduces({}, 1, 4, 4),
                                           all_reduces({{"NCCL_ALGO", "Tree"}}, 3, 4, 2)};
  const auto grouped = group_observations(files, "", 1);
  ASSERT_EQ(grouped.series.size(), 3u);
  std::vector<std::size_t> sizes;
  for (const auto& pool : pools_of(grouped.series)) sizes.push_back(pool.size());
  EXPECT_THAT(sizes, testing::UnorderedElementsAre(2, 1));
}

/// Series of another system than the others'.
std::vector<Series> moved(std::vector<Series> all, const std::string& card) {
  for (auto& series : all) series.card = series.system = card;
  return all;
}

std::vector<ObservationFile> groups(const Settings& settings, const std::vector<int>& sizes) {
  std::vector<ObservationFile> files;
  for (const int group : sizes) files.push_back(all_reduces(settings, group, 16, group));
  return files;
}

TEST(SettingsChoice, OfDefaultsHasOtherCardsForDonors) {
  auto mine = groups({}, {2, 4});
  for (auto& file : groups({{"NCCL_ALGO", "Tree"}}, {2, 4})) mine.push_back(std::move(file));
  const auto here = group_observations(mine, "", 1).series;
  const auto there = moved(group_observations(groups({}, {2, 4, 8}), "", 1).series, "other");
  for (const auto& joint : fit_joint_models(here, there, 1)) {
    const bool is_default = joint.model.conditions.settings.at("NCCL_ALGO") == "unset";
    EXPECT_EQ(joint.model.donor_ratios.size(), is_default ? 1u : 0u);
  }
}

// A few sizes as they come, all of them only otherwise.
TEST(SettingsChoice, SuggestsWhatOnlyAnotherSettingMeasured) {
  const Query wish = all_reduce(1 << 20);
  const auto few = all_reduces({}, 1, 8);
  const std::vector<ObservationFile> set{few, all_reduces({{"NCCL_ALGO", "Tree"}}, 3)};
  EXPECT_FALSE(suggest(set, {.wishes = {{wish}}, .count = 3}).points.empty());
  const std::vector<ObservationFile> in_place{
      few, of_implementation("own_in_place", all_reduces({}, 1))};
  EXPECT_FALSE(suggest(in_place, {.wishes = {{wish}}, .count = 3}).points.empty());
}

}  // namespace
}  // namespace moecal::calibration
