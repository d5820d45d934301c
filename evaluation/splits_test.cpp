// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/splits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/testing/synthetic.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::evaluation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string what_is_wrong(const std::string& text) {
  const TemporaryFolder folder;
  try {
    (void)read_splits(folder.write("splits.json", text));
    return "read";
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

TEST(Splits, OfMoecalNameEveryTask) {
  const auto splits = read_splits();
  for (const char* task :
       {"collective.points", "collective.coefficients", "collective.unseen_group_8",
        "collective.unseen_group_4", "collective.unseen_group_8_alone",
        "collective.unseen_group_4_alone", "gemm.dense", "gemm.200", "gemm.compact",
        "moe.known_model", "moe.unseen_model", "dispatch.known"}) {
    ASSERT_TRUE(splits.contains(task)) << task;
    EXPECT_FALSE(splits.at(task).tables.empty()) << task;
    EXPECT_FALSE(splits.at(task).dtypes.empty()) << task;
    EXPECT_FALSE(splits.at(task).rule.empty()) << task;
  }
  EXPECT_EQ(splits.at("collective.points").phases, 3);
  EXPECT_EQ(splits.at("collective.coefficients").phases, 3);
  EXPECT_EQ(splits.at("gemm.200").folds, 5);
  EXPECT_EQ(splits.at("gemm.200").points, 200);
  EXPECT_EQ(splits.at("gemm.compact").points, 0);
}

TEST(Splits, SayWhatIsWrong) {
  EXPECT_THAT(what_is_wrong(R"({"a":{"same_as":"b"}})"), HasSubstr("'b' is named by a 'same_as'"));
  EXPECT_THAT(what_is_wrong(R"({"a":{"same_as":"a"}})"), HasSubstr("takes over from itself"));
  EXPECT_THAT(what_is_wrong(R"({"a":{"tables":["t"],"fold":5}})"), HasSubstr("fold"));
  EXPECT_THAT(what_is_wrong(R"({"a":{"dtypes":["half"]}})"), HasSubstr("'a.tables' is missing"));
}

TEST(FoldOf, IsTheSha256OfTheKey) {
  // sha256("4096,1536") = 785f2188..., computed with sha256sum.
  EXPECT_EQ(fold_of("4096,1536", 5), static_cast<int>(0x785f2188U % 5));
}

TEST(PhasesOfSizes, TakeInteriorSizesInTurnAndKeepTheEnds) {
  const auto flat = [](double) { return 1e-5; };
  auto rows = calibration::synthetic::curve("all_reduce", 2, 6, flat, {});
  EXPECT_THAT(phases_of_sizes(rows, 3), ElementsAre(-1, 0, 1, 2, 0, -1));
  // A second curve counts for itself.
  const auto longer = calibration::synthetic::curve("all_reduce", 4, 4, flat, {});
  rows.insert(rows.end(), longer.begin(), longer.end());
  EXPECT_THAT(phases_of_sizes(rows, 3), ElementsAre(-1, 0, 1, 2, 0, -1, -1, 0, 1, -1));
}

}  // namespace
}  // namespace moecal::evaluation
