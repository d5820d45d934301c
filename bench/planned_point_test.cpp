// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/planned_point.hpp"

#include <gtest/gtest.h>

#include "bench/testing/fake_benchmark.hpp"

namespace moecal::bench {
namespace {

TEST(PlannedPoint, IsOfTheHostBesideADeviceWhereItIsItsWork) {
  Machine machine;
  machine.device = 3;
  machine.last_level_cache = Bytes{50e6};
  const Implementation device{.name = "own", .backend = "cuda"};
  const Implementation host{.name = "threads", .backend = "cpu", .of_host = true};
  EXPECT_EQ(measured_by(device, machine).device, 3);
  const auto cpu = measured_by(host, machine);
  EXPECT_EQ(cpu.device, -1);
  EXPECT_EQ(cpu.last_level_cache, read_cpu().last_level_cache);
  machine.device = -1;
  EXPECT_EQ(measured_by(host, machine).last_level_cache, Bytes{50e6});
}

TEST(PlannedPoint, StaysInStepWhereNoRankCanRunAhead) {
  FakeBenchmark benchmark{[] { return nullptr; }};
  PlannedPoint point{&benchmark, {"fake", "mpi"}, {}, CachePolicy::warm};
  EXPECT_TRUE(stays_in_step(point)) << "one rank";
  point.c.ranks.world = 4;
  EXPECT_FALSE(stays_in_step(point)) << "not one collective";
  benchmark.operation_ = "all_reduce";
  EXPECT_TRUE(stays_in_step(point));
  point.c.ranks.concurrent_groups = 2;
  EXPECT_FALSE(stays_in_step(point)) << "one group may end before another";
  point.c.ranks.concurrent_groups = 1;
  point.implementation.backend = "nccl";
  EXPECT_FALSE(stays_in_step(point)) << "a device's clock runs on";
  point.implementation.backend = "mpi";
  benchmark.operation_ = "broadcast";
  EXPECT_FALSE(stays_in_step(point)) << "the root leaves early";
}

}  // namespace
}  // namespace moecal::bench
