// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "interchange/nccl_tests_logs.hpp"
#include "interchange/testing/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NcclTests, RowsBecomeTwoObservationsInSiUnits) {
  const auto imported = import_log("# Collective test starting: all_reduce_perf\n" + kHead +
                                   devices(8) + "NCCL version 2.27.3+cuda12.9\n" + kColumns + kRow);
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_THAT(imported.refused, IsEmpty());
  const auto& o = imported.observations[0];
  EXPECT_EQ(o.operation, "all_reduce");
  EXPECT_EQ(o.implementation, "nccl");
  EXPECT_EQ(o.dtypes.a, "f32");
  EXPECT_EQ(o.point, (Point{{"bytes", 1048576}}));
  EXPECT_THAT(o.samples_s, ElementsAre(1e-4));
  EXPECT_EQ(o.ranks.group, 8);
  EXPECT_EQ(o.ranks.tier, "intra");
  EXPECT_EQ(o.sample.statistic, "mean");
  EXPECT_EQ(o.sample.iterations_per_sample, 20);
  EXPECT_EQ(o.policy.warmup, 5);
  EXPECT_EQ(o.library.runtime_version, "2.27.3");
  EXPECT_EQ(o.source.tool, "nccl-tests");
  EXPECT_EQ(o.source.line, 14);
  EXPECT_EQ(o.source.sha256.size(), 64u);
  EXPECT_EQ(o.verification.method, "full");
  EXPECT_EQ(imported.observations[1].implementation, "nccl_in_place");
  EXPECT_THAT(imported.observations[1].samples_s, ElementsAre(5e-5));
  ASSERT_EQ(imported.environments.size(), 1u);
  EXPECT_EQ(imported.environments[0].card, "b200-sxm");
  EXPECT_EQ(imported.environments[0].system, "b200-sxm-8");
  EXPECT_EQ(o.environment_id, imported.environments[0].id());
}

TEST(NcclTests, ObservationsSurviveTheirFile) {
  const auto imported = import_log(kHead + devices(8) + kColumns + kRow);
  std::istringstream stream{to_json_line(imported.environments[0]) +
                            to_json_line(imported.observations[0])};
  const auto file = read_observations(stream, "a.jsonl");
  EXPECT_EQ(to_json_line(file.observations.at(0)), to_json_line(imported.observations[0]));
}

// ---- what launchers and releases do to the text

/// One file of fixtures/nccl-tests each.
struct Variant {
  const char* name;
  std::size_t observations;
};

class Variants : public testing::TestWithParam<Variant> {};

TEST_P(Variants, GiveTheSameFirstObservation) {
  const auto imported = import_fixture(
      "nccl-tests/variant_" + std::string{GetParam().name} + ".txt", {.operation = "all_reduce"});
  ASSERT_EQ(imported.observations.size(), GetParam().observations)
      << testing::PrintToString(reasons(imported));
  EXPECT_THAT(imported.refused, IsEmpty());
  for (const auto& o : imported.observations) EXPECT_EQ(o.operation, "all_reduce");
  EXPECT_EQ(imported.observations[0].point.at("bytes"), 1048576);
  EXPECT_NEAR(imported.observations[0].samples_s[0], 1e-4, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    NcclTests, Variants,
    testing::Values(Variant{"plain", 4}, Variant{"no_column_heads", 2},
                    Variant{"old_without_root", 2}, Variant{"not_checked", 2},
                    Variant{"out_of_place_only", 1}, Variant{"out_of_place_only_checked", 1},
                    Variant{"no_check_column", 2}, Variant{"last_check_cut_off", 2},
                    Variant{"srun_label", 2}, Variant{"srun_label_without_space", 1},
                    Variant{"mpirun_tag_output", 2}, Variant{"mpich_halves", 2},
                    Variant{"log_between_head_and_times", 2}, Variant{"log_glued_to_the_row", 1},
                    Variant{"time_stamps", 2}, Variant{"pod_log_prefix", 2}, Variant{"quoted", 2},
                    Variant{"html", 1}, Variant{"exponent", 1}, Variant{"windows_line_ends", 1},
                    Variant{"text_between_rows", 4}, Variant{"single_times", 2},
                    Variant{"half_not_measured", 1}),
    [](const auto& variant) { return std::string{variant.param.name}; });

TEST(NcclTests, BroadcastWithoutRedopHasARoot) {
  const auto imported = import_log(
      kHead + devices(4) + "1048576 262144 float 0 100.0 10.49 10.49 0e+00\n", {}, "broadcast.txt");
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].operation, "broadcast");
}

TEST(NcclTests, RepeatedSizesAreRepetitions) {
  const auto imported = import_log(kHead + devices(8) + kRow + kRow);
  ASSERT_EQ(imported.observations.size(), 4u);
  EXPECT_EQ(imported.observations[0].repetition, 0);
  EXPECT_EQ(imported.observations[2].repetition, 1);
}

TEST(NcclTests, RunsOfOneFileAreRunsApart) {
  const auto once = "# Collective test starting: all_reduce_perf\n" + kHead + devices(8) + kRow +
                    "# Collective test concluded: all_reduce_perf\n";
  const auto imported = import_log(once + once);
  ASSERT_EQ(imported.observations.size(), 4u);
  const auto& first = imported.observations[0].run_id;
  EXPECT_EQ(imported.observations[1].run_id, first);
  EXPECT_EQ(imported.observations[2].run_id, first + "-run2");
}

// A digit of the size was lost, and with it of algbw: size / time still agrees.
TEST(NcclTests, ACountThatIsNotTheSizeIsRefused) {
  const auto head = "# Collective test starting: all_reduce_perf\n" + kHead + devices(8) + kColumns;
  const auto refused = import_log(head + "1048576 262145 float sum -1 100.0 10.49 18.35 0\n");
  EXPECT_THAT(reasons(refused),
              ElementsAre(testing::HasSubstr(
                  "count 262145 of float is 1048580 bytes, but the size is 1048576")));
  // Over 8 ranks each has an eighth: 0.875 of algbw crosses links.
  const auto gather =
      "# Collective test starting: all_gather_perf\n" + kHead + devices(8) + kColumns;
  const std::string half = " 100.0 10.49 9.18 0";
  EXPECT_THAT(import_log(gather + "1048576 32768 float none -1" + half + half + "\n").refused,
              IsEmpty());
  EXPECT_THAT(reasons(import_log(gather + "1048576 65536 float none -1 100.0 10.49 9.18 0\n")),
              ElementsAre(testing::HasSubstr("is 262144 bytes for each of 8 ranks")));
}

TEST(NcclTests, SeveralRunsOfOneFileKeepTheirOwnHeads) {
  // Over 4 ranks all_gather's busbw is 0.75x algbw.
  const auto imported =
      import_log("mpirun -np 8 ./all_reduce_perf -b 1M -e 1M\n" + kHead + devices(8) + kRow +
                 "mpirun -np 4 ./all_gather_perf -b 1M -e 1M\n" + kHead + devices(4) +
                 "1048576 65536 float none -1 100.0 10.49 7.86 0\n");
  ASSERT_EQ(imported.observations.size(), 3u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].operation, "all_reduce");
  EXPECT_EQ(imported.observations[2].operation, "all_gather");
  EXPECT_EQ(imported.observations[2].ranks.group, 4);
}

}  // namespace
}  // namespace moecal::interchange
