// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace moecal::evaluation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Score, CountsErrorsCoverageAndWidth) {
  Score score;
  score.take({1.1, 0.9, 1.32}, 1.0);  // 10 % off, covered, 20 % wide
  score.take({1.0, 0.9, 1.10}, 2.0);  // 50 % off, not covered, 10 % wide
  const auto s = score.summary();
  EXPECT_EQ(s.n, 2U);
  EXPECT_NEAR(s.median_ape, 0.3, 1e-12);
  EXPECT_NEAR(s.p90_ape, 0.1 + 0.9 * 0.4, 1e-12);
  EXPECT_NEAR(s.max_ape, 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(*s.coverage_90, 0.5);
  EXPECT_NEAR(*s.half_width_median, 0.15, 1e-12);
}

TEST(Score, RefusesWhatIsNoTime) {
  Score score;
  EXPECT_THROW(score.take({0}, 1.0), Error);
  EXPECT_THROW(score.take({std::numeric_limits<double>::infinity()}, 1.0), Error);
  EXPECT_THROW(score.take({std::numeric_limits<double>::quiet_NaN()}, 1.0), Error);
}

TaskResult result() {
  TaskResult r{"collective.points", {}, {{"dtype float", 3}}};
  r.scores.of({"form", "b", "f16", "all_reduce", "1"}).take({1.1, 1.0, 1.2}, 1.0);
  r.scores.of({"form", "b", "int8", "all_reduce", "1"}).take({1.2, 1.0, 1.3}, 1.0);
  r.scores.of({"form", "a", "f16", "all_gather", "1"}).take({1.3, 1.2, 1.4}, 1.0);
  r.scores.of({"baseline: plain", "b", "f16", "all_reduce", "1"}).take({1.5}, 1.0);
  return r;
}

TEST(Report, JsonHasOneRowACardAndDtypeAndOnePooledRowAForm) {
  const auto rows = nlohmann::json::parse(to_json({result()}));
  std::vector<std::string> who;
  for (const auto& row : rows)
    who.push_back(row["form"].get<std::string>() + "/" + row["card"].get<std::string>() + "/" +
                  row["dtype"].get<std::string>());
  EXPECT_THAT(who, ElementsAre("form/a/f16", "form/b/f16", "form/b/int8", "form/all/all",
                               "baseline: plain/b/f16", "baseline: plain/all/all"));
  const auto& all = rows[3];
  EXPECT_EQ(all["task"], "collective.points");
  EXPECT_EQ(all["n"], 3);
  EXPECT_NEAR(all["median_ape"].get<double>(), 0.2, 1e-12);
  EXPECT_NEAR(all["max_ape"].get<double>(), 0.3, 1e-12);
  EXPECT_NEAR(all["coverage_90"].get<double>(), 2.0 / 3, 1e-12);
  EXPECT_TRUE(all.contains("p90_ape") && all.contains("p95_ape"));
  EXPECT_TRUE(all.contains("half_width_median"));
  EXPECT_EQ(all["by_operation"].size(), 2U);
  EXPECT_EQ(all["by_operation"][1]["n"], 2);
  EXPECT_TRUE(rows[4]["coverage_90"].is_null());
}

TEST(Report, TextCountsWhatIsNotScored) {
  const Splits splits{{"collective.points", {.task = "", .tables = {}, .dtypes = {}, .rule = "x"}}};
  const auto text = to_text({result()}, splits);
  EXPECT_THAT(text, HasSubstr("collective.points: held out are x"));
  EXPECT_THAT(text, HasSubstr("not scored: 3 rows of dtype float"));
  EXPECT_THAT(text, HasSubstr("b, all_reduce"));
}

}  // namespace
}  // namespace moecal::evaluation
