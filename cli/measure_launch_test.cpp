// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measure_launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

BenchProgram kernels(int cuda_devices) {
  return {"bench_gemm", "bench_gemm", {"gemm"}, {{"cuda"}, {"cpu"}}, cuda_devices};
}
BenchProgram collectives(int cuda_devices) {
  return {
      "bench_all_reduce", "bench_all_reduce", {"all_reduce"}, {{"nccl"}, {"mpi"}}, cuda_devices};
}

MeasureOptions on(const std::string& device, int ranks = 0) {
  MeasureOptions options;
  options.device = device;
  options.ranks = ranks;
  return options;
}

std::string refusal(const std::function<void()>& what) {
  try {
    what();
    return "";
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

TEST(Launch, GivesKernelsOneRankAndCollectivesOnePerDevice) {
  EXPECT_EQ(plan_launch(kernels(8), on("auto")).ranks, 1);
  EXPECT_EQ(plan_launch(collectives(8), on("auto")).ranks, 8);
  EXPECT_EQ(plan_launch(collectives(8), on("cpu")).ranks, 4);
  EXPECT_EQ(plan_launch(collectives(8), on("cuda", 4)).ranks, 4);
  EXPECT_EQ(plan_launch(collectives(0), on("auto")).ranks, 4);
}

TEST(Launch, SaysWhyAProgramIsLeftOut) {
  EXPECT_EQ(plan_launch(collectives(1), on("auto")).why_not,
            "it needs two CUDA devices or more; there is 1");
  auto program = collectives(8);
  program.implementations = {{"mpi"}};
  EXPECT_EQ(plan_launch(program, on("auto")).why_not, "it was built without NCCL");
  program.implementations = {{"nccl"}};
  EXPECT_EQ(plan_launch(program, on("cpu")).why_not, "it was built without MPI");
  auto cpu_only = kernels(1);
  cpu_only.implementations = {{"cpu"}};
  EXPECT_EQ(plan_launch(cpu_only, on("auto")).why_not,
            "none of its operations runs on a CUDA device");
}

TEST(Launch, MeasuresTheHostBesideItsGpus) {
  auto program = kernels(1);
  program.implementations = {{.backend = "cpu", .of_host = true}};
  EXPECT_EQ(plan_launch(program, on("cuda")).ranks, 1);
}

TEST(Launch, RefusesMoreRanksThanDevices) {
  EXPECT_EQ(refusal([] { (void)plan_launch(collectives(2), on("auto", 4)); }),
            "--ranks 4: this machine has 2 CUDA devices, and each rank needs one of its own");
  EXPECT_EQ(plan_launch(collectives(2), on("cpu", 16)).ranks, 16);
}

TEST(Launch, RefusesADeviceThatNothingCanMeasure) {
  auto cpu_only = kernels(0);
  cpu_only.implementations = {{"cpu"}};
  EXPECT_THAT(refusal([&] { check_device({cpu_only}, on("cuda")); }),
              HasSubstr("--device cuda: these programs were built without CUDA"));
  EXPECT_EQ(refusal([] { check_device({kernels(0)}, on("cuda")); }),
            "--device cuda: this machine shows no CUDA device");
  auto with_reason = kernels(0);
  with_reason.why_no_cuda = "the NVIDIA driver is too old";
  EXPECT_EQ(refusal([&] {
              check_device({kernels(0), with_reason}, on("cuda"));
            }),
            "--device cuda: the NVIDIA driver is too old");
  EXPECT_EQ(refusal([] { check_device({kernels(1)}, on("cuda")); }), "");
  EXPECT_EQ(refusal([&] { check_device({cpu_only}, on("auto")); }), "");
}

// Open MPI counts cores, or what the batch system gives, as slots: fewer than hardware threads.
TEST(Launch, NeverLeavesTheNumberOfRanksToMpirunsSlots) {
  const auto command = command_for(collectives(0), on("cpu", 2), 2);
  EXPECT_EQ(command.arguments[0], "mpirun");
  EXPECT_THAT(command.environment, Contains(Pair("OMPI_MCA_rmaps_base_oversubscribe", "1")));
}

TEST(Launch, LetsAProgramWithoutMpiMakeItsRanksItself) {
  auto program = collectives(4);
  program.implementations = {{"nccl"}};
  const auto command = command_for(program, on("cuda"), 4);
  EXPECT_EQ(command.arguments[0], "bench_all_reduce");
  EXPECT_THAT(command.environment, testing::ElementsAre(Pair("MOECAL_RANKS", "4")));
}

TEST(Launch, WarmsTheClocksOnceARunAndAsksForEnergyOnRequest) {
  auto options = on("cuda");
  EXPECT_THAT(command_for(kernels(1), options, 1).arguments,
              testing::AllOf(testing::IsSupersetOf({"--clock-warm-up", "1.25"}),
                             testing::Not(Contains("--energy"))));
  options.suite = "planner";
  EXPECT_THAT(command_for(kernels(1), options, 1).arguments,
              testing::IsSupersetOf({"--clock-warm-up", "3"}));
  EXPECT_THAT(command_for(kernels(1), on("cpu"), 1).arguments,
              testing::Not(Contains("--clock-warm-up")));
  options.clocks_are_warm = options.energy = true;
  EXPECT_THAT(command_for(kernels(1), options, 1).arguments,
              testing::IsSupersetOf({"--clock-warm-up", "0.25", "--energy"}));
}

// A GPU that fell out of the run would else leave the CPU to the next program.
TEST(Launch, NamesTheDeviceThatWasFound) {
  const auto words_of = [](const Command& command) { return typed(command.arguments); };
  EXPECT_THAT(words_of(command_for(kernels(1), on("auto"), 1)), HasSubstr("--device cuda"));
  EXPECT_THAT(words_of(command_for(kernels(0), on("auto"), 1)), HasSubstr("--device auto"));
  EXPECT_THAT(words_of(command_for(kernels(1), on("cpu"), 1)), HasSubstr("--device cpu"));
}

TEST(ResumeCommand, RepeatsAllThatAPointIsKnownBy) {
  MeasureOptions options;
  options.run_id = "monday";
  options.out = "it's here.jsonl";
  options.device = "cpu";
  options.ranks = 8;
  options.only = "all_reduce";
  options.seconds_per_point = 0.05;
  const auto command = resume_command(options);
  EXPECT_EQ(command.substr(command.find(" measure ")),
            " measure --suite quick --out 'it'\\''s here.jsonl' --run-id monday --device cpu "
            "--ranks 8 --only all_reduce --seconds-per-point 0.05");
}

TEST(ResumeCommand, IsThatOfTheScriptThatStartedIt) {
  setenv("MOECAL_COMMAND", "my archive/run.sh", 1);
  EXPECT_THAT(resume_command({}), testing::StartsWith("'my archive/run.sh' measure --suite quick"));
  unsetenv("MOECAL_COMMAND");
}

}  // namespace
}  // namespace moecal::cli
