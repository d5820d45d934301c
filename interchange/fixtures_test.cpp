// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/json_reader.hpp"
#include "interchange/importer.hpp"
#include "interchange/testing/fixture_options.hpp"

/// Every file fixtures/<format>/<name> with a <name>.golden beside it is imported and compared with
/// that; its first line holds the options ("card=h100-sxm ranks=8"). With MOECAL_UPDATE_GOLDEN set
/// the golden files are written instead: read what they say before they are committed. The figures
/// in the fixtures are made up.
namespace moecal::interchange {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path{MOECAL_SOURCE_DIR} / "interchange" / "fixtures";
constexpr char kGolden[] = ".golden";

std::vector<fs::path> fixtures() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator{kFolder})
    if (fs::exists(entry.path().string() + kGolden)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 6);
  return {text.data(), end.ptr};
}

void print_observation(const Observation& o, std::ostream& out) {
  out << "line " << o.source.line << ": " << o.operation << " " << o.implementation << " ["
      << o.dtypes.a << " " << o.dtypes.b << " " << o.dtypes.c << " " << o.dtypes.scale_mode << " "
      << o.dtypes.layout << "]";
  for (const auto& [name, value] : o.point) out << " " << name << "=" << value;
  if (o.ranks.group > 1) out << " ranks=" << o.ranks.group << " nodes=" << o.ranks.nodes;
  out << " " << to_string(o.outcome);
  if (!o.samples_s.empty())
    out << " " << shortest(o.seconds()) << " s (" << o.sample.statistic << " of "
        << o.sample.iterations_per_sample << ", " << o.samples_s.size() << " samples)";
  out << " " << o.policy.cache << " " << o.library.name << "/" << o.library.runtime_version;
  if (o.repetition > 0) out << " repetition " << o.repetition;
  if (!o.reason.empty()) out << ": " << o.reason;
  out << "\n";
}

std::string print(const Imported& imported) {
  std::ostringstream out;
  out << imported.format << ": " << imported.rows_read << " rows read\n";
  for (const auto& note : imported.notes) out << "note: " << note << "\n";
  for (const auto& e : imported.environments)
    out << "environment: " << e.card << ", " << e.system << ", '" << e.device_name << "', driver '"
        << e.driver << "'\n";
  for (const auto& o : imported.observations) print_observation(o, out);
  for (const auto& row : imported.refused)
    out << "refused, line " << row.line << ": " << row.reason << "\n";
  for (const auto& [what, rows] : imported.not_imported)
    out << "not imported: " << what << " (" << rows << " rows)\n";
  return out.str();
}

std::string import_or_error(const fs::path& path, const ImportOptions& options) {
  try {
    return print(import_file(path.string(), options));
  } catch (const InvalidInput& error) {
    const std::string text = error.what();
    return "error: " + text.substr(0, text.find("; known:")) + "\n";
  }
}

/// What becomes of the file: the import, or the error, with the file's base name for its path.
std::string outcome_of(const fs::path& path, const ImportOptions& options) {
  auto text = import_or_error(path, options);
  for (auto at = text.find(path.string()); at != text.npos; at = text.find(path.string()))
    text.replace(at, path.string().size(), path.filename().string());
  return text;
}

class Fixtures : public testing::TestWithParam<fs::path> {};

TEST_P(Fixtures, AreImportedAsTheirGoldenFileSays) {
  const auto golden = GetParam().string() + kGolden;
  const auto expected = read_file(golden);
  const auto options = expected.substr(0, expected.find('\n'));
  const auto actual = options + "\n" + outcome_of(GetParam(), fixture_options(options));
  if (std::getenv("MOECAL_UPDATE_GOLDEN") != nullptr)
    std::ofstream{golden} << actual;
  else
    EXPECT_EQ(actual, expected) << GetParam();
}

TEST_P(Fixtures, AreOfTheFormatTheirFolderNames) {
  const auto text = read_file(GetParam().string());
  const auto wanted = GetParam().parent_path().filename().string();
  for (const auto& format : formats()) {
    if (!format.recognises(text)) continue;
    EXPECT_EQ(format.name, wanted) << GetParam();
    return;
  }
  FAIL() << "no format takes " << GetParam();
}

TEST_P(Fixtures, SurviveTheFileOfObservations) {
  const auto expected = read_file(GetParam().string() + kGolden);
  Imported imported;
  try {
    imported = import_file(GetParam().string(), fixture_options(expected));
  } catch (const InvalidInput&) {
    return;  // the golden file says why
  }
  std::string lines;
  for (const auto& e : imported.environments) lines += to_json_line(e);
  for (const auto& o : imported.observations) lines += to_json_line(o);
  std::istringstream stream{lines};
  const auto file = read_observations(stream, "fixture");
  ASSERT_EQ(file.observations.size(), imported.observations.size());
  for (std::size_t i = 0; i < file.observations.size(); ++i)
    EXPECT_EQ(to_json_line(file.observations[i]), to_json_line(imported.observations[i]));
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  auto name = info.param.lexically_relative(kFolder).string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Interchange, Fixtures, testing::ValuesIn(fixtures()), test_name);

}  // namespace
}  // namespace moecal::interchange
