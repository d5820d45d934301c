// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "bench/cache_policy.hpp"
#include "bench/device.hpp"
#include "bench/machine.hpp"
#include "bench/rank_differences.hpp"
#include "bench/set_rotation.hpp"
#include "bench/stop_rule.hpp"
#include "bench/warm_up.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/thread_plane.hpp"

namespace moecal::bench {
namespace {

constexpr Bytes kCache{1000};

TEST(CachePolicy, WarmIsOneSet) { EXPECT_EQ(buffer_sets(CachePolicy::warm, Bytes{1}, kCache), 1); }

TEST(CachePolicy, ColdCoversTwiceTheCacheWithAtLeastTwoSets) {
  EXPECT_EQ(buffer_sets(CachePolicy::cold, Bytes{100}, kCache), 20);
  EXPECT_EQ(buffer_sets(CachePolicy::cold, Bytes{300}, kCache), 7);
  EXPECT_EQ(buffer_sets(CachePolicy::cold, 99 * kCache, kCache), 2);
  EXPECT_EQ(buffer_sets(CachePolicy::cold, 100 * kCache, kCache), 1) << "pushes itself out";
}

TEST(CachePolicy, RefusesColdWhereItWouldTakeTensOfThousandsOfSets) {
  EXPECT_EQ(buffer_sets(CachePolicy::cold, Bytes{1}, kCache), 2000);
  EXPECT_THROW((void)buffer_sets(CachePolicy::cold, Bytes{1}, 20 * kCache), Unsupported);
  EXPECT_THROW((void)buffer_sets(CachePolicy::cold, Bytes{0}, 20 * kCache), Unsupported);
}

TEST(CachePolicy, OfAPartIsThatOfItsOwnBytes) {
  EXPECT_EQ(policy_of(Bytes{100}, 20, kCache), CachePolicy::cold);
  EXPECT_EQ(policy_of(Bytes{100}, 19, kCache), CachePolicy::warm);
  EXPECT_EQ(policy_of(50 * kCache, 1, kCache), CachePolicy::warm) << "one set is found again";
  EXPECT_EQ(policy_of(100 * kCache, 1, kCache), CachePolicy::cold) << "but for a hundredth";
  EXPECT_EQ(policy_of(Bytes{0}, 1000, kCache), CachePolicy::warm) << "not known";
}

TEST(CachePolicy, SmallWorkIsMeasuredBothWaysLargeWorkOnlyCold) {
  using Policies = std::vector<CachePolicy>;
  Work work;
  work.read = Bytes{1999};
  EXPECT_EQ(policies_for(work, kCache), (Policies{CachePolicy::warm, CachePolicy::cold}));
  work.written = Bytes{1};
  EXPECT_EQ(policies_for(work, kCache), (Policies{CachePolicy::cold}));
}

TEST(SetRotation, RemembersWhatWasNotTouchedSinceItForgot) {
  SetRotation rotation{3};
  EXPECT_EQ(rotation.untouched(), 0);
  EXPECT_EQ(rotation.next(), 0);
  EXPECT_EQ(rotation.next(), 1);
  EXPECT_EQ(rotation.untouched(), 2);
  EXPECT_EQ(rotation.touched(), 2);
  EXPECT_EQ(rotation.next(), 2);
  EXPECT_EQ(rotation.untouched(), -1);
  rotation.forget();
  EXPECT_EQ(rotation.next(), 0);
  EXPECT_EQ(rotation.untouched(), 1);
}

TEST(SetRotation, NamesTheSetsOfTheLastLaunches) {
  SetRotation rotation{4};
  for (int i = 0; i < 6; ++i) (void)rotation.next();  // 0 1 2 3 0 1
  EXPECT_EQ(rotation.last(3), (std::vector<int>{3, 0, 1}));
  EXPECT_EQ(rotation.last(100), (std::vector<int>{2, 3, 0, 1}));
}

TEST(StopRule, WaitsForTheFewestSamplesWhateverTheTime) {
  const StopRule rule{.budget = Seconds{1}};
  EXPECT_EQ(rule.reason(std::vector<double>(2, 1.0), {Seconds{100}}), "");
  EXPECT_NE(rule.reason(std::vector<double>(3, 1.0), {Seconds{100}}), "");
}

TEST(StopRule, BelievesTheHalfWidthFromNineSamplesOn) {
  const StopRule rule{.budget = Seconds{1}};
  EXPECT_EQ(rule.reason(std::vector<double>(8, 1.0), {Seconds{0.1}}), "");
  EXPECT_NE(rule.reason(std::vector<double>(9, 1.0), {Seconds{0.1}}), "");
}

TEST(StopRule, GoesOnWhileTheHalfWidthIsTooLarge) {
  const StopRule rule{.max_samples = 20, .budget = Seconds{1}};
  std::vector<double> samples;
  for (int i = 0; i < 19; ++i) {
    samples.push_back(1.0 + 0.1 * i);
    EXPECT_EQ(rule.reason(samples, {Seconds{0.1}}), "") << samples.size();
  }
  samples.push_back(1.0);
  EXPECT_NE(rule.reason(samples, {Seconds{0.1}}), "");
}

TEST(StopRule, SaysWhyThereAreSamplesEnough) {
  const StopRule rule{.max_samples = 10, .budget = Seconds{1}};
  const std::vector<double> steady(9, 1.0), three{1, 2, 3};
  std::vector<double> wild;
  for (int i = 0; i < 10; ++i) wild.push_back(1 + i % 5);
  EXPECT_EQ(rule.reason(steady, {Seconds{5}}), "half_width");
  EXPECT_EQ(rule.reason(wild, {Seconds{0.1}}), "samples");
  EXPECT_EQ(rule.reason(three, {Seconds{1}}), "time");
  EXPECT_EQ(rule.reason(three, {Seconds{0.1}, Seconds{3}}), "wall_time");
  EXPECT_EQ(rule.reason(three, {Seconds{0.1}, Seconds{2.9}}), "");
  EXPECT_EQ(rule.reason(three, {.over = true}), "time_limit");
  EXPECT_EQ(rule.reason(std::vector<double>{1, 2}, {Seconds{9}, Seconds{9}, true}), "");
  EXPECT_EQ(StopRule{.budget = Seconds{0.001}}.longest_wall(), Seconds{0.1});
}

TEST(StopRule, SaysItself) {
  EXPECT_EQ(StopRule{.budget = Seconds{0.5}}.str(),
            "median half-width <= 1 % at 95 % with 9 to 1000 samples, 0.5 s, or 1.5 s "
            "by the wall");
}

TEST(WarmUp, EndsWhenBatchesStopGettingFaster) {
  WarmUp warm_up{Seconds{100}};
  for (const double batch : {8.0, 4.0, 2.0, 1.5, 1.2, 1.1}) {
    warm_up.add(Seconds{batch});
    EXPECT_FALSE(warm_up.finished());
  }
  for (int i = 0; i < 2; ++i) warm_up.add(Seconds{1.1});
  EXPECT_FALSE(warm_up.finished());  // 1.1 against 1.5: still a trend
  for (int i = 0; i < 2; ++i) warm_up.add(Seconds{1.1});
  EXPECT_TRUE(warm_up.finished());
}

TEST(WarmUp, GivesUpAtItsCap) {
  WarmUp warm_up{Seconds{10}};
  warm_up.add(Seconds{11});
  EXPECT_TRUE(warm_up.finished());
}

TEST(Machine, ReadsTheCpuItRunsOn) {
  const auto machine = read_cpu();
  EXPECT_FALSE(machine.device_name.empty());
  EXPECT_GT(machine.memory.value(), 1e8);
  EXPECT_GE(machine.last_level_cache.value(), 1e5);
  EXPECT_EQ(cpu_last_level_cache("/nonexistent").value(), 32.0 * (1 << 20));
}

TEST(Machine, TwoEnvironmentsOfOneMachineAreEqual) {
  auto machine = read_cpu();
  setenv("OMPI_MCA_ess_base_jobid", "1", 1);  // Open MPI's plumbing: another value per launch
  const auto first = make_environment(machine, card_of(machine, ""));
  setenv("OMPI_MCA_ess_base_jobid", "2", 1);
  EXPECT_EQ(make_environment(machine, card_of(machine, "")).id(), first.id());
  setenv("NCCL_ALGO", "Ring", 1);  // a setting
  EXPECT_NE(make_environment(machine, card_of(machine, "")).id(), first.id());
  EXPECT_EQ(first.card.rfind("cpu-", 0), 0U);
  EXPECT_EQ(card_of(machine, first.card).id, first.card);
  EXPECT_THROW((void)card_of(machine, "NVIDIA B200"), InvalidInput);
  machine.device_name = "unknown CPU";
  EXPECT_EQ(card_of(machine, "").id, "cpu-unknown");
  EXPECT_EQ(card_of(machine, "My prototype").id, "my-prototype");
}

// The fake NVML's one device is at its power cap.
TEST(DeviceWatch, AsksNvmlWhereItKnowsTheDevice) {
  Machine machine;
  machine.device = 0;
  machine.pci_bus_id = "0000:1b:00.0";
  const auto watch = make_device_watch(machine, MOECAL_FAKE_NVML);
  ASSERT_TRUE(watch.sees());
  EXPECT_TRUE(is_throttled(watch.now().throttle_reasons.value()));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(make_device_watch(machine, "libmoecal-no-such-library.so").sees());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "moecal: NVML (libmoecal-no-such-library.so) cannot be used here: the records say "
            "nothing of clocks, power and throttling of 0000:1b:00.0\n");
  machine.pci_bus_id = "0000:ff:00.0";
  EXPECT_FALSE(make_device_watch(machine, MOECAL_FAKE_NVML).sees());
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(make_device_watch(read_cpu(), MOECAL_FAKE_NVML).sees());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(DeviceWatch, RecordsWhatTheDeviceIsSetTo) {
  const auto nvml = Nvml::load(MOECAL_FAKE_NVML);
  ASSERT_TRUE(nvml);
  const std::map<std::string, std::string> expected{{"power_limit_w", "700"},
                                                    {"largest_sm_clock_mhz", "1980"},
                                                    {"largest_memory_clock_mhz", "2619"}};
  EXPECT_EQ(device_settings(*nvml, "0000:1b:00.0"), expected);
  EXPECT_TRUE(device_settings(*nvml, "0000:ff:00.0").empty());
}

TEST(Machine, RefusesADeviceItDoesNotKnowUnlessItIsNamed) {
  Machine machine;
  machine.device_name = "NVIDIA X999";
  machine.device = 0;
  machine.devices = 8;
  EXPECT_THROW((void)card_of(machine, ""), InvalidInput);
  EXPECT_EQ(make_environment(machine, card_of(machine, "x999")).system, "x999-8");
  machine.device_name = "NVIDIA B200";
  EXPECT_EQ(make_environment(machine, card_of(machine, "")).system, "b200-sxm-8");
}

TEST(Machine, ReadsWhatNcclReadsFromAFile) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "nccl.conf", "# remarks\nNCCL_ALGO=Ring\nPATH=/bin\nNCCL_NET_PLUGIN=a=b\n\nodd\n");
  EXPECT_EQ(read_nccl_configuration(path), (std::map<std::string, std::string>{
                                               {"NCCL_ALGO", "Ring"}, {"NCCL_NET_PLUGIN", "a=b"}}));
  ::setenv("NCCL_CONF_FILE", path.c_str(), 1);
  ::setenv("NCCL_ALGO", "Tree", 1);
  const auto settings = make_environment({}, {}).settings;
  ::unsetenv("NCCL_CONF_FILE");
  ::unsetenv("NCCL_ALGO");
  EXPECT_EQ(settings.at("NCCL_ALGO"), "Tree") << "the environment goes before the file";
  EXPECT_EQ(settings.at("NCCL_NET_PLUGIN"), "a=b");
  EXPECT_TRUE(read_nccl_configuration("/nowhere").empty());
}

TEST(Devices, OneOfItsOwnIsSeenByEachRankOrAllByAll) {
  EXPECT_EQ(device_of(3, 8), 3);
  EXPECT_EQ(device_of(3, 1), 0);
  EXPECT_THROW((void)device_of(2, 2), InvalidInput);
}

// What each of four ranks says of its device on its host.
std::string device_problem(const std::array<const char*, 4>& buses) {
  const std::vector<std::string> hosts{"a", "a", "b", "b"};
  std::array<std::string, 4> said;
  testing::agreeing_ranks(4, [&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    try {
      check_own_devices(world, hosts, buses[rank]);
    } catch (const InvalidInput& error) {
      said[rank] = error.what();
    }
  });
  for (const auto& text : said) EXPECT_EQ(text, said[0]);
  return said[0];
}

TEST(Devices, AreNotSharedByRanksOfAHost) {
  EXPECT_EQ(device_problem({"0000:17", "0000:65", "0000:17", "0000:65"}), "");
  EXPECT_EQ(device_problem({"", "", "", ""}), "") << "CPUs";
  EXPECT_EQ(device_problem({"0000:17", "0000:65", "0000:65", "0000:65"}),
            "ranks 2 and 3 on b have one CUDA device, 0000:65: start at most one rank per device, "
            "each with one of its own");
}

Environment environment_of(const std::string& driver, std::map<std::string, std::string> settings) {
  Environment environment;
  environment.card = "b200-sxm";
  environment.driver = driver;
  environment.settings = std::move(settings);
  return environment;
}

TEST(RankDifferences, AreThoseThatChangeWhatRanksRun) {
  const auto first = environment_of("570", {{"NCCL_ALGO", "Ring"}, {"network", "eth0"}});
  EXPECT_EQ(differences(first, first), "");
  EXPECT_EQ(differences(environment_of("570", {{"NCCL_ALGO", "Ring"},
                                               {"NCCL_HOSTID", "7"},
                                               {"CUDA_VISIBLE_DEVICES", "3"},
                                               {"network", "eth1"}}),
                        first),
            "");
  EXPECT_EQ(differences(environment_of("550", {{"NCCL_PROTO", "LL"}}), first),
            "driver 550 (rank 0: 570), NCCL_ALGO unset (rank 0: Ring), NCCL_PROTO LL (rank 0: "
            "unset)");
}

TEST(RankDifferences, AreRecordedWithTheirRankOnAllOfThem) {
  std::array<std::string, 3> recorded;
  testing::agreeing_ranks(3, [&](ControlPlane& world) {
    auto environment = environment_of(world.rank() == 2 ? "550" : "570", {});
    compare_ranks(world, environment);
    recorded[static_cast<std::size_t>(world.rank())] = environment.settings["ranks_differ"];
  });
  for (const auto& text : recorded) EXPECT_EQ(text, "rank 2: driver 550 (rank 0: 570)");
}

TEST(RankDifferences, OfCardsAreRefused) {
  testing::agreeing_ranks(2, [&](ControlPlane& world) {
    Environment environment;
    environment.card = world.rank() == 0 ? "b200-sxm" : "h200-sxm";
    EXPECT_THROW(compare_ranks(world, environment), InvalidInput);
  });
}

}  // namespace
}  // namespace moecal::bench
