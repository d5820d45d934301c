// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/temporary_folder.hpp"

namespace moecal::collectives {
namespace {

constexpr char kLog[] =
    "node7:4711:4711 [0] NCCL INFO Bootstrap: Using eth0:10.0.0.7<0>\n"
    "node7:4711:4730 [0] NCCL INFO AllReduce: 1024 Bytes -> Algo RING proto LL "
    "channel{Lo..Hi}={0..1}\n"
    "node7:4711:4730 [0] NCCL INFO AllReduce: 1024 Bytes -> Algo RING proto LL "
    "channel{Lo..Hi}={0..1}\n"
    "node7:4711:4730 [0] NCCL INFO AllReduce: 10240 Bytes -> Algo TREE proto LL128 "
    "channel{Lo..Hi}={0..7} cgaClusterSize 4\n"
    "node7:4711:4730 [0] NCCL INFO AllReduce: opCount 3 sendbuff 0x7f count 256 datatype 7 op 0 "
    "root 0\n"
    "node7:4711:4730 [0] NCCL INFO AllGather: 512 Bytes -> Algo NVLS proto SIMPLE "
    "channel{Lo..Hi}={0..15}\n"
    "node7:4711:4730 [0] NCCL INFO AllGather: 512 Bytes -> Algo PAT proto SIMPLE "
    "channel{Lo..Hi}={0..15}\n"
    "node7:4711:4730 [0] NCCL INFO 2048 Bytes -> Algo 1 proto 2 time 21.5\n"
    "node7:4711:4730 [0] NCCL INFO ReduceScatter: 64 Bytes -> Algo 1 proto 2 time 21.5\n"
    "node7:4711:4730 [0] NCCL INFO Broadcast: 64 Bytes -> Algo RI";

TEST(NcclLog, SaysTheAlgorithmAndProtocolOfACall) {
  EXPECT_EQ(algorithm_in_log(kLog, {"AllReduce", 1024}), "RING LL");
  EXPECT_EQ(algorithm_in_log(kLog, {"AllReduce", 10'240}), "TREE LL128");
}

TEST(NcclLog, NamesAllThatCallsOfOneSizeTook) {
  EXPECT_EQ(algorithm_in_log(kLog, {"AllGather", 512}), "NVLS SIMPLE, PAT SIMPLE");
}

TEST(NcclLog, KnowsNothingOfOtherCallsAndForms) {
  EXPECT_EQ(algorithm_in_log(kLog, {"AllReduce", 102}), "unknown") << "not the start of 1024";
  EXPECT_EQ(algorithm_in_log(kLog, {"Reduce", 1024}), "unknown");
  EXPECT_EQ(algorithm_in_log(kLog, {"ReduceScatter", 64}), "unknown") << "numbers, not names";
  EXPECT_EQ(algorithm_in_log(kLog, {"Broadcast", 64}), "unknown") << "a line cut short";
  EXPECT_EQ(algorithm_in_log(kLog, {"", 1024}), "unknown");
  EXPECT_EQ(algorithm_in_log("", {"AllReduce", 1024}), "unknown");
}

/// Environment variables of one test.
class NcclLogFile : public ::testing::Test {
 protected:
  void SetUp() override { set("INFO", "INIT,TUNING", "nccl.%h.%p.log"); }
  void TearDown() override {
    for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) unsetenv(name);
  }
  static void set(const char* level, const char* subsystems, const char* file) {
    setenv("NCCL_DEBUG", level, 1);
    setenv("NCCL_DEBUG_SUBSYS", subsystems, 1);
    setenv("NCCL_DEBUG_FILE", file, 1);
  }
};

TEST_F(NcclLogFile, IsNamedAsNcclNamesIt) {
  const std::string path = nccl_log_path();
  EXPECT_TRUE(path.ends_with("." + std::to_string(::getpid()) + ".log")) << path;
  EXPECT_EQ(path.find('%'), std::string::npos);
}

TEST(NcclLogPath, IsMadeOfHostAndProcess) {
  EXPECT_EQ(expand_nccl_path("/tmp/%h/%p.log", "node7", "41"), "/tmp/node7/41.log");
  EXPECT_EQ(expand_nccl_path("%%h-100%%%p%x%", "node7", "41"), "%h-100%41%x%");
  EXPECT_EQ(expand_nccl_path("%h%h", "%p", "41"), "%p%p") << "what is put in is not read again";
}

TEST_F(NcclLogFile, NamesTheHostUpToItsFirstDot) {
  set("INFO", "TUNING", "%h");
  EXPECT_EQ(nccl_log_path().find('.'), std::string::npos);
}

TEST_F(NcclLogFile, IsReadOnlyWhereItSaysAlgorithms) {
  for (const char* subsystems : {"ALL", "TUNING", "^NET"}) {
    set("info", subsystems, "log");
    EXPECT_EQ(nccl_log_path(), "log") << subsystems;
  }
  for (const char* subsystems : {"", "INIT,NET", "^TUNING"}) {
    set("INFO", subsystems, "log");
    EXPECT_EQ(nccl_log_path(), "") << subsystems;
  }
  set("WARN", "TUNING", "log");
  EXPECT_EQ(nccl_log_path(), "");
  set("INFO", "TUNING", "");
  EXPECT_EQ(nccl_log_path(), "");
}

TEST(NcclLogTail, ReadsWhatCameAfterIt) {
  const TemporaryFolder folder;
  const auto path = folder.path("nccl.log");
  EXPECT_EQ((NcclLogTail{path}.algorithm_of({"AllReduce", 1024})), "unknown") << "no file";
  std::ofstream{path} << kLog << "\n";
  const NcclLogTail tail{path};
  EXPECT_EQ(tail.algorithm_of({"AllReduce", 1024}), "unknown");
  std::ofstream{path, std::ios::app}
      << "h:1:1 [0] NCCL INFO AllReduce: 1024 Bytes -> Algo TREE proto LL channel{Lo..Hi}={0..1}\n";
  EXPECT_EQ(tail.algorithm_of({"AllReduce", 1024}), "TREE LL");
}

}  // namespace
}  // namespace moecal::collectives
