// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <set>
#include <sstream>

#include "core/json_reader.hpp"
#include "core/observation.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/verb_process.hpp"

/// `moecal import` as a user runs it: what it prints, writes and returns.
namespace moecal::cli {
namespace {

using testing::HasSubstr;

class ImportVerb : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const { folder_.write(name, text); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }

  [[nodiscard]] VerbOutcome run(const std::string& arguments) const {
    return run_moecal("import " + arguments, folder_.path());
  }

 private:
  TemporaryFolder folder_;
};

constexpr char kLog[] =
    "mpirun -np 2 all_gather_perf -b 1K -e 1M -g 1\n"
    "# nThread 1 nGpus 1 minBytes 1024 maxBytes 1048576 step: 1024(factor) warmup iters: 5 iters: "
    "20\n"
    "#  Rank  0 Group  0 Pid 7 on nodeA device  0 [0000:1b:00] NVIDIA B200\n"
    "#  Rank  1 Group  0 Pid 8 on nodeB device  0 [0000:1b:00] NVIDIA B200\n"
    "NCCL version 2.27.3+cuda12.9\n"
    "           0             0     float    none      -1     9.10    0.00    0.00      0     9.00 "
    "   0.00    0.00      0\n"
    "        1024           128     float    none      -1    20.00    0.05    0.03      0    20.00 "
    "   0.05    0.03      3\n"
    "     1048576        131072     float    none      -1    100.0   10.49    5.24      0    100.0 "
    "  99.99    5.24      0\n"
    "     1048576         65536    double    none      -1    100.0   10.49    5.24      0    100.0 "
    "  10.49    5.24      0\n";

TEST_F(ImportVerb, SaysWhatBecameOfEveryRow) {
  write("log.txt", kLog);
  const auto outcome = run("log.txt --out o.jsonl");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.text,
            "log.txt: nccl-tests, 4 rows read, 3 observations, 2 refused\n"
            "  all_gather (from the command line) over 2 ranks (from device lines) on 2 nodes of "
            "b200-sxm-8, nccl 2.27.3\n"
            "  not imported: dtype double (1 rows)\n"
            "  refused, line 8: in-place: algbw is not size / time: the row is damaged, or its "
            "columns are not "
            "nccl-tests'\n"
            "  refused, line 6: size 0: nothing is moved\n"
            "  1 observations are marked failed: wrong results\n"
            "wrote 3 observations to o.jsonl\n");
  const auto file = read_observations(path("o.jsonl"));
  ASSERT_EQ(file.observations.size(), 3u);
  EXPECT_EQ(file.environment(file.observations[0].environment_id).system, "b200-sxm-8");
  EXPECT_EQ(file.observations[0].ranks.tier, "inter");
}

TEST_F(ImportVerb, AppendsAndEndsWithStatusTwoWhereNothingIsUsable) {
  write("log.txt", kLog);
  write("zero.txt", "0 0 float sum -1 9.10 0.00 0.00 0\n");
  EXPECT_EQ(run("log.txt --out o.jsonl").status, 0);
  EXPECT_EQ(run("log.txt --out o.jsonl").status, 0);
  EXPECT_EQ(read_observations(path("o.jsonl")).observations.size(), 6u);
  const auto nothing =
      run("zero.txt --card b200-sxm --operation all_reduce --ranks 8 --out n.jsonl");
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.text, HasSubstr("nothing could be used, nothing was written"));
  EXPECT_FALSE(std::filesystem::exists(path("n.jsonl")));
}

TEST_F(ImportVerb, LeavesAnOutputFileOfAnotherKindAlone) {
  write("log.txt", kLog);
  write("notes.txt", "one line of mine");
  const auto outcome = run("log.txt --out notes.txt");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.text, HasSubstr("'notes.txt' holds something else than moecal's"));
  EXPECT_EQ(read_file(path("notes.txt")), "one line of mine");
}

TEST_F(ImportVerb, ErrorsAreSentencesWithStatusTwo) {
  write("prose.txt", "nothing to see\n");
  const std::array<std::array<const char*, 2>, 5> cases{
      {{"prose.txt --out o.jsonl", "'prose.txt' is in no format moecal reads"},
       {"missing.txt --out o.jsonl", "cannot read 'missing.txt'"},
       {"--out o.jsonl", "name at least one file"},
       {"prose.txt", "say where to write with --out"},
       {"prose.txt --out o.jsonl --format x", "unknown format 'x'"}}};
  for (const auto& [arguments, message] : cases) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_THAT(outcome.text, HasSubstr(message));
  }
}

TEST_F(ImportVerb, NamesADirectoryAndMakesTheFolderOfItsOutput) {
  write("log.txt", kLog);
  const auto directory = run(". --out o.jsonl");
  EXPECT_EQ(directory.status, 2);
  EXPECT_THAT(directory.text, HasSubstr("'.' is a directory"));
  const auto made = run("log.txt --out new/folder/o.jsonl");
  EXPECT_EQ(made.status, 0) << made.text;
  EXPECT_EQ(read_observations(path("new/folder/o.jsonl")).observations.size(), 3u);
}

TEST_F(ImportVerb, ListsItsFormats) {
  const auto list = run("--list-formats");
  EXPECT_EQ(list.status, 0);
  const auto line = "  aiconfigurator  NCCL, GEMM and MoE tables of aiconfigurator, as CSV\n";
  EXPECT_THAT(list.text, HasSubstr(line));
  const auto help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr(list.text));
}

/// Names between a line's first two bars: `a`, `b` of "| `a`, `b` | what is read |".
std::set<std::string> names_in_first_column(const std::string& line) {
  std::set<std::string> names;
  const auto column = line.substr(0, line.find('|', 1));
  for (auto from = column.find('`'); from != std::string::npos;) {
    const auto to = column.find('`', from + 1);
    names.insert(column.substr(from + 1, to - from - 1));
    from = column.find('`', to + 1);
  }
  return names;
}

TEST(ImportFormats, AreThoseThatTheReadmeTellsOf) {
  std::set<std::string> listed, told;
  std::istringstream list{run_moecal("import --list-formats", ".").text};
  for (std::string name, rest; list >> name && std::getline(list, rest);) listed.insert(name);
  std::istringstream readme{read_file(MOECAL_SOURCE_DIR "/interchange/README.md")};
  for (std::string line; std::getline(readme, line);) {
    if (!line.starts_with("| `")) continue;
    for (const auto& name : names_in_first_column(line)) told.insert(name);
  }
  EXPECT_GE(listed.size(), 20U);
  EXPECT_EQ(told, listed);
}

}  // namespace
}  // namespace moecal::cli
