// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Every collective and layer by NCCL on one GPU: a rank alone, or the ranks of an mpirun that share
// the GPU and pass for hosts. Of correctness only: nothing is timed or recorded, because what such
// ranks share says nothing about links. The same file runs over doubles of NCCL and CUDA
// (tests/recording_nccl), where there is no GPU, and nothing may be skipped.
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/clock.hpp"
#include "collectives/groups.hpp"
#include "collectives/nccl_groups.hpp"
#include "core/error.hpp"
#include "runtime/device_info.hpp"
#include "runtime/every_rank.hpp"
#include "tests/collective_benchmarks.hpp"
#include "tests/nccl_one_gpu.hpp"
#include "tests/ranked_test_main.hpp"

namespace moecal::bench {
namespace {

using collectives::GroupSpec;

ControlPlane& world() { return moecal::testing::world(); }

/// NCCL refuses two ranks of one host on one GPU; by these it takes every rank for a host, and has
/// to go by the network. Before its first call.
void pass_for_hosts() {
  if (world().size() == 1) return;
  setenv("NCCL_HOSTID", ("moecal-rank-" + std::to_string(world().rank())).c_str(), 1);
  setenv("NCCL_P2P_DISABLE", "1", 1);
  setenv("NCCL_SHM_DISABLE", "1", 1);
}

GroupSpec all_ranks() {
  return {world().size(), world().size(), collectives::Placement::contiguous, false};
}

/// One rank is a group as well, in which everything is sent to oneself.
std::vector<GroupSpec> specs() {
  if (world().size() == 1) return {all_ranks()};
  return collectives::group_specs(world().size());
}

/// The other ranks would wait for this one in their next collective.
void end_launch(const RankLost& lost) { world().abort(1, std::string{"failed: "} + lost.what()); }

/// The caller returns.
void skip_what_a_real_gpu_may_refuse(const std::string& reason) {
  if (tests::over_doubles()) FAIL() << "the doubles refuse nothing: " << reason;
  GTEST_SKIP() << reason;
}

class OneGpu : public ::testing::TestWithParam<std::unique_ptr<Benchmark> (*)()> {
 protected:
  static void SetUpTestSuite() { pass_for_hosts(); }
  void SetUp() override {
    const auto found = find_cuda_devices();
    if (found.devices.empty())
      return skip_what_a_real_gpu_may_refuse("needs a CUDA device: " + found.reason);
    use_cuda_device(0);
    try {
      collectives::NcclGroups groups;
      static_cast<void>(groups.of(all_ranks(), world()));
    } catch (const RankLost& lost) {
      end_launch(lost);
    } catch (const Error& refusal) {  // on every rank
      if (world().size() == 1) throw;
      skip_what_a_real_gpu_may_refuse(std::string{"NCCL does not let ranks share this GPU: "} +
                                      refusal.what());
    }
  }

  std::unique_ptr<Benchmark> benchmark_ = GetParam()();
  Context context_{world(), 0};
};

/// A small point of the operation, whose sizes are no powers of two; nothing at all where `tokens`
/// is 0.
Case case_of(const std::string& operation, const GroupSpec& spec, std::int64_t tokens) {
  Case c;
  c.dtypes.a = c.dtypes.b = c.dtypes.c = "bf16";
  c.dtypes.accumulate = "f32";
  c.dtypes.scale_mode = "none";
  c.point = {{"bytes", spec.group * tokens * 2}};
  if (operation == "overlap")
    c.point = {{"m", 33}, {"n", 64}, {"k", 48}, {"bytes", spec.group * tokens * 2}};
  if (operation == "all_to_all_v" || operation == "dispatch_combine") {
    c.point = {{"tokens", tokens}, {"hidden", 24}, {"experts", 16}, {"top_k", 2}};
    c.routing.distribution = "power_law";
    c.routed = true;
  }
  c.ranks = to_ranks(spec, std::vector<int>(static_cast<std::size_t>(spec.world)));
  return c;
}

/// Whether ranks that pass for hosts can do it: what makes memory known to peers is for peers that
/// reach it.
bool is_for_here(const Implementation& implementation) {
  const bool known_memory =
      implementation.name.ends_with("_registered") || implementation.name.ends_with("_symmetric");
  return implementation.backend == "nccl" && (world().size() == 1 || !known_memory);
}

/// Launches on two buffer sets in turn, as a batch does, and verifies one more.
/// @throws Error on every rank or on none, so that none is left in a collective alone; @throws
/// RankLost where only the end of the launch helps.
void verify(const Benchmark& benchmark, const Implementation& implementation, const Case& c,
            Context& context) {
  SCOPED_TRACE(implementation.name + " in groups of " + std::to_string(c.ranks.group) + " of " +
               std::to_string(c.ranks.world) + " ranks, " + c.ranks.placement);
  std::unique_ptr<Trial> trial;
  on_every_rank(context.world, [&] {
    trial = benchmark.make_trial(implementation, c, context);
    trial->prepare(2);
  });
  std::unique_ptr<Clock> clock;
  on_every_rank(context.world, [&] {
    clock = make_cuda_event_clock();
    clock->watch([&](Seconds waited) { trial->check_progress(waited); });
  });
  on_every_rank(context.world, [&] {
    if (!trial->takes_part()) return;
    static_cast<void>(clock->time([&] {
      for (const int set : {1, 0, 1, 0}) trial->launch(set, clock->stream());
    }));
  });
  VerificationResult result;
  on_every_rank(context.world, [&] { result = trial->verify(); });
  EXPECT_LE(result.max_rel_error, result.tolerance);
  EXPECT_EQ(trial->library().name, "NCCL");
}

TEST_P(OneGpu, VerifiesEveryImplementationInEveryGroup) {
  int verified = 0;
  std::string reasons;
  for (const auto& implementation : benchmark_->implementations())
    for (const GroupSpec& spec : specs())
      for (const std::int64_t tokens : {1, 33, 1001}) {
        if (!is_for_here(implementation)) continue;
        try {
          verify(*benchmark_, implementation, case_of(benchmark_->operation(), spec, tokens),
                 context_);
          ++verified;
        } catch (const RankLost& lost) {
          end_launch(lost);
        } catch (const Unsupported& reason) {
          reasons += std::string{reason.what()} + "\n";
        }
      }
  if (verified == 0) skip_what_a_real_gpu_may_refuse("nothing can be run here: " + reasons);
}

INSTANTIATE_TEST_SUITE_P(Operations, OneGpu,
                         ::testing::Values(make_all_gather, make_all_reduce, make_all_to_all,
                                           make_all_to_all_v, make_broadcast, make_reduce_scatter,
                                           make_send_recv, make_dispatch_combine, make_overlap),
                         [](const auto& parameter) { return parameter.param()->operation(); });

}  // namespace
}  // namespace moecal::bench
