// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Two experiments on real MPI ranks whose answers are known: one rank starts each single call 200
// us late, and one rank's work takes three times as long. Prints a report; scripts/slow_rank.sh
// says how it is run. What the logic makes of exact times is tested in
// bench/point_measurer_test.cpp; this says what a machine's noise leaves of it.
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <thread>

#include "bench/point_measurer.hpp"
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/collective_bench.hpp"
#include "core/statistics.hpp"
#include "runtime/mpi_plane.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::collectives {
namespace {

constexpr int kLateRank = 2;
constexpr int kSlowRank = 1;
constexpr double kDelay = 200e-6;
constexpr double kShare = 200e-6;  // of work a rank does before it meets the others

struct Experiment {
  std::string name;
  bool delays = false;  // rank kLateRank starts kDelay late
  bool slows = false;   // rank kSlowRank has three shares of work
};

/// As a host waits for its device: it leaves the core to ranks that share it.
void wait_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

/// An all-reduce behind a share of work of the rank's own.
template <int kSlow>
void work_and_add(const CollectiveShape& shape, const CollectiveTensors& tensors,
                  ControlPlane& group) {
  wait_for(group.rank() == kSlow ? 3 * kShare : kShare);
  all_reduce_mpi(shape, tensors, group);
}

CollectiveOperation operation_of(const Experiment& experiment) {
  return {
      .name = "all_reduce",
      .dtypes = {Dtype::f32},
      .planner_bytes = {},
      .buffers = all_reduce_buffers,
      .work = all_reduce_work,
      .fill = all_reduce_fill,
      .error = [](const CollectiveShape& shape, int,
                  std::span<const std::byte> receive) { return all_reduce_error(shape, receive); },
      .mpi = {{"ompi", all_reduce_check_mpi,
               experiment.slows ? work_and_add<kSlowRank> : work_and_add<-1>}}};
}

Observation measure(const Experiment& experiment, ControlPlane& world) {
  const auto benchmark = make_collective_benchmark(operation_of(experiment));
  bench::PointMeasurer::Setup setup;
  setup.machine.memory = Bytes{1e9};
  setup.machine.last_level_cache = Bytes{1e3};
  setup.sampler.stop.budget = Seconds{1};
  setup.make_clock = [](const bench::Implementation&) { return bench::make_steady_clock(); };
  if (experiment.delays && world.rank() == kLateRank)
    setup.host_time.wait_until = [wait = setup.host_time.wait_until](double moment) {
      wait(moment);
      wait_for(kDelay);
    };
  bench::Case c;
  c.point = {{"bytes", 4096}};
  c.dtypes.a = c.dtypes.c = "f32";
  c.ranks = to_ranks({.world = world.size(), .group = world.size()},
                     std::vector<int>(static_cast<std::size_t>(world.size()), 0));
  return bench::PointMeasurer{world, setup}.measure(
      {benchmark.get(), {"ompi", "mpi"}, c, bench::CachePolicy::warm});
}

/// "rank 2 in 97 of 100 calls", of whom was named most.
std::string named_most(const std::vector<int>& late_rank) {
  std::map<int, int> counts;
  for (const int rank : late_rank) ++counts[rank];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return "no calls";
  return (most->first < 0 ? "nobody" : "rank " + std::to_string(most->first)) + " in " +
         std::to_string(most->second) + " of " + std::to_string(late_rank.size());
}

void print_row(const Experiment& experiment, const Observation& o) {
  if (o.outcome != Outcome::measured) {
    std::printf("| %s | failed: %s | | | | |\n", experiment.name.c_str(), o.reason.c_str());
    return;
  }
  std::printf("| %s | %.0f | %.0f | %.0f | %.0f | %s |\n", experiment.name.c_str(),
              1e6 * o.seconds(), 1e6 * median(o.transfer_s), 1e6 * median(o.skew_s),
              1e6 * median(o.skew_floor_s), named_most(o.late_rank).c_str());
}

void report(ControlPlane& world) {
  const bool prints = world.rank() == 0;
  if (prints)
    std::printf(
        "| experiment | batch us | transfer us | skew us | skew's floor us | named late |\n"
        "|---|---|---|---|---|---|\n");
  for (const Experiment& experiment :
       {Experiment{"as it is"}, Experiment{"rank 2 starts 200 us late", true},
        Experiment{"rank 1 waits 3x as long", false, true}}) {
    const Observation o = measure(experiment, world);
    if (prints) print_row(experiment, o);
  }
}

}  // namespace
}  // namespace moecal::collectives

int main() {
  ::prctl(PR_SET_TIMERSLACK,
          1);  // nanoseconds: else the kernel wakes sleepers 50 us late, to save power
  const auto world = moecal::make_mpi_plane(moecal::timeout_from_environment());
  moecal::collectives::report(*world);
  return 0;
}
