// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "core/json_reader.hpp"
#include "tests/fuzz/targets.hpp"

/// The fuzzers' corpus (fixtures, and whatever once broke a reader) through the fuzzers' driver,
/// whole and damaged in ways that do not depend on chance.
namespace moecal::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> seeds(const Target& target) {
  std::vector<fs::path> found;
  for (const auto& folder : target.corpus) {
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::directory_iterator{folder})
      if (entry.is_regular_file() && entry.path().extension() != ".golden")
        found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// The input cut short, with a piece missing, and with a byte changed, at so many places.
std::vector<std::string> damaged(const std::string& bytes) {
  constexpr std::size_t kPlaces = 24;
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const auto at = bytes.size() * i / kPlaces;
    inputs.push_back(bytes.substr(0, at));
    inputs.push_back(bytes.substr(0, at) + bytes.substr(std::min(bytes.size(), at + 7)));
    inputs.push_back(bytes);
    if (at < bytes.size()) inputs.back()[at] = "-9\n{\xff"[i % 5];
  }
  return inputs;
}

// Two observations of one row stood for a row that had vanished.
TEST(LostRows, AreSeenBesideRowsOfTwoObservations) {
  interchange::Imported imported;
  imported.rows_read = 2;
  imported.lines_read = {7, 8};
  imported.observations.resize(2);
  for (auto& observation : imported.observations) observation.source.line = 7;
  EXPECT_EQ(lost_rows(imported),
            "1 rows of line 8 are neither observations nor refused nor said to be not imported");
  imported.lines_not_imported = {8};
  EXPECT_EQ(lost_rows(imported), "");
  imported.rows_read = 3;
  EXPECT_EQ(lost_rows(imported), "3 rows were read, of which the lines of 2 are known");
}

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, TakesItsCorpusWholeAndDamaged) {
  const auto& target = GetParam();
  EXPECT_FALSE(seeds(target).empty()) << "no input to start from";
  for (const auto& seed : seeds(target)) {
    const auto bytes = read_file(seed.string());
    EXPECT_EQ(drive(target, bytes), "") << seed;
    for (const auto& input : damaged(bytes)) ASSERT_EQ(drive(target, input), "") << seed;
  }
}

std::string test_name(const testing::TestParamInfo<Target>& info) {
  auto name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(targets()), test_name);

}  // namespace
}  // namespace moecal::fuzz
