// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "core/json_reader.hpp"
#include "interchange/testing/fixture_options.hpp"
#include "interchange/text_lines.hpp"
#include "tests/fuzz/targets.hpp"

/// One row of each fixture is damaged or deleted: what the other rows come to is as it was, and a
/// damaged row is refused or left out, not passed over.
namespace moecal::fuzz {
namespace {

namespace fs = std::filesystem;
using interchange::Imported;
using interchange::ImportOptions;

/// Formats in which a line is no row, and how its rows hang together.
const std::map<std::string, std::string>& coupled() {
  static const std::map<std::string, std::string> kWhy{
      {"nccl-tests-json", "a row is several lines of JSON"},
      {"nvbench", "a row is several lines of JSON"},
      {"gbenchmark", "a row is several lines of JSON"},
      {"nccl-m2n", "a row is several lines of JSON"},
      {"aicb", "the first call of a group is left out, whichever it is"},
      {"torch-gemm", "a clock is blind by all rows under a heading"},
      {"nvbandwidth", "a matrix has one sum"},
      {"deepep", "ranks are counted by their rows, and rates compared between rows"},
      {"nccl-ep", "a row is a time and the rates and the payload behind it"}};
  return kWhy;
}

struct Fixture {
  std::string text;
  ImportOptions options;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

Imported imported(const Fixture& fixture) {
  return interchange::import_text("fixture", fixture.text, fixture.options);
}

/// What became of the rows of each line, without what only numbers files and rows.
using Outcomes = std::multimap<int, std::string>;

Outcomes outcomes_of(const Imported& imported) {
  Outcomes outcomes;
  for (auto o : imported.observations) {
    const int line = o.source.line;
    o.source.line = o.repetition = 0;
    o.source.sha256 = o.run_id = "";
    outcomes.emplace(line, to_json_line(o));
  }
  for (const auto& row : imported.refused) outcomes.emplace(row.line, "refused: " + row.reason);
  for (const int line : imported.lines_not_imported) outcomes.emplace(line, "left out");
  return outcomes;
}

/// The outcomes of all lines but one, in order; lines below a deleted one have moved up.
std::vector<std::pair<int, std::string>> without(const Outcomes& outcomes, int line, bool moved) {
  std::vector<std::pair<int, std::string>> others;
  for (const auto& [at, what] : outcomes)
    if (at != line) others.emplace_back(moved && at > line ? at - 1 : at, what);
  std::sort(others.begin(), others.end());
  return others;
}

/// Whether a reader can know that the line stands among rows: nccl-tests' text may be without
/// columns' names, and then only a row above says so.
bool is_among_rows(const std::vector<std::string>& lines, int line, const Outcomes& before) {
  for (int above = line - 1; above >= 1; --above) {
    const auto& text = lines[static_cast<std::size_t>(above) - 1];
    if (before.contains(above) || text.find("algbw") != std::string::npos) return true;
    const bool units = text.find("(us)") != std::string::npos;
    if (!units && interchange::ends_table(text)) return false;
  }
  return false;
}

/// The line cut in the middle, without its last character, and with a digit in the middle spoilt.
std::vector<std::string> damaged(const std::string& line) {
  const auto last = line.find_last_not_of(" \t\r");
  auto spoilt = line;
  const auto digit = spoilt.find_first_of("0123456789", spoilt.size() / 2);
  if (digit != std::string::npos) spoilt[digit] = 'x';
  return {line.substr(0, (line.size() + 1) / 2), line.substr(0, last), spoilt};
}

class RowDamage : public testing::TestWithParam<Target> {
 protected:
  static std::vector<fs::path> fixtures() {
    std::vector<fs::path> found;
    for (const auto& folder : GetParam().corpus)
      if (fs::exists(folder))
        for (const auto& entry : fs::directory_iterator{folder})
          if (fs::exists(entry.path().string() + ".golden")) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }

  static bool rows_are_lines() { return !coupled().contains(GetParam().name); }

  static void expect_alike(const Fixture& changed, const Outcomes& before, int line, bool deleted) {
    Imported after;
    try {
      after = imported(changed);
    } catch (const InvalidInput&) {
      return;  // the whole file is refused, aloud
    }
    EXPECT_EQ(lost_rows(after), "") << changed.text;
    if (!rows_are_lines()) return;
    const auto outcomes = outcomes_of(after);
    EXPECT_EQ(without(outcomes, deleted ? 0 : line, false), without(before, line, deleted))
        << "line " << line << " of\n"
        << changed.text;
    if (deleted ||
        (GetParam().name == "nccl-tests" && !is_among_rows(lines_of(changed.text), line, before)))
      return;
    EXPECT_GT(outcomes.count(line), 0u) << "line " << line << " is passed over in\n"
                                        << changed.text;
  }
};

TEST_P(RowDamage, ChangesThatRowAlone) {
  for (const auto& path : fixtures()) {
    Fixture fixture{read_file(path.string()),
                    interchange::fixture_options(read_file(path.string() + ".golden"))};
    Imported whole;
    try {
      whole = imported(fixture);
    } catch (const InvalidInput&) {
      continue;  // its golden file says why
    }
    SCOPED_TRACE(path.filename().string());
    const auto lines = lines_of(fixture.text);
    const auto before = outcomes_of(whole);
    for (const int line : std::set<int>{whole.lines_read.begin(), whole.lines_read.end()}) {
      const auto at = static_cast<std::size_t>(line) - 1;
      ASSERT_LT(at, lines.size());
      auto changed = lines;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at));
      expect_alike({joined(changed), fixture.options}, before, line, true);
      for (const auto& damage : damaged(lines[at])) {
        changed = lines;
        changed[at] = damage;
        expect_alike({joined(changed), fixture.options}, before, line, false);
      }
    }
  }
}

std::vector<Target> formats_with_fixtures() {
  auto all = targets();
  std::erase_if(all, [](const Target& target) {
    return std::none_of(interchange::formats().begin(), interchange::formats().end(),
                        [&target](const auto& format) { return format.name == target.name; });
  });
  return all;
}

std::string test_name(const testing::TestParamInfo<Target>& info) {
  auto name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, RowDamage, testing::ValuesIn(formats_with_fixtures()), test_name);

}  // namespace
}  // namespace moecal::fuzz
