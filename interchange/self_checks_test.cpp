// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/collective_run.hpp"
#include "interchange/testing/import_testing.hpp"

/// Figures of one row that bear on each other are held to each other.
namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Sizes were once held to the most rows of a matrix, 10^9.
TEST(SelfChecks, SizesAreBytesUpToWhatNoMemoryHas) {
  EXPECT_EQ(bytes_of("1073741824", "Size"), std::int64_t{1} << 30);
  EXPECT_EQ(bytes_of("1152921504606846976", "Size"), std::int64_t{1} << 60);
  const auto refusal = [](const std::string& field) -> std::string {
    try {
      (void)bytes_of(field, "Size");
    } catch (const InvalidInput& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("1152921504606846977"), "'Size' is '1152921504606846977', beyond any memory");
  EXPECT_EQ(refusal("99999999999999999999"), "'Size' is '99999999999999999999', beyond any memory");
  for (const auto* field : {"0", "-8", "8x", "", "1.5"})
    EXPECT_EQ(refusal(field),
              "'Size' is '" + std::string{field} + "', not a whole number of bytes above 0");
}

TEST(SelfChecks, AGibibyteIsASize) {
  const auto bytes = [](const std::string& text, const ImportOptions& options) {
    const auto imported = import_log(text, options);
    EXPECT_THAT(imported.refused, IsEmpty()) << testing::PrintToString(reasons(imported));
    return imported.observations.at(0).point.at("bytes");
  };
  const ImportOptions options{.card = "h100-sxm", .operation = "all_reduce", .ranks = 4};
  EXPECT_EQ(bytes("# OSU MPI-CUDA Allreduce Latency Test v7.5\n# Datatype: MPI_FLOAT.\n"
                  "# Size       Avg Latency(us)\n1073741824 25000.0\n",
                  options),
            1 << 30);
  EXPECT_EQ(bytes("data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:\n"
                  "1073741824 | 20000.00 | 53.68709 | success\n",
                  options),
            1 << 30);
  EXPECT_EQ(bytes("size(B) count(elems) type time(us) algbw(GB/s) busbw(GB/s)\n"
                  "1073741824 536870912 bf16 25600 39.06 58.59\n",
                  options),
            1 << 30);
}

TEST(SelfChecks, TheCountsOfJsonAreHeldToItsSizes) {
  const auto imported = import_fixture("nccl-tests-json/single_times.json");
  EXPECT_THAT(reasons(imported),
              testing::Contains(HasSubstr("results[1]: count 262145 of float is 1048580 bytes, but "
                                          "the size is 1048576")));
}

TEST(SelfChecks, SingleTimesHaveTheMeanThatIsPrinted) {
  const auto imported = import_fixture("nccl-tests-json/single_times.json");
  ASSERT_EQ(imported.refused.size(), 3u) << testing::PrintToString(reasons(imported));
  EXPECT_THAT(imported.refused[1].reason,
              HasSubstr("the mean of out_of_place_per_iter.times_us is 40.000000, but avg_us is "
                        "50.000000"));
  EXPECT_THAT(imported.refused[2].reason,
              HasSubstr("the mean of in_place_per_iter.times_us is 4.000000, but time is "
                        "40.000000"));
  ASSERT_EQ(imported.observations.size(), 4u);
  EXPECT_EQ(imported.observations[0].samples_s.size(), 3u);
  EXPECT_EQ(imported.observations[1].samples_s.size(), 4u);
}

TEST(SelfChecks, AicbsBusRatesAreThoseOfTheirRanks) {
  const std::string head =
      "comm_type,comm_group,comm_group_size,msg_size,_elapsed_time,algbw,busbw\n";
  const auto row = [](const std::string& type, const std::string& busbw) {
    return "CommType." + type + ",g,4,1048576,0.125,7.81," + busbw + "\n";
  };
  const auto refused = [&](const std::string& type, const std::string& busbw) {
    return reasons(import_log(head + row(type, busbw) + row(type, busbw), {.card = "h100-sxm"}));
  };
  EXPECT_THAT(refused("all_reduce", "11.72"), IsEmpty());
  EXPECT_THAT(refused("all_gather", "5.86"), IsEmpty());
  EXPECT_THAT(refused("reduce_scatter", "5.86"), IsEmpty());
  EXPECT_THAT(refused("all_to_all", "7.81"), IsEmpty());
  for (const auto* type : {"all_reduce", "all_gather", "reduce_scatter"})
    EXPECT_THAT(refused(type, "7.81"), ElementsAre(HasSubstr("busbw / algbw is 1.000000, but ")));
  EXPECT_THAT(refused("all_reduce", "fast"),
              ElementsAre("3: column 'busbw' is 'fast', not a number"));
}

TEST(SelfChecks, TimesOfTellingTheCountsAreNotBelowZero) {
  const auto imported = import_fixture("aiconfigurator/deepep_normal.csv");
  EXPECT_THAT(reasons(imported),
              testing::IsSupersetOf({"4: column 'dispatch_notify_us' is '-9.5', below 0",
                                     "5: column 'dispatch_transmit_us' is not above 0"}));
}

TEST(SelfChecks, MetricsOfNcclM2nAreListedAsLeftOut) {
  const auto imported = import_fixture("nccl-m2n/metrics.json");
  EXPECT_EQ(imported.format, "nccl-m2n");
  EXPECT_EQ(imported.rows_read, 5);
  EXPECT_TRUE(imported.observations.empty());
  EXPECT_THAT(imported.not_imported,
              ElementsAre(std::pair{"operation nccl_m2n is not one of moecal's", 2}));
  EXPECT_EQ(imported.refused.size(), 3u) << testing::PrintToString(reasons(imported));
}

}  // namespace
}  // namespace moecal::interchange
