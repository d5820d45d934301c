// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/flat_csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "calibration/fit.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

using synthetic::observation;

std::string csv_of(std::vector<Observation> observations) {
  const auto fitted = fit(std::vector{synthetic::file(std::move(observations))}, {});
  return to_flat_csv(fitted.coefficients, fitted.report.calls);
}

TEST(FlatCsv, HasARowForEachPointInItsOwnNumbers) {
  std::vector<Observation> copies;
  for (std::int64_t bytes = 4096; bytes <= 4194304; bytes *= 2)
    copies.push_back(observation("memory_copy", {{"bytes", bytes}},
                                 1e-6 + 2 * static_cast<double>(bytes) / 1e10));
  const auto csv = csv_of(copies);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 11);  // the compact form has no rows
  EXPECT_THAT(csv, testing::HasSubstr("\nmemory_copy,cpu-test,f32,1,4096,,,,,,,,,,,,1.8"));
  EXPECT_THAT(csv, testing::HasSubstr("\nmemory_copy,cpu-test,f32,1,4194304,,,,,,,,,,,,0.0008"));
  EXPECT_THAT(csv, testing::Not(testing::HasSubstr("8388608")));
}

/// Lines without the three columns of seconds.
std::vector<std::vector<std::string>> keys_of(const std::string& csv) {
  std::istringstream lines{csv};
  std::vector<std::vector<std::string>> keys;
  std::ptrdiff_t seconds = 0;
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    std::istringstream words{line};
    for (std::string field; std::getline(words, field, ',');) fields.push_back(field);
    if (keys.empty()) seconds = std::ranges::find(fields, "seconds") - fields.begin();
    fields.erase(fields.begin() + seconds, fields.begin() + seconds + 3);
    keys.push_back(std::move(fields));
  }
  return keys;
}

// Numbers that only some operations have, and what else makes series, are columns too.
TEST(FlatCsv, TellsItsRowsApart) {
  std::vector<Observation> all;
  for (std::int64_t tokens = 256; tokens <= 65536; tokens *= 2)
    for (const std::int64_t inner : {2048, 7168, 14336})
      all.push_back(observation("swiglu", {{"tokens", tokens}, {"inner", inner}},
                                3e-6 + 6e-12 * static_cast<double>(tokens * inner)));
  for (std::int64_t parameters = 1 << 16; parameters <= 1 << 24; parameters *= 4)
    all.push_back(observation("host_adam", {{"parameters", parameters}},
                              1e-9 * static_cast<double>(parameters)));
  for (const char* layout : {"TN", "NN"})
    for (const char* result : {"f32", "bf16"})
      for (std::int64_t m = 64; m <= 4096; m *= 2) {
        auto o = observation("expert_gemm", {{"m", m}, {"n", 4096}, {"k", 4096}},
                             1e-5 + 1e-8 * static_cast<double>(m));
        o.dtypes.layout = layout;
        o.dtypes.c = result;
        all.push_back(o);
      }
  for (const int nodes : {2, 4})
    for (auto o : synthetic::curve("all_reduce", 8, 8,
                                   [](double bytes) { return 1e-5 + bytes / 1e10; }, {})) {
      o.ranks.nodes = nodes;
      o.ranks.tier = "inter";
      all.push_back(o);
    }
  const auto keys = keys_of(csv_of(all));
  EXPECT_THAT(keys.front(), testing::IsSupersetOf({"inner", "parameters", "nodes", "layout",
                                                   "output_dtype", "graph"}));
  EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), keys.size());
}

}  // namespace
}  // namespace moecal::calibration
