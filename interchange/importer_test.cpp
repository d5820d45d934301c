// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/importer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/printed_number.hpp"
#include "interchange/testing/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::HasSubstr;

TEST(Importer, SaysWhatItReadsWhenAFileIsInNoKnownFormat) {
  EXPECT_THAT(what_is_wrong("hello\n"), HasSubstr("is in no format moecal reads"));
  EXPECT_THAT(what_is_wrong("hello\n"), HasSubstr("nccl-tests"));
  EXPECT_THAT(what_is_wrong("hello\n", {.format = "nccl-tests"}),
              HasSubstr("holds no row of format nccl-tests"));
  EXPECT_THAT(what_is_wrong("hello\n", {.format = "aiconfigurator"}), HasSubstr("columns"));
  EXPECT_THAT(what_is_wrong("hello\n", {.format = "x"}), HasSubstr("unknown format 'x'"));
  EXPECT_THAT(what_is_wrong(""), HasSubstr("is empty"));
  EXPECT_THAT(what_is_wrong("\x1f\x8b..."), HasSubstr("is gzip-compressed and is damaged"));
  EXPECT_THAT(what_is_wrong("PAR1..."), HasSubstr("scripts/parquet_to_csv.py"));
  EXPECT_THROW((void)import_file("/nowhere/at/all", {}), InvalidInput);
}

TEST(PrintedNumber, KnowsHowExactItIs) {
  std::string_view text = "26.50 x";
  EXPECT_DOUBLE_EQ(take_number(text)->half_step, 0.005);
  EXPECT_EQ(text, " x");
  EXPECT_DOUBLE_EQ(printed_number("1.2e+05")->half_step, 5e3);
  EXPECT_DOUBLE_EQ(printed_number("1.2e+05")->value, 1.2e5);
  EXPECT_DOUBLE_EQ(printed_number("15394")->half_step, 0.5);
  for (const char* bad : {"", "-", "x", "1.2.3", "12:30", "2026-01-02", "N/A"})
    EXPECT_FALSE(printed_number(bad).has_value()) << bad;
}

TEST(CollectiveFacts, BusFactors) {
  EXPECT_DOUBLE_EQ(bus_factor("all_reduce", 8), 1.75);
  EXPECT_DOUBLE_EQ(bus_factor("all_to_all", 4), 0.75);
  EXPECT_DOUBLE_EQ(bus_factor("send_recv", 2), 1.0);
  EXPECT_THROW((void)bus_factor("permute", 2), InvalidInput);
  EXPECT_EQ(collective_word("AllToAll"), "all_to_all");
  EXPECT_EQ(collective_word("reduce"), "");
}

}  // namespace
}  // namespace moecal::interchange
