// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/import_testing.hpp"
#include "interchange/nccl_tests_logs.hpp"

/// What is not believed.
namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& rows) {
  const auto imported = import_log(kHead + devices(8) + kRow + rows, {.operation = "all_reduce"});
  EXPECT_EQ(imported.refused.size(), 1u);
  return imported.refused.empty() ? "" : reasons(imported)[0];
}

TEST(NcclTests, RowsThatContradictThemselvesAreRefusedWithTheirLine) {
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 99.99 18.35 0\n"),
              HasSubstr("12: algbw is not size / time"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 10.49 19.66 0\n"),
              HasSubstr("but all_reduce over 8 ranks (from device lines) gives 1.75"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 nan nan nan 0\n"),
              HasSubstr("no complete time"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 0.00 inf inf 0\n"), HasSubstr("no complete"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 xx.xx xx.xx xx.xx 0\n"),
              HasSubstr("no complete"));
  EXPECT_THAT(refusal("0 0 float sum -1 3.10 0.00 0.00 0\n"), HasSubstr("size 0"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 10.49 18.35 0 nan nan nan 0\n"),
              HasSubstr("in-place: time, algbw or busbw is 'nan'"));
}

TEST(NcclTests, ImpossibleRatesAreRefused) {
  // 16 GiB in 1 ms is twice the memory bandwidth of a B200.
  EXPECT_THAT(refusal("17179869184 4294967296 float sum -1 1000.0 17179.87 30064.77 0\n"),
              HasSubstr("GB/s is more than the 8000 GB/s memory bandwidth of b200-sxm"));
}

TEST(NcclTests, OneRankIsNoCollective) {
  const auto imported =
      import_log(kHead + devices(1) + "1048576 262144 float sum -1 5.00 209.72 0.00 0\n", {},
                 "all_reduce.txt");
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("one rank: nothing crosses a link")));
  const auto cut_short =
      import_log(kHead + devices(1) + "1048576 262144 float sum -1 100.0 10.49 18.35 0\n", {},
                 "all_reduce.txt");
  EXPECT_THAT(reasons(cut_short), ElementsAre(HasSubstr("only one rank is listed: give --ranks")));
}

TEST(NcclTests, WrongResultsAreFailedObservations) {
  const auto imported =
      import_log(kHead + devices(8) +
                 "1048576 262144 float sum -1 100.0 10.49 18.35 7 50.00 20.97 36.70 4e-07\n");
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.observations[0].outcome, Outcome::failed);
  EXPECT_THAT(imported.observations[0].reason, HasSubstr("7 of the results were wrong"));
  EXPECT_EQ(imported.observations[1].outcome, Outcome::measured);
  EXPECT_DOUBLE_EQ(imported.observations[1].verification.max_rel_error, 4e-7);
}

TEST(NcclTests, TypesWithoutAWordAreCounted) {
  const auto imported =
      import_log(kHead + devices(8) + kRow + "1048576 131072 double sum -1 100.0 10.49 18.35 0\n");
  EXPECT_EQ(imported.not_imported.at("dtype double"), 1);
  EXPECT_EQ(imported.rows_read, 2);
}

TEST(NcclTests, CpuTimesAreNotTheCollectives) {
  EXPECT_THAT(reasons(import_log(kHead + devices(8) +
                                 "# size count type redop root cputime algbw busbw\n" + kRow)),
              ElementsAre(HasSubstr("of the CPU (option -C)")));
}

}  // namespace
}  // namespace moecal::interchange
