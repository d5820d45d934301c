// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/public_tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

using testing::HasSubstr;

class PublicTables : public testing::Test {
 protected:
  [[nodiscard]] std::string what_is_wrong(const Split& split) const {
    try {
      (void)read_public_tables(folder_.path(), split);
      return "read";
    } catch (const InvalidInput& error) {
      return error.what();
    }
  }
  TemporaryFolder folder_;
  Split split_{.task = "t", .tables = {"a.csv"}, .dtypes = {"half"}, .rule = ""};
};

TEST_F(PublicTables, KeepTheRowsOfTheDtypesThatAreScoredAndCountTheOthers) {
  folder_.write("a.csv", test::nccl_table("NVIDIA B200", 600));
  const auto tables = read_public_tables(folder_.path(), split_);
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_EQ(tables[0].card, "b200-sxm");
  EXPECT_EQ(tables[0].rows.observations.size(), 2U * 3 * 9);
  EXPECT_EQ(tables[0].not_scored.at("dtype int8"), 2 * 3 * 9);
  EXPECT_EQ(tables[0].not_scored.at("dtype f32"), 1);
}

TEST_F(PublicTables, RefuseToLeaveARowOut) {
  auto text = test::nccl_table("NVIDIA B200", 600);
  text.replace(text.rfind("0.01"), 4, "-1.0");
  folder_.write("a.csv", text);
  EXPECT_THAT(what_is_wrong(split_), HasSubstr("column 'latency' is not above 0: nothing may be"));
}

TEST_F(PublicTables, SayWhichFileIsMissing) {
  EXPECT_THAT(what_is_wrong(split_), HasSubstr("a.csv' does not exist: t is scored on it"));
  EXPECT_THROW((void)read_public_tables("/nowhere/at/all", split_), InvalidInput);
  split_.dtypes = {"quarter"};
  EXPECT_THAT(what_is_wrong(split_), HasSubstr("dtype 'quarter'"));
}

}  // namespace
}  // namespace moecal::evaluation
