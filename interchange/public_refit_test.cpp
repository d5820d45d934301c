// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "calibration/fit.hpp"
#include "core/card.hpp"
#include "core/json_reader.hpp"
#include "interchange/importer.hpp"
#include "tests/temporary_folder.hpp"

/// The committed coefficients are what the public tables give today: imported and fitted anew, they
/// agree with results/coefficients within the difference that machines may make.
namespace moecal::interchange {
namespace {

constexpr double kTolerance = 1e-6;
using Json = nlohmann::json;

bool close(const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number()) return a == b;
  const double x = a.get<double>(), y = b.get<double>();
  return std::abs(x - y) <= kTolerance * std::max(std::abs(x), std::abs(y));
}

/// Where two documents first differ, as a JSON pointer; empty if they agree.
std::string first_difference(const Json& a, const Json& b, const std::string& at = "") {
  if (a.type() != b.type() && !(a.is_number() && b.is_number())) return at;
  if (!a.is_structured()) return close(a, b) ? "" : at + ": " + a.dump() + " and " + b.dump();
  if (a.size() != b.size()) return at + ": sizes differ";
  const auto items = a.items();
  for (const auto& [key, value] : items) {
    if (b.is_object() && !b.contains(key)) return at + "/" + key + ": missing";
    const auto& other = b.is_object() ? b.at(key) : b.at(static_cast<std::size_t>(std::stoul(key)));
    if (auto found = first_difference(value, other, at + "/" + key); !found.empty()) return found;
  }
  return "";
}

/// A coefficients file without the commit that made it: that is no result.
Json coefficients(const std::string& path) {
  auto json = parse_json(read_file(path), {path, 0});
  json.erase("commit");
  return json;
}

class PublicRefit : public testing::TestWithParam<std::string> {};

TEST_P(PublicRefit, IsWhatIsCommitted) {
  const char* data = std::getenv("MOECAL_PUBLIC_DATA");
  if (data == nullptr) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder with the public tables";
  const TemporaryFolder out;
  const auto& card = GetParam();
  const std::string command = MOECAL_SOURCE_DIR "/scripts/fit_public.sh --card " + card +
                              " --data '" + std::string{data} + "' --out '" + out.path() +
                              "' --moecal '" MOECAL_BINARY_DIR "/bin/moecal'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto fresh = coefficients(out.path(card + ".json"));
  const auto committed = coefficients(MOECAL_SOURCE_DIR "/results/coefficients/" + card + ".json");
  EXPECT_EQ(first_difference(committed, fresh), "")
      << "if the fit was meant to change, run scripts/fit_public.sh and commit what it writes";
}

INSTANTIATE_TEST_SUITE_P(Cards, PublicRefit,
                         testing::Values("b200-sxm", "h200-sxm", "h100-sxm", "a100-sxm-80"),
                         [](const auto& card) {
                           std::string name = card.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// A second fit in one process gives the bytes of the first, on one thread and on several: nothing
/// is left over from a fit, and no order depends on who is ready first.
TEST(PublicRefits, InOneProcessAreEqual) {
  const char* data = std::getenv("MOECAL_PUBLIC_DATA");
  if (data == nullptr) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder with the public tables";
  const auto imported =
      import_file(std::string{data} + "/nccl/b200_sxm_2.29.2.csv", {.card = "b200-sxm"});
  const std::vector<ObservationFile> files{{imported.environments, imported.observations}};
  const auto bytes_with = [&](int threads) {
    return calibration::to_json(
        calibration::fit(files, {.cards = known_cards(), .threads = threads}).coefficients);
  };
  const auto first = bytes_with(1);
  EXPECT_EQ(first, bytes_with(1));
  EXPECT_EQ(first, bytes_with(4));
}

TEST(PublicRefits, DifferencesAreFound) {
  const auto a = Json::parse(R"({"x":[1,{"y":2.0}],"z":"s"})");
  EXPECT_EQ(first_difference(a, a), "");
  EXPECT_EQ(first_difference(a, Json::parse(R"({"x":[1,{"y":2.0000001}],"z":"s"})")), "");
  EXPECT_EQ(first_difference(a, Json::parse(R"({"x":[1,{"y":2.001}],"z":"s"})")),
            "/x/1/y: 2.0 and 2.001");
  EXPECT_EQ(first_difference(a, Json::parse(R"({"x":[1],"z":"s"})")), "/x: sizes differ");
  EXPECT_EQ(first_difference(a, Json::parse(R"({"x":[1,{"w":2.0}],"z":"s"})")), "/x/1/y: missing");
}

}  // namespace
}  // namespace moecal::interchange
