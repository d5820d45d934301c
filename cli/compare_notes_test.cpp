// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_notes.hpp"

#include <gtest/gtest.h>

#include "cli/text_table.hpp"

namespace moecal::cli {
namespace {

TEST(CompareNotes, AreOneWhereOnlyNumbersDiffer) {
  CompareNotes notes;
  EXPECT_EQ(notes.marks({"extrapolated x2", "the rates differ by 7.68 %: wider"}), "[1][2]");
  EXPECT_EQ(notes.marks({"the rates differ by 19.4 %: wider"}), "[2]");
  EXPECT_EQ(notes.marks({"the rates differ by 5.96 %: wider", "extrapolated x2"}), "[1][2]");
  EXPECT_EQ(notes.marks({}), "");
  EXPECT_EQ(notes.text(), "[1] extrapolated x2\n[2] the rates differ by 5.96 to 19.4 %: wider\n");
}

TEST(CompareNotes, KeepApartWhatDiffersInMore) {
  CompareNotes notes;
  EXPECT_EQ(notes.marks({"m = 16 is not between 64 and 1.6e+04"}), "[1]");
  EXPECT_EQ(notes.marks({"n = 16 is not between 64 and 1.6e+04"}), "[2]");
  EXPECT_EQ(notes.marks({"m = 8 is not between 64 and 2e+04"}), "[1]");
  EXPECT_EQ(notes.marks({"dtype f16 stands in for bf16"}), "[3]");
  EXPECT_EQ(notes.marks({"dtype f32 stands in for bf16"}), "[4]");
  EXPECT_EQ(notes.marks({"release 2.29.2 of nccl answers"}), "[5]");
  EXPECT_EQ(notes.marks({"release 2.28.3 of nccl answers"}), "[6]");
  EXPECT_EQ(notes.marks({"measure bytes=64", "groups of 2, 4"}), "[7][8]");
  EXPECT_EQ(notes.marks({"measure bytes=128", "groups of 2, 8"}), "[7][8]");
  EXPECT_EQ(notes.text(),
            "[1] m = 8 to 16 is not between 64 and 1.6e+04 to 2e+04\n"
            "[2] n = 16 is not between 64 and 1.6e+04\n"
            "[3] dtype f16 stands in for bf16\n[4] dtype f32 stands in for bf16\n"
            "[5] release 2.29.2 of nccl answers\n[6] release 2.28.3 of nccl answers\n"
            "[7] measure bytes=64 to 128\n[8] groups of 2, 4 to 8\n");
}

TEST(TextTable, IsAsWideAsItsWidestCell) {
  TextTable table{{{"id"}, {"us", TextTable::Side::right}, {"is"}}};
  table.add({"a", "1234", "faster"});
  table.add({"a-long-identifier", "5", ""});
  EXPECT_EQ(table.text(),
            "id                   us  is\n"
            "a                  1234  faster\n"
            "a-long-identifier     5\n");
}

TEST(TextTable, WritesThreeDigits) {
  EXPECT_EQ(three_digits(4.5678), "4.57");
  EXPECT_EQ(three_digits(0.0123456), "0.0123");
  EXPECT_EQ(three_digits(9.999), "10.0");
  EXPECT_EQ(three_digits(999.6), "1000");
  EXPECT_EQ(three_digits(123456), "123000");
  EXPECT_EQ(three_digits(1000), "1000");
}

}  // namespace
}  // namespace moecal::cli
