// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/public_tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/test_tables.hpp"

namespace moecal::evaluation {
namespace {

using testing::HasSubstr;

const std::string kMoeHead =
    "invented\nframework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,"
    "inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";

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
  test::Folder folder_;
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

TEST_F(PublicTables, OfMoeLayersHaveTheKeysOfTheFolds) {
  folder_.write("a.csv", kMoeHead +
                             "TRTLLM,1.0,NVIDIA B200,moe,cutlass,half,16,4096,1536,8,128,2,4,"
                             "power_law_1.2,0.25\n"
                             "TRTLLM,1.0,NVIDIA B200,moe,cutlass,nvfp4,16,4096,1536,8,128,2,4,"
                             "balanced,0.25\n");
  const auto tables = read_moe_tables(folder_.path(), split_);
  ASSERT_EQ(tables.at(0).rows.size(), 1U);
  const auto& row = tables[0].rows[0];
  EXPECT_EQ(row.card, "b200-sxm");
  EXPECT_EQ(row.configuration(), "4096,1536,8,128,2,4");
  EXPECT_EQ(row.model(), "4096,1536,8,128");
  EXPECT_DOUBLE_EQ(row.seconds, 0.25e-3);
  EXPECT_EQ(tables[0].not_scored.at("dtype nvfp4"), 1);
}

}  // namespace
}  // namespace moecal::evaluation
