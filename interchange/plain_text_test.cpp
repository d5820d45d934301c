// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/plain_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/launcher_prefixes.hpp"
#include "interchange/testing/import_testing.hpp"

/// What is done to a text before any format sees it. That every format reads what is left, and the
/// same as without, is held in wrapped_texts_test.cpp.
namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kGemms[] =
    "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency\n"
    "FW,1.2,NVIDIA H200,gemm,kern_a,bfloat16,128,4096,4096,0.0125\n";

TEST(PlainText, NamesWhatIsNoUtf8AndHasNoLineEnds) {
  std::string wide;
  for (const char c : std::string{kGemms}) wide += std::string{c} + '\0';
  const std::string sentence =
      "'log.txt' is UTF-16: convert it, e.g. with iconv -f UTF-16 -t UTF-8";
  EXPECT_EQ(what_is_wrong("\xFF\xFE" + wide), sentence);
  EXPECT_EQ(what_is_wrong(wide), sentence);
  EXPECT_EQ(what_is_wrong("\xFE\xFF" + ('\0' + wide)), sentence);
  std::string returns = kGemms;
  for (char& c : returns)
    if (c == '\n') c = '\r';
  EXPECT_EQ(what_is_wrong(returns),
            "'log.txt' has lines that end with a carriage return alone: convert it, e.g. with "
            "tr '\\r' '\\n'");
}

// The first column's name had the mark in it, so the table was without that column.
TEST(PlainText, AMarkDoesNotHideTheFirstColumn) {
  const auto imported = import_log("\xEF\xBB\xBF" + std::string{kGemms});
  ASSERT_EQ(imported.observations.size(), 1u);
  EXPECT_EQ(imported.observations[0].implementation, "fw-kern-a");
}

TEST(PlainText, LosesSequencesAndKeepsTheRest) {
  const auto without = [](std::string text) {
    remove_marks_and_colours(text);
    return text;
  };
  EXPECT_EQ(without("\x1B[1;32m1024\x1B[0m 22\n"), "1024 22\n");
  EXPECT_EQ(without("\x1B]0;title\x07"
                    "1024\x1B(B"),
            "1024");
  EXPECT_EQ(without("\x1B]8;;url\x1B\\1024"), "1024");
  EXPECT_EQ(without("\x1B]no end\n1024"), "]no end\n1024");
  EXPECT_EQ(without("1024\x1B"), "1024");
  EXPECT_EQ(without("1024\x1B[3"), "1024[3");
}

TEST(PlainText, NoMessageActsOnTheTerminal) {
  const auto imported = import_log(
      "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,"
      "k,latency\nFW,1.2,NVIDIA H200,gemm,kern_a,bfloat16,1\x07"
      "2,4096,4096,0.0125\n");
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("column 'm' is '1?2'")));
  EXPECT_THAT(imported.notes, testing::Contains("1 control characters: read as '?'"));
  // JSON writes them as letters.
  const auto error = what_is_wrong(
      R"({"devices": [{"id": 0, "name": "GPU \u001b[31m"}], "benchmarks": [{"name": "copy",)"
      R"("states": [{"device": 0, "axis_values": []}]}]})");
  EXPECT_THAT(error, HasSubstr("unknown card 'GPU ?[31m'"));
}

TEST(PlainText, ControlCharactersOfTwoBytesBecomeOneEach) {
  std::string text =
      "a\xC2\x85\xC2\x9F\xC2\xA0"
      "b\x7F\xC2";
  EXPECT_EQ(replace_control_characters(text), 3);
  EXPECT_EQ(text,
            "a??\xC2\xA0"
            "b?\xC2");
  constexpr int kMany = 1 << 20;  // minutes, if each moved what is behind it
  std::string many;
  for (int i = 0; i < kMany; ++i) many += "\xC2\x85";
  EXPECT_EQ(replace_control_characters(many), kMany);
  EXPECT_EQ(many, std::string(kMany, '?'));
}

std::string stripped(std::string text) {
  remove_launcher_prefixes(text);
  return text;
}

TEST(LauncherPrefixes, AreCutInLayers) {
  EXPECT_EQ(stripped("[1,0]<stdout>:# head\n[1,0]<stdout>:\n[1,0]<stderr>: 1 2\n"),
            "# head\n\n1 2\n");
  EXPECT_EQ(stripped(" 0: # head\n10: 1 2\n"), "# head\n1 2\n");
  EXPECT_EQ(stripped("2027-01-02T10:00:00Z stdout F 0: 1 2\n2027-01-02T10:00:00Z stdout F 0: 3\n"),
            "1 2\n3\n");
  EXPECT_EQ(stripped("mpirun -np 2 x\nFri Jan  2 10:00:00 2027[1,0]<stdout>:1 2\n"
                     "Fri Jan  2 10:00:01 2027[1,0]<stdout>:3 4\n"),
            "mpirun -np 2 x\n1 2\n3 4\n");
}

TEST(LauncherPrefixes, ClocksMayHaveFractions) {
  EXPECT_EQ(stripped("10:00:00,5 1 2\n10:00:01.123456789 3\n10:00:02 4\n"), "1 2\n3\n4\n");
}

TEST(LauncherPrefixes, LeaveWhatTheProgramsPrint) {
  for (const std::string text :
       {"[rank 0] Dispatch + combine bandwidth: 1 GB/s\n[rank 1] Dispatch\n",
        "[tuning] Best dispatch\n[tuning] Best combine\n", "[PERF] cudnn :: median time 1 ms\n",
        "Dispatch: avg=1\nDispatch: avg=2\n", "time,device\n2027-01-02 10:00:00,H200\n",
        "10:00:00, 1\n10:00:01, 2\n", "10:00:00. 1\n", "{\"a\": [\n0,\n1\n]}\n", "[1, 2]\n[3, 4]\n",
        "1024 22.5\n2048 23.5\n", "size\n0: 1\n2048 3\n4096 4\n", "node07: a\nnode08: b\n"})
    EXPECT_EQ(stripped(text), text);
}

TEST(CsvText, HeadsStandAnywhere) {
  std::string remarks;
  for (int i = 0; i < 33; ++i) remarks += "a remark\n";
  EXPECT_EQ(import_log(remarks + kGemms).observations.size(), 1u);
  EXPECT_EQ(import_log(remarks + kGemms + kGemms).observations.size(), 2u);
}

// The second head was read as a row of a card called 'Device Name'.
TEST(CsvText, TablesOfNvbenchHaveTheirOwnAxes) {
  const std::string one =
      "Benchmark,Device Name,N,Skipped,GPU Time (sec)\n"
      "copy,NVIDIA H200,8,No,0.001\n";
  const std::string two =
      "Benchmark,Device Name,Rows,Skipped,GPU Time (us)\n"
      "copy,NVIDIA B200,9,No,500\n";
  const auto imported = import_log(one + two);
  ASSERT_EQ(imported.observations.size(), 2u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[1].point, (Point{{"rows", 9}}));
  EXPECT_DOUBLE_EQ(imported.observations[1].seconds(), 500e-6);
  EXPECT_EQ(imported.environments[1].card, "b200-sxm");
}

TEST(CsvText, ARowCutShortIsRefusedWithItsLine) {
  const std::string text = kGemms;
  EXPECT_THAT(reasons(import_log(text.substr(0, text.size() - 3))),
              ElementsAre(HasSubstr("2: the file ends in this row, without a line end")));
}

// In a second log the first calls set groups up too.
TEST(CsvText, LogsOfAicbSetTheirGroupsUpEach) {
  const std::string log =
      "comm_type,comm_group,comm_group_size,msg_size,_elapsed_time,algbw,busbw\n"
      "CommType.all_reduce,g,4,1048576,9.5,0.10,0.15\n"
      "CommType.all_reduce,g,4,1048576,0.125,7.81,11.72\n";
  const auto imported = import_log(log + log, {.card = "h100-sxm"});
  EXPECT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.not_imported.at("first call of a group, which sets it up"), 2);
  EXPECT_THAT(imported.notes, testing::Contains(HasSubstr("bf16 is assumed")));
}

}  // namespace
}  // namespace moecal::interchange
