// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/nccl_tests_logs.hpp"
#include "interchange/testing/import_testing.hpp"

/// Numbers of ranks and nodes that no run had. Each was once divided by, or multiplied past the
/// largest int.
namespace moecal::interchange {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kOsu =
    "# OSU MPI-CUDA Allreduce Latency Test v7.5\n# Datatype: MPI_FLOAT.\n"
    "# Size       Avg Latency(us)\n1048576    100.0\n";

TEST(LaunchLimits, ATablesNumberOfGpusIsFromTwoToWhatSystemsHave) {
  const std::string head =
      "framework,version,device,op_name,kernel_source,nccl_dtype,num_gpus,message_size,latency\n";
  std::string rows;
  for (const auto* number : {"4294967296", "4294967298", "2147483647", "65537", "1", "2"})
    rows += "FW,2.30.1,NVIDIA B200,all_gather,NCCL,half," + std::string{number} + ",512,0.0125\n";
  const auto imported = import_log(head + rows);
  EXPECT_THAT(reasons(imported),
              ElementsAre("2: column 'num_gpus' is '4294967296', not from 2 to 65536 ranks",
                          "3: column 'num_gpus' is '4294967298', not from 2 to 65536 ranks",
                          "4: column 'num_gpus' is '2147483647', not from 2 to 65536 ranks",
                          "5: column 'num_gpus' is '65537', not from 2 to 65536 ranks",
                          "6: column 'num_gpus' is '1', not from 2 to 65536 ranks"));
  ASSERT_EQ(imported.observations.size(), 1u);
  EXPECT_EQ(imported.observations[0].ranks.group, 2);
}

TEST(LaunchLimits, ATablesNodesAreNoMoreThanSystemsHave) {
  const auto imported = import_log(
      "framework,version,device,op_name,kernel_source,node_num,hidden_size,num_token,num_topk,"
      "num_experts,dispatch_sms,dispatch_transmit_us,dispatch_notify_us,combine_sms,"
      "combine_transmit_us,combine_notify_us\n"
      "fw,1.2,NVIDIA H200,normal,deepep,8193,4096,1024,8,64,12,100.5,9.5,12,150.0,0\n");
  EXPECT_THAT(reasons(imported),
              ElementsAre("2: column 'node_num' is '8193', or 65544 ranks: no system has those"));
}

TEST(LaunchLimits, ALaunchWithoutNodesOrRanksIsRefused) {
  const ImportOptions card{.card = "b200-sxm"};
  EXPECT_THAT(reasons(import_log("srun --nodes=0 --ntasks=8 ./osu_allreduce\n" + kOsu, card)),
              ElementsAre("5: log.txt:5: the launch command gives 0 nodes for 8 ranks: no node can "
                          "be without one"));
  EXPECT_THAT(reasons(import_log("srun --nodes=9 --ntasks=8 ./osu_allreduce\n" + kOsu, card)),
              ElementsAre("5: log.txt:5: the launch command gives 9 nodes for 8 ranks: no node can "
                          "be without one"));
  for (const auto* id : {"b200-sxm", "cpu-made-up"}) {
    const ImportOptions options{.card = id};
    EXPECT_THAT(reasons(import_log("mpirun -np 0 ./osu_allreduce\n" + kOsu, options)),
                ElementsAre(HasSubstr("log.txt:5: the launch command gives 0 ranks")));
    EXPECT_THAT(what_is_wrong("mpirun -np 0 ./bin/all_reduce_test -b 8K\n"
                              "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): |\n"
                              "8192 | 80.00 | 0.10240 | success\n",
                              options),
                HasSubstr("log.txt:3: the launch command gives 0 ranks"));
    EXPECT_THAT(what_is_wrong("nccom-test -r 0 allr -b 1MB\n"
                              "size(B) count(elems) type time(us) algbw(GB/s) busbw(GB/s)\n"
                              "1048576 524288 bf16 50 19.53 29.30\n",
                              options),
                HasSubstr("log.txt:3: the command line gives 0 ranks"));
    EXPECT_THAT(what_is_wrong("torchrun --nproc_per_node 0 megatron-allreduce.py\n"
                              "size(MB) tavg(usec) avgbw(GB/sec)\n0.50 150.0 6.25\n",
                              options),
                HasSubstr("log.txt:3: the launch command gives 0 ranks"));
    EXPECT_THAT(what_is_wrong("The average bandwidth of all_reduce over 0 ranks (5 warmups / 20 "
                              "trials):\n\n| payload | busbw | algbw |\n| ---: | ---: | ---: |\n"
                              "| 64KiB | 2.40GBps | 1.60GBps |\n",
                              options),
                HasSubstr("log.txt:5: the text gives 0 ranks"));
  }
}

TEST(LaunchLimits, RanksPerNodeTimesNodesIsNotCutToAnInt) {
  // 65536 x 65537 is 65536 modulo 2^32.
  for (const auto* launch : {"srun -N 65536 --ntasks-per-node=65537",
                             "srun -N 99999 "
                             "--ntasks-per-node=99999"})
    EXPECT_THAT(
        reasons(
            import_log(std::string{launch} + " ./osu_allreduce\n" + kOsu, {.card = "b200-sxm"})),
        ElementsAre(HasSubstr("log.txt:5: the launch command gives more than 65536 ranks")));
  EXPECT_THAT(what_is_wrong("torchrun --nproc_per_node=99999 --nnodes=9999 megatron-allreduce.py\n"
                            "size(MB) tavg(usec) avgbw(GB/sec)\n0.50 150.0 6.25\n",
                            {.card = "b200-sxm"}),
              HasSubstr("gives more than 65536 ranks"));
  EXPECT_THAT(what_is_wrong("| payload | 999999 nodes |\n| ---: | ---: |\n| 1MiB | 2.40GBps |\n",
                            {.card = "b200-sxm"}),
              HasSubstr("log.txt:3: the column's nodes, full of b200-sxm gives more than 65536"));
}

TEST(LaunchLimits, OptionsAreHeldToTheSame) {
  const auto with = [](int ranks, int nodes) {
    return reasons(import_log(kOsu, {.card = "b200-sxm", .ranks = ranks, .nodes = nodes}));
  };
  EXPECT_THAT(with(8, 2), IsEmpty());
  EXPECT_THAT(with(8, 9), ElementsAre(HasSubstr("--nodes gives 9 nodes for 8 ranks")));
  EXPECT_THAT(with(2147483647, 1), ElementsAre(HasSubstr("--ranks gives more than 65536 ranks")));
}

const std::string kOsuOfTwo =
    "# OSU MPI-CUDA Latency Test v7.5\n# Size          Latency (us)\n8      3.25\n16     3.5\n\n";

TEST(LaunchLimits, OptionsOfOtherTestsLeaveTheTestBetweenTwoRanksAlone) {
  for (const auto& text : {kOsuOfTwo + kOsu, kOsu + "\n" + kOsuOfTwo}) {
    const auto imported = import_log(text, {.card = "b200-sxm", .ranks = 32, .nodes = 4});
    EXPECT_THAT(reasons(imported), IsEmpty());
    ASSERT_EQ(imported.observations.size(), 3u);
    for (const auto& o : imported.observations) {
      const bool of_two = o.operation == "send_recv";
      EXPECT_EQ(o.ranks.group, of_two ? 2 : 32);
      EXPECT_EQ(o.ranks.nodes, of_two ? 1 : 4);
    }
    EXPECT_THAT(imported.notes, Contains("--nodes 4 is not of the test between two ranks"));
  }
}

TEST(LaunchLimits, TheTestBetweenTwoRanksCanBeOnTwoNodes) {
  const auto imported = import_log(kOsuOfTwo, {.card = "b200-sxm", .nodes = 2});
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.observations[0].ranks.nodes, 2);
  EXPECT_EQ(imported.observations[0].ranks.tier, "inter");
}

TEST(LaunchLimits, ASectionThatCannotBeIsRefusedAlone) {
  const auto imported = import_log(kOsuOfTwo + "mpirun -np 0 ./osu_allreduce\n" + kOsu +
                                       "2097152    150.0\n\nmpirun -np 8 ./osu_allreduce\n" + kOsu,
                                   {.card = "b200-sxm"});
  const auto why = "log.txt:10: the launch command gives 0 ranks: no run has those";
  EXPECT_THAT(reasons(imported), ElementsAre(std::string{"10: "} + why, std::string{"11: "} + why));
  ASSERT_EQ(imported.observations.size(), 3u);
  EXPECT_EQ(imported.observations[2].ranks.group, 8);
  EXPECT_NE(imported.observations[0].run_id, imported.observations[2].run_id);
}

TEST(LaunchLimits, NcclTestsWithoutThreadsHasNoRanks) {
  const auto imported = import_log(
      "mpirun -np 8 ./all_reduce_perf -b 1M -e 1M\n"
      "# nThread 0 nGpus 1 minBytes 8 maxBytes 8 step: 2(factor) warmup iters: 5 iters: 20\n" +
          kColumns + kRow,
      {.card = "cpu-made-up"});
  EXPECT_EQ(imported.rows_read, 1);
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("the launch command gives 0 ranks")));
  for (const auto* launch : {"srun --nodes=0 --ntasks=8", "srun --nodes=9 --ntasks=8"})
    EXPECT_THAT(reasons(import_log(
                    std::string{launch} + " ./all_reduce_perf -b 1M -e 1M\n" + kColumns + kRow,
                    {.card = "b200-sxm"})),
                ElementsAre(HasSubstr("for 8 ranks: no node can be without one")));
}

std::string json_of(const std::string& config) {
  return R"({"version":4,"args":["all_reduce_perf"],"nccl_version":22902,"config":{)" + config +
         R"(},"results":[{"size":1048576,"count":262144,"type":"float","redop":"sum",)"
         R"("out_of_place":{"time":100.0,"alg_bw":10.48576,"bus_bw":18.35008,"nwrong":0}}],)"
         R"("end_time":"then"})";
}

std::string device_of(const std::string& rank, const std::string& device) {
  return R"("devices":[{"rank":)" + rank + R"(,"hostname":"h","device":)" + device +
         R"(,"device_info":"NVIDIA H200"}])";
}

TEST(LaunchLimits, JsonCountsOnFromRanksThatCanBe) {
  EXPECT_EQ(
      import_log(json_of(R"("nthreads":1,"ngpus":8,)" + device_of("0", "0"))).observations.size(),
      1u);
  EXPECT_THAT(what_is_wrong(json_of(R"("nthreads":65536,"ngpus":65537,)" + device_of("0", "0"))),
              HasSubstr("has no sound nthreads and ngpus"));
  EXPECT_THAT(what_is_wrong(json_of(R"("nthreads":-2,"ngpus":-4,)" + device_of("0", "0"))),
              HasSubstr("has no sound nthreads and ngpus"));
  EXPECT_THAT(what_is_wrong(json_of(R"("nthreads":1,"ngpus":8,)" + device_of("2147483647", "0"))),
              HasSubstr("is 2147483647, not from 0 to 65535"));
  EXPECT_THAT(what_is_wrong(json_of(R"("nthreads":1,"ngpus":8,)" + device_of("0", "2147483647"))),
              HasSubstr("is 2147483647, not from 0 to 65535"));
}

}  // namespace
}  // namespace moecal::interchange
