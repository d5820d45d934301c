// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/recording_nccl/recording_nccl_ranks.hpp"

namespace moecal::collectives {
namespace {

/// A point of another kind where the operation has no sizes in bytes.
bench::Case case_for(const bench::Benchmark& benchmark, const GroupSpec& spec) {
  bench::Case c = case_of({spec.group * 33 * 2, Dtype::bf16, spec.group}, spec);
  if (benchmark.operation() != "all_to_all_v") return c;
  c.point = {{"tokens", 33}, {"hidden", 8}, {"experts", 16}, {"top_k", 2}};
  c.routing.distribution = "power_law";
  c.routed = true;
  return c;
}

void expect_verified(const bench::Benchmark& benchmark, const bench::Implementation& implementation,
                     const GroupSpec& spec, bench::Context& context) {
  const auto trial = benchmark.make_trial(implementation, case_for(benchmark, spec), context);
  const int rank = context.world.rank();
  EXPECT_EQ(trial->takes_part(), membership(spec, rank).takes_part);
  trial->prepare(2);
  if (trial->takes_part())
    for (const int set : {1, 0}) trial->launch(set, nullptr);
  EXPECT_EQ(trial->verify().max_rel_error, 0) << implementation.name << " on rank " << rank;
  EXPECT_EQ(trial->library().name, "NCCL");
  EXPECT_EQ(trial->library().runtime_version, "2.28.9");
}

TEST_F(RecordingNccl, BenchmarksVerifyWhatTheyMeasure) {
  for (const auto make : {bench::make_all_gather, bench::make_all_reduce, bench::make_all_to_all,
                          bench::make_all_to_all_v, bench::make_broadcast,
                          bench::make_reduce_scatter, bench::make_send_recv}) {
    const auto problems = on_ranks([&](ControlPlane& world) {
      const auto benchmark = make();
      bench::Context context{world, 0};
      for (const auto& implementation : benchmark->implementations())
        for (const GroupSpec& spec : group_specs(kWorld))
          if (implementation.backend == "nccl")
            expect_verified(*benchmark, implementation, spec, context);
    });
    EXPECT_THAT(problems, Each(""));
  }
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAllReduce").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAlltoAll").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclSend").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAllGather").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclBroadcast").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclReduceScatter").empty());
  }
}

/// One all-reduce by an implementation, launched so often.
void launch_all_reduce(const bench::Implementation& implementation, int launches) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_reduce();
    const auto trial = benchmark->make_trial(implementation, case_of(kShape, kAll), context);
    trial->prepare(1);
    for (int i = 0; i < launches; ++i) trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, AGraphIsCapturedOnceAndReplayed) {
  const int before = fake_cuda().graph_launches;
  launch_all_reduce({"nccl_graph", "nccl"}, 4);
  EXPECT_EQ(fake_cuda().graph_launches - before, 4 * kWorld)
      << "all calls but the first, the verified one too";
  for (int rank = 0; rank < kWorld; ++rank)
    EXPECT_EQ(fake_nccl().calls(rank, "ncclAllReduce").size(), 6U)
        << "the first, the captured one, four replays";
}

TEST_F(RecordingNccl, AGraphOfMessagesReplaysThemAll) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_to_all();
    const auto trial =
        benchmark->make_trial({"nccl_send_recv_graph", "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
    for (int i = 0; i < 3; ++i) trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
    EXPECT_EQ(fake_nccl().calls(world.rank(), "ncclSend").size(), 5U * kWorld);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, TheRecordSaysThatAGraphWasReplayed) {
  for (const auto& implementation : bench::make_broadcast()->implementations())
    if (implementation.backend == "nccl") {
      EXPECT_EQ(implementation.graph == "cuda_graph", implementation.name == "nccl_graph");
    }
}

TEST_F(RecordingNccl, BuffersAreRegisteredAndTakenBack) {
  for (const auto& [name, function] : {std::pair{"nccl_registered", "ncclCommRegister"},
                                       std::pair{"nccl_symmetric", "ncclCommWindowRegister"}}) {
    tests::reset_fake_nccl();
    launch_all_reduce({name, "nccl"}, 2);
    for (int rank = 0; rank < kWorld; ++rank) {
      const auto known = fake_nccl().calls(rank, function);
      ASSERT_EQ(known.size(), 2U) << "what is sent, what is received";
      const auto called = fake_nccl().calls(rank, "ncclAllReduce").at(0);
      EXPECT_EQ(known[0].send, called.send);
      EXPECT_EQ(known[1].send, called.receive);
      EXPECT_EQ(known[0].count, static_cast<std::size_t>(kShape.bytes));
      EXPECT_EQ(known[0].key, name == std::string{"nccl_symmetric"} ? NCCL_WIN_COLL_SYMMETRIC : -1);
    }
    EXPECT_EQ(fake_nccl().live_registrations(), 0);
  }
}

TEST_F(RecordingNccl, ARefusedRegistrationLeavesNoMemoryBehind) {
  fake_nccl().faults = {{"ncclCommRegister", 1, ncclInvalidUsage}};
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_reduce();
    const auto trial =
        benchmark->make_trial({"nccl_registered", "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
  });
  EXPECT_THAT(problems[1], HasSubstr("ncclCommRegister of 128 bytes on rank 1 of a group of 4 "
                                     "failed: NCCL said invalid usage"));
  for (const int other : {0, 2, 3}) EXPECT_EQ(problems[other], "");
}

/// Where in one buffer the calls of an implementation in place send from and receive into.
std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places_in_place(
    const std::function<std::unique_ptr<bench::Benchmark>()>& make, const std::string& function) {
  tests::reset_fake_nccl();
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = make();
    const auto trial =
        benchmark->make_trial({"nccl_in_place", "nccl"}, case_of(kShape, kAll), context);
    EXPECT_EQ(trial->footprint(), Bytes{kShape.bytes}) << "one buffer";
    trial->prepare(1);
    trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
  });
  EXPECT_THAT(problems, Each(""));
  std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places;
  for (int rank = 0; rank < kWorld; ++rank) {
    const RecordedNcclCall call = fake_nccl().calls(rank, function).at(0);
    const auto* send = static_cast<const std::byte*>(call.send);
    const auto* receive = static_cast<const std::byte*>(call.receive);
    places.emplace_back(std::max<std::ptrdiff_t>(0, send - receive),
                        std::max<std::ptrdiff_t>(0, receive - send));
  }
  return places;
}

TEST_F(RecordingNccl, InPlaceTheSmallerBufferIsTheRanksBlockOfTheLarger) {
  using Places = std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>>;
  const Places same(kWorld, {0, 0});
  EXPECT_EQ(places_in_place(bench::make_all_reduce, "ncclAllReduce"), same);
  EXPECT_EQ(places_in_place(bench::make_broadcast, "ncclBroadcast"), same);
  EXPECT_EQ(places_in_place(bench::make_all_gather, "ncclAllGather"),
            (Places{{0, 0}, {32, 0}, {64, 0}, {96, 0}}));
  EXPECT_EQ(places_in_place(bench::make_reduce_scatter, "ncclReduceScatter"),
            (Places{{0, 0}, {0, 32}, {0, 64}, {0, 96}}));
}

TEST_F(RecordingNccl, TheRecordSaysTheAlgorithmThatNcclLogged) {
  const auto path = ::testing::TempDir() + "moecal_recording_nccl.log";
  setenv("NCCL_DEBUG", "INFO", 1);
  setenv("NCCL_DEBUG_SUBSYS", "TUNING", 1);
  setenv("NCCL_DEBUG_FILE", path.c_str(), 1);
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_gather();
    const auto trial = benchmark->make_trial({"nccl", "nccl"}, case_of(kShape, kAll), context);
    EXPECT_EQ(trial->library().algorithm, "unknown");
    world.barrier();
    if (world.rank() == 0)  // as the library would
      std::ofstream{path} << "h:1:1 [0] NCCL INFO AllGather: 32 Bytes -> Algo RING proto LL128 "
                             "channel{Lo..Hi}={0..1}\n";
    world.barrier();
    EXPECT_EQ(trial->library().algorithm, "RING LL128");
  });
  for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) unsetenv(name);
  std::remove(path.c_str());
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, SumsOfFp8NeedADeviceThatAdds) {
  fake_cuda().compute_major = 8;
  const auto problems = on_ranks([](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, 0};
    static_cast<void>(benchmark->make_trial(
        {"nccl", "nccl"}, case_of({128, Dtype::fp8_e4m3, kWorld}, kAll), context));
  });
  fake_cuda().compute_major = 9;
  EXPECT_THAT(problems, Each(HasSubstr("NCCL adds FP8 on devices of compute capability 9.0")));
}

TEST_F(RecordingNccl, AnOldLibraryCarriesFp8AsBytes) {
  fake_nccl().version = 22'304;
  const auto problems = on_ranks([](ControlPlane& world) {
    const bench::Case fp8 = case_of({128, Dtype::fp8_e4m3, kWorld}, kAll);
    bench::Context context{world, 0};
    const auto gather = bench::make_all_gather();
    const auto trial = gather->make_trial({"nccl", "nccl"}, fp8, context);
    trial->prepare(1);
    trial->launch(0, nullptr);
    EXPECT_EQ(fake_nccl().calls(world.rank(), "ncclAllGather").at(0).type, ncclUint8);
    EXPECT_THROW(
        static_cast<void>(bench::make_all_reduce()->make_trial({"nccl", "nccl"}, fp8, context)),
        Unsupported);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, RanksWithoutADeviceAreRefusedBeforeAnyCall) {
  const auto problems = on_ranks([](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, -1};
    static_cast<void>(benchmark->make_trial({"nccl", "nccl"}, case_of(kShape, kAll), context));
  });
  EXPECT_THAT(problems, Each("NCCL needs a CUDA device on every rank"));
  EXPECT_TRUE(fake_nccl().calls(-1).empty());
}

}  // namespace
}  // namespace moecal::collectives
