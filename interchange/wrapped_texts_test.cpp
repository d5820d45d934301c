// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "core/json_reader.hpp"
#include "interchange/testing/fixture_options.hpp"
#include "interchange/text_lines.hpp"

/// What editors, terminals, launchers and people do to a text without changing a figure: every
/// fixture gives what it gives without it.
namespace moecal::interchange {
namespace {

namespace fs = std::filesystem;

struct Fixture {
  fs::path path;
  std::string text;
  ImportOptions options;
};

std::vector<Fixture> fixtures() {
  std::vector<Fixture> found;
  for (const auto& entry :
       fs::recursive_directory_iterator{fs::path{MOECAL_SOURCE_DIR} / "interchange" / "fixtures"}) {
    const auto golden = entry.path().string() + ".golden";
    if (fs::exists(golden))
      found.push_back(
          {entry.path(), read_file(entry.path().string()), fixture_options(read_file(golden))});
  }
  std::sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.path < b.path; });
  return found;
}

using Lines = std::vector<std::string>;

/// An observation without what only names the text and numbers it.
std::string figures_of(Observation o) {
  o.source.sha256 = o.run_id = "";
  o.repetition = 0;
  return to_json_line(o);
}

Lines outcomes_of(const Imported& imported) {
  Lines lines;
  for (const auto& o : imported.observations) lines.push_back(figures_of(o));
  for (const auto& row : imported.refused)
    lines.push_back(std::to_string(row.line) + ": " + row.reason);
  for (const auto& [what, rows] : imported.not_imported)
    lines.push_back(what + " " + std::to_string(rows));
  return lines;
}

/// All that becomes of a text, or the one sentence with which it is refused.
Lines outcomes_of(const Fixture& fixture, const std::string& text) {
  try {
    return outcomes_of(import_text(fixture.path.filename().string(), text, fixture.options));
  } catch (const InvalidInput& error) {
    return {error.what()};
  }
}

using Change = std::function<std::string(const std::string&)>;

Change each_line(const std::string& before, const std::string& behind) {
  return [=](const std::string& text) {
    std::string changed;
    for (const auto line : lines_of(text)) changed += before + std::string{line} + behind + "\n";
    return changed;
  };
}

const std::map<std::string, Change>& changes() {
  static const std::map<std::string, Change> kChanges{
      {"byte order mark", [](const std::string& text) { return "\xEF\xBB\xBF" + text; }},
      {"Windows line ends", each_line("", "\r")},
      {"blanks at line ends", each_line("", "   ")},
      {"colours", each_line("\x1B[1;32m", "\x1B[0m")},
      {"colours around stamps", each_line("\x1B[2m10:00:01\x1B[0m \x1B[32m", "\x1B[0m")},
      {"a window's title", each_line("\x1B]0;run\x07", "")},
      {"mpirun --tag-output", each_line("[1,0]<stdout>:", "")},
      {"prterun --tag-output", each_line("[prterun-host-7@1,0]<stdout>: ", "")},
      {"mpirun --timestamp-output", each_line("Mon Nov 22 10:00:00 2027[1,0]<stdout>:", "")},
      {"srun --label", each_line("0: ", "")},
      {"srun --label, aligned", each_line(" 0: ", "")},
      {"mpiexec -prepend-rank", each_line("[0] ", "")},
      {"torchrun --tee", each_line("[default0]:", "")},
      {"container log", each_line("2027-11-22T10:00:00.123456789Z stdout F ", "")},
      {"pods' log", each_line("[pod/worker-0/main] ", "")},
      {"time stamps", each_line("[2027-11-22 10:00:00] ", "")},
      {"a host's name", each_line("node07: ", "")},
      {"two layers", each_line("2027-11-22T10:00:00+01:00 [1,0]<stdout>:", "\x1B[0m")},
  };
  return kChanges;
}

class Wrapped : public testing::TestWithParam<std::string> {};

TEST_P(Wrapped, TextsComeToWhatTheyAreWithout) {
  const auto& change = changes().at(GetParam());
  for (const auto& fixture : fixtures())
    EXPECT_EQ(outcomes_of(fixture, change(fixture.text)), outcomes_of(fixture, fixture.text))
        << fixture.path;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

std::vector<std::string> names_of_changes() {
  std::vector<std::string> names;
  for (const auto& [name, change] : changes()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Interchange, Wrapped, testing::ValuesIn(names_of_changes()), test_name);

/// The figures of all observations, without the lines they stand in.
std::multiset<std::string> unplaced(const Imported& imported) {
  std::multiset<std::string> figures;
  for (auto o : imported.observations) {
    o.source.line = 0;
    figures.insert(figures_of(o));
  }
  return figures;
}

/// Of these the second text may take part in what becomes of the first.
bool is_coupled(const Fixture& fixture) {
  // A clock is blind by all rows under headings of one name.
  return fixture.path.parent_path().filename() == "torch-gemm";
}

TEST(WrappedTwice, LogsOneBehindTheOtherAreBothRead) {
  for (const auto& fixture : fixtures()) {
    if (is_coupled(fixture)) continue;
    const auto name = fixture.path.filename().string();
    Imported once, twice;
    try {
      once = import_text(name, fixture.text, fixture.options);
    } catch (const InvalidInput&) {
      continue;  // nothing is read of it
    }
    try {
      twice = import_text(name, fixture.text + "\n" + fixture.text, fixture.options);
    } catch (const InvalidInput& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("not valid JSON")) << fixture.path;
      continue;
    }
    auto doubled = unplaced(once);
    for (const auto& figures : unplaced(once)) doubled.insert(figures);
    EXPECT_EQ(unplaced(twice), doubled) << fixture.path;
    EXPECT_GE(twice.refused.size(), 2 * once.refused.size()) << fixture.path;
  }
}

/// What was measured, and how long it took: how, and whether it was verified, stands last in some
/// rows.
std::string time_of(const Observation& o) {
  auto text = std::to_string(o.source.line) + ": " + o.operation + " " + o.implementation;
  for (const auto& [name, value] : o.point) text += " " + name + "=" + std::to_string(value);
  for (const double seconds : o.samples_s) text += " " + std::to_string(1e9 * seconds);
  return text;
}

/// Of what stands in this line or behind it.
Lines times_from(int line, const Fixture& fixture, const std::string& text) {
  Lines times;
  try {
    for (const auto& o :
         import_text(fixture.path.filename().string(), text, fixture.options).observations)
      if (o.source.line >= line) times.push_back(time_of(o));
  } catch (const InvalidInput&) {
    // nothing is read of it
  }
  return times;
}

/// Where a text may break off: anywhere in its last line, and short of the last two letters of
/// every other.
std::set<std::size_t> places_to_cut(const std::string& text) {
  std::set<std::size_t> places;
  for (auto line = text.find('\n'); line != text.npos; line = text.find('\n', line + 1)) {
    const auto last = text.find_last_not_of(" \r\n", line);
    if (last == text.npos || last < 2) continue;
    places.insert({last, last - 1});
  }
  const auto last = text.find_last_not_of(" \r\n");
  for (auto end = text.rfind('\n', last) + 1; end <= last; ++end) places.insert(end);
  return places;
}

TEST(WrappedShort, NoFigureIsReadOfHalfOfOne) {
  for (const auto& fixture : fixtures()) {
    // Broken off behind a mean, before the times it is of: the mean stands for them.
    if (fixture.path.parent_path().filename() == "nccl-tests-json") continue;
    const auto whole = times_from(0, fixture, fixture.text);
    for (const auto end : places_to_cut(fixture.text)) {
      const auto text = fixture.text.substr(0, end);
      const int line = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
      EXPECT_THAT(times_from(line, fixture, text), testing::IsSubsetOf(whole))
          << fixture.path << " cut to " << end << " bytes";
    }
  }
}

}  // namespace
}  // namespace moecal::interchange
