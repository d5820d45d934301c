// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/testing/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kNcclHead =
    "framework,version,device,op_name,kernel_source,nccl_dtype,num_gpus,message_size,latency\n";
const std::string kGemmHead =
    "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency";

TEST(Aiconfigurator, MessageSizesAreElementsAndTimesMilliseconds) {
  const auto imported = import_log("a remark where it came from\n" + kNcclHead +
                                   "FW,2.30.1,NVIDIA B200,alltoall,NCCL,half,4,512,0.0125\n");
  ASSERT_EQ(imported.observations.size(), 1u);
  const auto& o = imported.observations[0];
  EXPECT_EQ(o.operation, "all_to_all");
  EXPECT_EQ(o.point.at("bytes"), 1024);
  EXPECT_EQ(o.dtypes.a, "f16");
  EXPECT_EQ(o.ranks.group, 4);
  EXPECT_DOUBLE_EQ(o.samples_s[0], 1.25e-5);
  EXPECT_EQ(o.library.runtime_version, "2.30.1");
  EXPECT_EQ(o.source.line, 3);
  EXPECT_DOUBLE_EQ(o.work.sent.value(), 768);
  EXPECT_EQ(imported.environments[0].system, "b200-sxm-8");
}

TEST(Aiconfigurator, RefusesTheRowsOfAnUnknownDeviceAlone) {
  const auto imported =
      import_log(kNcclHead + "FW,2.30.1,NVIDIA B200,all_gather,NCCL,half,4,512,0.0125\n" +
                 "FW,2.30.1,NVIDIA X9,all_gather,NCCL,half,4,512,0.0125\n" +
                 "FW,2.30.1,NVIDIA X9,all_gather,NCCL,half,8,512,0.0125\n");
  EXPECT_EQ(imported.observations.size(), 1u);
  ASSERT_EQ(imported.refused.size(), 2u);
  EXPECT_THAT(imported.refused[0].reason, testing::StartsWith("unknown card 'NVIDIA X9'"));
  EXPECT_EQ(imported.refused[0].reason, imported.refused[1].reason);
}

TEST(Aiconfigurator, RefusesAColumnThatIsThereTwice) {
  EXPECT_EQ(what_is_wrong("nccl_dtype,num_gpus,message_size,kernel_source,op_name,latency,latency\n"
                          "half,4,512,NCCL,all_gather,0.0125,0.02\n",
                          {.card = "h200-sxm"}),
            "log.txt: the head names the column 'latency' twice: which of them is meant?");
}

TEST(Aiconfigurator, RefusesARateThatNoLinkHas) {
  // 1 MiB over 4 ranks in 20 ns: a busbw of 4e13 B/s.
  const auto imported =
      import_log(kNcclHead + "FW,2.30.1,NVIDIA B200,all_gather,NCCL,half,4,524288,0.00002\n");
  EXPECT_TRUE(imported.observations.empty());
  EXPECT_THAT(reasons(imported),
              ElementsAre(HasSubstr("GB/s (busbw) is more than four times the 900 GB/s link")));
}

TEST(Aiconfigurator, OldTablesNeedTheCard) {
  const std::string text =
      "nccl_dtype,num_gpus,message_size,kernel_source,op_name,latency\nint8,2,512,NCCL,all_gather,"
      "0.01\n";
  EXPECT_THAT(what_is_wrong(text), HasSubstr("log.txt:2: no line names the device"));
  const auto imported = import_log(text, {.card = "h200-sxm"});
  EXPECT_EQ(imported.observations[0].point.at("bytes"), 512);
  EXPECT_EQ(imported.observations[0].library.runtime_version, "unknown");
  EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("names no release")));
}

TEST(Aiconfigurator, GemmsKeepTypesScalesKernelAndRelease) {
  const auto imported =
      import_log(kGemmHead +
                 ",power,power_limit\n"
                 "FW,1.2,NVIDIA B200,gemm,kern_a,bfloat16,128,256,512,0.01,500,1000\n"
                 "FW,1.2,NVIDIA B200,gemm,kern_b,fp8_block,128,256,512,0.01,500,1000\n"
                 "FW,1.2,NVIDIA B200,gemm,kern_b,nvfp4,128,256,512,0.01,500,1000\n");
  ASSERT_EQ(imported.observations.size(), 2u);
  const auto& bf16 = imported.observations[0];
  EXPECT_EQ(bf16.operation, "expert_gemm");
  EXPECT_EQ(bf16.implementation, "fw-kern-a");
  EXPECT_EQ(bf16.library.runtime_version, "1.2");
  EXPECT_EQ(bf16.point, (Point{{"m", 128}, {"n", 256}, {"k", 512}}));
  EXPECT_DOUBLE_EQ(bf16.work.flops.value(), 2.0 * 128 * 256 * 512);
  EXPECT_EQ(imported.observations[1].dtypes.a, "fp8_e4m3");
  EXPECT_EQ(imported.observations[1].dtypes.scale_mode, "block_1x128");
  EXPECT_EQ(imported.not_imported.at("dtype nvfp4"), 1);
  EXPECT_EQ(imported.environments[0].settings.at("power_limit_watts"), "1000");
}

TEST(Aiconfigurator, BadRowsAreRefusedWithTheirLine) {
  const auto imported = import_log(kGemmHead +
                                   "\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,128,256,512,0.01\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,128,256,512,nan\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,128,256,512,0\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,-1,256,512,0.01\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,128,256\n"
                                   "FW,1.2,NVIDIA B200,gemm,k,bfloat16,8192,8192,8192,0.1\n");
  EXPECT_EQ(imported.observations.size(), 1u);
  EXPECT_THAT(
      reasons(imported),
      ElementsAre("3: column 'latency' is 'nan', not a number",
                  "4: column 'latency' is not above 0",
                  "5: column 'm' is '-1', not a whole number above 0",
                  "6: has 8 fields where the head has 10",
                  HasSubstr("7: 1.1e+04 TFLOP/s is more than the 2250 TFLOP/s dense peak")));
}

}  // namespace
}  // namespace moecal::interchange
