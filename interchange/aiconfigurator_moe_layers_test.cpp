// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/testing/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHead =
    "framework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,inter_size,"
    "topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";

TEST(AiconfiguratorMoeLayers, KeepShapeSplitRoutingAndKernel) {
  const auto imported =
      import_log("a remark\n" + kHead +
                 "FW,2.0,NVIDIA B200,moe,kern_a,fp8_block,8,1024,512,2,16,2,4,power_law_1.2,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,kern_b,bfloat16,8,1024,512,2,16,1,16,balanced,0.04\n");
  ASSERT_EQ(imported.observations.size(), 2u);
  const auto& o = imported.observations[0];
  EXPECT_EQ(o.operation, "moe_layer");
  EXPECT_EQ(o.implementation, "fw-kern-a");
  EXPECT_EQ(o.library.runtime_version, "2.0");
  EXPECT_EQ(o.dtypes.a, "fp8_e4m3");
  EXPECT_EQ(o.dtypes.c, "bf16");
  EXPECT_EQ(o.dtypes.scale_mode, "block_1x128");
  EXPECT_EQ(o.point, (Point{{"tokens", 8},
                            {"hidden", 1024},
                            {"inter", 512},
                            {"top_k", 2},
                            {"experts", 16},
                            {"tensor_parallel", 2},
                            {"expert_parallel", 4}}));
  EXPECT_TRUE(o.routed);
  EXPECT_EQ(o.routing.distribution, "power_law_loads");
  EXPECT_DOUBLE_EQ(o.routing.exponent, 1.2);
  EXPECT_DOUBLE_EQ(o.samples_s[0], 5e-5);
  EXPECT_EQ(o.ranks.group, 1);
  EXPECT_EQ(o.source.line, 3);
  const auto& balanced = imported.observations[1];
  EXPECT_EQ(balanced.routing.distribution, "balanced");
  // 16 rows over 16 ranks: one row through one expert.
  EXPECT_DOUBLE_EQ(balanced.work.flops.value(), 6.0 * 1024 * 512);
}

// One word of the tables has one meaning, whatever was timed.
TEST(AiconfiguratorMoeLayers, ShareTheWordOfADistributionWithTheExchanges) {
  const auto imported = import_log(
      "framework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,topk,"
      "num_experts,moe_ep_size,distribution,latency\n"
      "FW,2.0,NVIDIA B200,alltoall_dispatch,k,fp8,8,1024,2,16,4,power_law_1.2,0.05\n"
      "FW,2.0,NVIDIA B200,alltoall_dispatch,k,fp8,8,1024,2,16,4,zipf,0.05\n");
  ASSERT_EQ(imported.observations.size(), 1u);
  EXPECT_EQ(imported.observations[0].operation, "moe_dispatch");
  EXPECT_EQ(imported.observations[0].routing.distribution, "power_law_loads");
  EXPECT_DOUBLE_EQ(imported.observations[0].routing.exponent, 1.2);
}

TEST(AiconfiguratorMoeLayers, CountWhatMoecalHasNoWordFor) {
  const auto imported =
      import_log(kHead +
                 "FW,2.0,NVIDIA B200,moe,k,nvfp4,8,1024,512,2,16,1,1,balanced,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,1,1,zipf,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,1,1,power_law_,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k_nongated,fp8,8,1024,512,2,16,1,1,balanced,0.05\n");
  EXPECT_EQ(imported.rows_read, 4);
  EXPECT_TRUE(imported.observations.empty());
  EXPECT_THAT(
      imported.not_imported,
      ElementsAre(std::pair{"distribution power_law_", 1}, std::pair{"distribution zipf", 1},
                  std::pair{"dtype nvfp4", 1}, std::pair{"experts without a gate", 1}));
}

TEST(AiconfiguratorMoeLayers, BadRowsAreRefusedWithTheirLine) {
  const auto imported =
      import_log(kHead +
                 "FW,2.0,NVIDIA B200,moe,k,fp8,0,1024,512,2,16,1,1,balanced,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,1,3,balanced,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,3,1,balanced,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,17,16,1,1,balanced,0.05\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,1,1,balanced,-1\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,8,1024,512,2,16,1,1,balanced\n"
                 "FW,2.0,NVIDIA B200,moe,k,fp8,65536,7168,2048,8,256,1,1,balanced,0.5\n");
  EXPECT_EQ(imported.rows_read, 7);
  EXPECT_TRUE(imported.observations.empty());
  EXPECT_THAT(
      reasons(imported),
      ElementsAre("2: column 'num_tokens' is '0', not a whole number above 0",
                  HasSubstr("3: a point of 'moe_layer' divides 'experts' by "
                            "'expert_parallel', and 16 by 3 leaves a rest"),
                  HasSubstr("4: a point of 'moe_layer' divides 'inter'"),
                  HasSubstr("5: routing needs tokens >= 0 and 1 <= top_k <= experts"),
                  "6: column 'latency' is not above 0", "7: has 14 fields where the head has 15",
                  HasSubstr("8: 9.236e+04 TFLOP/s is more than the 4500 TFLOP/s")));
}

}  // namespace
}  // namespace moecal::interchange
