// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "calibration/predict.hpp"
#include "calibration/transfer.hpp"
#include "interchange/testing/import_testing.hpp"

/// Transfers to cards that others measured: what they measured, which no coefficients have seen,
/// has to lie in the transferred intervals.
namespace moecal::interchange {
namespace {

using calibration::Coefficients;
using calibration::Query;

std::vector<calibration::Donor> committed_donors() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator{MOECAL_SOURCE_DIR "/results/coefficients"})
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Coefficients> files;
  for (const auto& path : paths) files.push_back(calibration::read_coefficients(path));
  return calibration::donors_of(files, known_cards());
}

/// Two ranks that exchange B bytes do what an all-to-all of 2 B over them does: half of it stays.
Query query_of(const Observation& o) {
  Query query;
  query.operation = o.operation;
  query.dtype = o.dtypes.a;
  query.point = o.point;
  query.group = o.ranks.group;
  query.tier = o.ranks.tier;
  if (o.operation != "send_recv") return query;
  query.operation = "all_to_all";
  query.point["bytes"] *= 2;
  return query;
}

struct Score {
  int answered = 0, covered = 0;
  [[nodiscard]] double coverage() const { return static_cast<double>(covered) / answered; }
};

/// Points inside the models' validity; others are not asked for.
Score score(const Coefficients& transferred, const std::vector<Observation>& observations) {
  Score score;
  for (const auto& o : observations) {
    if (o.outcome != Outcome::measured) continue;
    const auto answer = calibration::predict(transferred, query_of(o));
    if (!answer.prediction) continue;
    const auto& p = *answer.prediction;
    if (std::any_of(p.flags.begin(), p.flags.end(), [](const std::string& flag) {
          return flag.starts_with("outside validity") || flag.starts_with("extrapolated");
        }))
      continue;
    ++score.answered;
    if (o.seconds() >= p.lo && o.seconds() <= p.hi) ++score.covered;
  }
  return score;
}

struct ForeignCard {
  const char* log;
  const char* card;
  int at_least;  // points that must have an answer
};

class PublicTransfer : public testing::TestWithParam<ForeignCard> {};

TEST_P(PublicTransfer, CoversWhatOthersMeasured) {
  if (public_data().empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public data";
  const auto& foreign = GetParam();
  const auto imported = import_file(public_data() + "/logs/" + foreign.log, {});
  const auto transferred =
      calibration::transfer(committed_donors(), find_card(foreign.card)).coefficients;
  const auto result = score(transferred, imported.observations);
  std::printf("%s: %d of %d points in the transferred 90 %% interval\n", foreign.card,
              result.covered, result.answered);
  ASSERT_GE(result.answered, foreign.at_least);
  EXPECT_GE(result.coverage(), 0.8);
}

// The public logs of MI250X cross nodes (16 and 32 ranks, eight to a node), which no donor
// measured.
INSTANTIATE_TEST_SUITE_P(
    Interchange, PublicTransfer,
    testing::Values(ForeignCard{"mi210-64gb_torch_gemm_with_cv.txt", "mi210", 8},
                    ForeignCard{"ascend910b2_torch_gemm.txt", "ascend-910b", 8},
                    ForeignCard{"a100-64gb_leonardo_2r_sendrecv.txt", "a100-64", 20}),
    [](const auto& one) {
      std::string name = one.param.card;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

/// Each card of the public tables from the others: rows as they were measured, not as fitted.
TEST(PublicTransferOfTables, CoversTheCardThatWasLeftOut) {
  if (public_data().empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public data";
  const auto donors = committed_donors();
  Score all;
  for (const auto& [table, card] :
       {std::pair{"a100_sxm_2.27.3", "a100-sxm-80"}, std::pair{"b200_sxm_2.29.2", "b200-sxm"},
        std::pair{"h100_sxm_2.29.2", "h100-sxm"}, std::pair{"h200_sxm_2.29.2", "h200-sxm"}}) {
    const auto imported = import_file(public_data() + "/nccl/" + table + ".csv", {});
    const auto transferred = calibration::transfer(donors, find_card(card)).coefficients;
    const auto one = score(transferred, imported.observations);
    std::printf("%s: %d of %d points in the transferred 90 %% interval\n", card, one.covered,
                one.answered);
    EXPECT_GE(one.answered, 400) << card;
    EXPECT_GE(one.coverage(), 0.8) << card;
    all.answered += one.answered;
    all.covered += one.covered;
  }
  EXPECT_GE(all.coverage(), 0.87);
}

}  // namespace
}  // namespace moecal::interchange
