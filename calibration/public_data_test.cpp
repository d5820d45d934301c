// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
//
// Scores fits on points of real cards that they did not see. Reads the public tables (published by
// aiconfigurator, Apache-2.0) in the folder $MOECAL_PUBLIC_DATA; they are not part of moecal.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/synthetic.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream{line};
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

/// The rows of a table whose first line is its source and whose second names its columns.
std::vector<Row> read_table(const std::string& path) {
  std::ifstream stream{path};
  std::string line;
  std::getline(stream, line);
  std::getline(stream, line);
  const auto columns = split(line);
  std::vector<Row> rows;
  while (std::getline(stream, line)) {
    const auto cells = split(line);
    Row row;
    for (std::size_t i = 0; i < std::min(cells.size(), columns.size()); ++i)
      row[columns[i]] = cells[i];
    rows.push_back(row);
  }
  return rows;
}

Observation nccl_observation(const Row& row) {
  const bool half = row.at("nccl_dtype") == "half";
  const auto bytes = std::stoll(row.at("message_size")) * (half ? 2 : 1);  // from elements
  const auto name = row.at("op_name") == "alltoall" ? "all_to_all" : row.at("op_name");
  auto o = synthetic::observation(name, {{"bytes", bytes}}, std::stod(row.at("latency")) * 1e-3);
  o.dtypes = {half ? "f16" : "int8", "", half ? "f16" : "int8", "", "none", ""};
  o.ranks.group = std::stoi(row.at("num_gpus"));
  return o;
}

std::optional<Observation> gemm_observation(const Row& row) {
  static const std::map<std::string, Dtypes> kDtypes{
      {"bfloat16", {"bf16", "bf16", "bf16", "", "none", ""}},
      {"fp8", {"fp8_e4m3", "fp8_e4m3", "bf16", "", "tensor", ""}},
      {"fp8_block", {"fp8_e4m3", "fp8_e4m3", "bf16", "", "block_1x128", ""}}};
  const auto dtypes = kDtypes.find(row.at("gemm_dtype"));
  if (dtypes == kDtypes.end()) return std::nullopt;
  auto o = synthetic::observation("expert_gemm",
                                  {{"m", std::stoll(row.at("m"))},
                                   {"n", std::stoll(row.at("n"))},
                                   {"k", std::stoll(row.at("k"))}},
                                  std::stod(row.at("latency")) * 1e-3);
  o.dtypes = dtypes->second;
  return o;
}

/// What predictions of points that no fit saw were worth.
struct Score {
  std::vector<double> apes, half_widths;
  int covered = 0;

  void take(const Prediction& p, double measured) {
    apes.push_back(std::abs(p.seconds / measured - 1));
    half_widths.push_back(p.hi / p.seconds - 1);
    covered += measured >= p.lo && measured <= p.hi ? 1 : 0;
  }
  void take(const Score& other) {
    apes.insert(apes.end(), other.apes.begin(), other.apes.end());
    half_widths.insert(half_widths.end(), other.half_widths.begin(), other.half_widths.end());
    covered += other.covered;
  }
  [[nodiscard]] double coverage() const {
    return covered / static_cast<double>(std::max<std::size_t>(1, apes.size()));
  }
  void print(const std::string& what) const {
    std::printf("%-34s %6zu points  median %5.2f %%  p90 %5.2f %%  covered %5.1f %%  +-%5.1f %%\n",
                what.c_str(), apes.size(), 100 * median(apes), 100 * quantile(apes, 0.9),
                100 * coverage(), 100 * median(half_widths));
  }
};

using Scores = std::map<std::string, Score>;

std::string regime_name(const Observation& o) {
  if (!o.point.contains("bytes")) return "";
  const auto bytes = o.point.at("bytes");
  return bytes <= 65536 ? "1: to 64 KiB" : bytes <= 4194304 ? "2: to 4 MiB" : "3: above 4 MiB";
}

Score pooled(const std::string& what, const Scores& scores) {
  Score all;
  for (const auto& [regime, score] : scores) {
    if (scores.size() > 1) score.print(what + ", " + regime);
    all.take(score);
  }
  all.print(what);
  return all;
}

std::vector<Observation> pick(const std::vector<Observation>& observations,
                              const std::vector<bool>& held_out, bool which) {
  std::vector<Observation> picked;
  for (std::size_t i = 0; i < observations.size(); ++i)
    if (held_out[i] == which) picked.push_back(observations[i]);
  return picked;
}

void score_unseen(const std::vector<Observation>& unseen, const Coefficients& coefficients,
                  Scores& scores) {
  for (const auto& o : unseen) {
    Query query{.operation = o.operation, .dtype = o.dtypes.a, .point = o.point};
    query.group = o.ranks.group;
    query.scale_mode = o.dtypes.scale_mode;
    const auto answer = predict(coefficients, query);
    ASSERT_TRUE(answer.prediction) << answer.missing;
    scores[regime_name(o)].take(*answer.prediction, o.seconds());
  }
}

/// Fits what is not held out.
Coefficients fit_seen(const std::vector<Observation>& observations,
                      const std::vector<bool>& held_out, const FitOptions& options) {
  const std::vector<ObservationFile> files{synthetic::file(pick(observations, held_out, false))};
  return fit(files, options).coefficients;
}

Coefficients without_tables(Coefficients coefficients) {
  std::erase_if(coefficients.models, [](const Model& m) { return !m.table.empty(); });
  return coefficients;
}

class PublicData : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("MOECAL_PUBLIC_DATA");
    if (folder == nullptr)
      GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public tables: nothing is scored";
    folder_ = folder;
  }
  std::string folder_;
};

/// Every third interior size of each curve, by phase.
std::vector<bool> every_third_size(const std::vector<Observation>& observations, int phase) {
  std::set<std::int64_t> sizes;
  for (const auto& o : observations) sizes.insert(o.point.at("bytes"));
  std::vector<bool> held_out;
  for (const auto& o : observations) {
    const auto rank = std::distance(sizes.begin(), sizes.find(o.point.at("bytes")));
    const bool end = rank == 0 || rank + 1 == static_cast<std::ptrdiff_t>(sizes.size());
    held_out.push_back(!end && rank % 3 == phase);
  }
  return held_out;
}

constexpr std::array<const char*, 4> kNcclTables{"b200_sxm_2.29.2", "h200_sxm_2.29.2",
                                                 "h100_sxm_2.29.2", "a100_sxm_2.27.3"};

/// Every public curve, each size held out once but the ends; with the points kept and without.
void score_collectives(const std::string& folder, Scores& tables, Scores& compact) {
  for (const std::string table : kNcclTables) {
    std::vector<Observation> observations;
    for (const auto& row : read_table(folder + "/nccl/" + table + ".csv"))
      observations.push_back(nccl_observation(row));
    for (int phase = 0; phase < 3; ++phase) {
      const auto held_out = every_third_size(observations, phase);
      const auto unseen = pick(observations, held_out, true);
      const auto coefficients = fit_seen(observations, held_out, {});
      score_unseen(unseen, coefficients, tables);
      score_unseen(unseen, without_tables(coefficients), compact);
    }
  }
}

TEST_F(PublicData, UnseenSizesOfCollectives) {
  Scores table_scores, compact_scores;
  score_collectives(folder_, table_scores, compact_scores);
  const auto tables = pooled("NCCL, tables", table_scores);
  EXPECT_LE(median(tables.apes), 0.027);
  EXPECT_LE(quantile(tables.apes, 0.9), 0.125);
  EXPECT_GE(tables.coverage(), 0.85);
  EXPECT_LE(tables.coverage(), 0.95);
  const auto compact = pooled("NCCL, compact", compact_scores);
  EXPECT_LE(median(compact.apes), 0.038);
  EXPECT_LE(quantile(compact.apes, 0.9), 0.132);
  EXPECT_GE(compact.coverage(), 0.85);
  EXPECT_LE(compact.coverage(), 0.95);
}

/// Whole (n, k) pairs, one in five.
std::vector<bool> every_fifth_pair(const std::vector<Observation>& observations, int phase) {
  std::map<std::pair<std::int64_t, std::int64_t>, int> order;
  std::vector<bool> held_out;
  for (const auto& o : observations) {
    const auto entry =
        order.try_emplace({o.point.at("n"), o.point.at("k")}, static_cast<int>(order.size()));
    held_out.push_back(entry.first->second % 5 == phase);
  }
  return held_out;
}

TEST_F(PublicData, UnseenShapesOfGemms) {
  Score all;
  for (const std::string card : {"b200_sxm", "h200_sxm"}) {
    std::map<std::string, std::vector<Observation>> by_dtype;
    for (const auto& row : read_table(folder_ + "/gemm/" + card + ".csv"))
      if (auto o = gemm_observation(row)) by_dtype[row.at("gemm_dtype")].push_back(*o);
    for (const auto& [dtype, observations] : by_dtype) {
      Scores scores;  // every pair is held out once: which fifth is scored is not ours to choose
      for (int phase = 0; phase < 5; ++phase) {
        const auto held_out = every_fifth_pair(observations, phase);
        score_unseen(pick(observations, held_out, true),
                     fit_seen(observations, held_out, {.compact = true}), scores);
      }
      all.take(pooled("GEMM, " + card + " " + dtype, scores));
    }
  }
  all.print("GEMM, compact, all");
  EXPECT_LE(median(all.apes), 0.060);
  EXPECT_LE(quantile(all.apes, 0.9), 0.18);
  EXPECT_GE(all.coverage(), 0.85);
  EXPECT_LE(all.coverage(), 0.97);
}

}  // namespace
}  // namespace moecal::calibration
