// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/host_memory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::bench {
namespace {

constexpr double kGiB = 1 << 30;

// A host of 64 GiB.
class HostMemory : public ::testing::Test {
 protected:
  HostMemory() { put("proc/meminfo", "MemFree:  5 kB\nMemTotal:       67108864 kB\n"); }

  void put(const std::string& path, const std::string& text) const { root_.write(path, text); }
  [[nodiscard]] double gibibytes() const { return host_memory(root_.path()).value() / kGiB; }

 private:
  TemporaryFolder root_;
};

TEST_F(HostMemory, IsAllWhereNoGroupLimitsIt) {
  EXPECT_EQ(gibibytes(), 64);
  put("proc/self/cgroup", "0::/user.slice\n");
  put("sys/fs/cgroup/user.slice/memory.max", "max\n");
  EXPECT_EQ(gibibytes(), 64);
}

TEST_F(HostMemory, IsTheLeastLimitOnTheWayUp) {
  put("proc/self/cgroup", "0::/system.slice/job_7/step_0/task_0\n");
  put("sys/fs/cgroup/system.slice/job_7/step_0/task_0/memory.max", "max\n");
  put("sys/fs/cgroup/system.slice/job_7/step_0/memory.max", "34359738368\n");
  put("sys/fs/cgroup/system.slice/job_7/memory.max", "17179869184\n");
  put("sys/fs/cgroup/system.slice/job_8/memory.max", "1073741824\n");
  EXPECT_EQ(gibibytes(), 16);
  put("sys/fs/cgroup/memory.max", "8589934592\n");  // of a container, seen as the outermost
  EXPECT_EQ(gibibytes(), 8);
}

TEST_F(HostMemory, KnowsGroupsOfVersionOne) {
  put("proc/self/cgroup", "11:cpu,cpuacct:/slurm/job_7\n4:memory:/slurm/job_7/step_0\n0::/\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "4294967296\n");
  put("sys/fs/cgroup/memory/slurm/job_7/step_0/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(gibibytes(), 4);
}

// Of another name space than /sys/fs/cgroup shows: what there is counts.
TEST_F(HostMemory, PassesOverGroupsThatAreNotSeen) {
  put("proc/self/cgroup", "0::/../../elsewhere\nno group\n");
  put("sys/fs/cgroup/memory.max", "2147483648\n");
  EXPECT_EQ(gibibytes(), 2);
}

// As where a container's /proc shows less than it may use.
TEST_F(HostMemory, IsWhatTheUserSaysWhoKnowsBetter) {
  setenv("MOECAL_HOST_MEMORY", "2e12", 1);
  EXPECT_EQ(gibibytes() * kGiB, 2e12);
  for (const char* wrong : {"", "a lot", "2e12x", "-1", "0", "inf", "nan"}) {
    setenv("MOECAL_HOST_MEMORY", wrong, 1);
    EXPECT_THROW((void)gibibytes(), InvalidInput) << wrong;
  }
  unsetenv("MOECAL_HOST_MEMORY");
  EXPECT_EQ(gibibytes(), 64);
}

}  // namespace
}  // namespace moecal::bench
