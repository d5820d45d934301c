// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "calibration/coefficients.hpp"
#include "core/card.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/verb_process.hpp"

// `moecal transfer` and `moecal compare` as a user runs them, on two cards of known cost.
namespace moecal::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

calibration::Model model_of(const Card& card, const std::string& operation,
                            const std::string& form) {
  calibration::Model model;
  model.id = operation + "." + card.id;
  model.operation = operation;
  model.card = card.id;
  model.system = card.id + "-8";
  model.conditions.implementation = "test";
  model.form = form;
  model.residual_quantiles = {{0, 0, 0.1, 100}};
  model.observation_ids = {"test"};
  model.provenance = "imported";
  return model;
}

calibration::Model gemm(const Card& card, double e1) {
  auto model = model_of(card, "expert_gemm", "roofline");
  model.conditions.dtype = "bf16";
  model.parameters = {{"t0", 4e-6, "s", 0},
                      {"e1", e1, "1", 0},
                      {"e2", 1.25, "1", 0},
                      {"nominal_flops", card.dense_peak("bf16")->value(), "FLOP/s", 0},
                      {"nominal_bandwidth", card.memory_bandwidth->value.value(), "B/s", 0}};
  model.validity = {{"m", {1, 16384}}, {"n", {512, 32768}}, {"k", {512, 16384}}};
  return model;
}

calibration::Model all_reduce(const Card& card, double latency) {
  auto model = model_of(card, "all_reduce", "segmented_latency_bandwidth");
  model.conditions.dtype = "f16";
  model.conditions.group = 4;
  model.parameters = {{"latency", latency, "s", 0},
                      {"inverse_bandwidth_1", 2 / card.link.rate->value.value(), "s/B", 0},
                      {"last_rate_spread", 0, "1", 0}};
  model.validity = {{"bytes", {512, 1 << 30}}};
  return model;
}

/// Coefficients of B200 and H100.
class Compare : public ::testing::Test {
 protected:
  Compare() {
    const auto b200 = find_card("b200-sxm"), h100 = find_card("h100-sxm");
    calibration::Coefficients coefficients;
    coefficients.source = "test";
    coefficients.models = {gemm(b200, 1.5), all_reduce(b200, 2e-5), gemm(h100, 1.25),
                           all_reduce(h100, 1e-5)};
    file_ = folder_.write("two.json", calibration::to_json(coefficients));
  }

  TemporaryFolder folder_;
  std::string file_;
};

// Intervals are quantiles of exponentials: their last digits depend on the mathematics library.
std::string without_intervals(const std::string& text) {
  static const std::regex kInterval{R"( +[0-9.]+ \.\. +[0-9.]+)"};
  return std::regex_replace(text, kInterval, " lo .. hi");
}

TEST_F(Compare, PrintsRatiosWhatIsMissingAndWhatDoesNotFit) {
  const auto run = run_moecal("compare b200-sxm h100-sxm a100-64 --coefficients " + file_);
  EXPECT_EQ(run.status, 0) << run.text;
  expect_golden("compare.txt", without_intervals(run.text));
}

TEST_F(Compare, NeverGivesANumberWithoutAnInterval) {
  const auto run = run_moecal("compare b200-sxm mi210 --json --coefficients " + file_);
  ASSERT_EQ(run.status, 0) << run.text;
  const auto pair = nlohmann::json::parse(run.text).at("comparisons").at(0);
  int numbers = 0;
  for (const auto& call : pair.at("calls")) {
    EXPECT_EQ(call.at("ratio").is_null(), call.at("interval").is_null());
    if (call.at("ratio").is_null()) continue;
    ++numbers;
    EXPECT_LT(call.at("interval").at(0), call.at("ratio"));
    EXPECT_LT(call.at("ratio"), call.at("interval").at(1));
    EXPECT_EQ(call.at("first").at("provenance"), "imported");
    EXPECT_EQ(call.at("other").at("provenance"), "transferred");
  }
  EXPECT_GT(numbers, 0);
  EXPECT_EQ(pair.at("does_not_fit").at(0).at("card"), "mi210");
}

TEST_F(Compare, SaysWhatIsWrong) {
  const auto on = " --coefficients " + file_;
  EXPECT_EQ(run_moecal("compare b200-sxm" + on).status, 2);
  EXPECT_THAT(run_moecal("compare b200-sxm" + on).text, HasSubstr("needs two cards or more"));
  EXPECT_THAT(run_moecal("compare b200-sxm nosuch" + on).text, HasSubstr("unknown card"));
  EXPECT_THAT(run_moecal("compare b200-sxm mi210 --operation sort" + on).text,
              HasSubstr("no call of 'sort' is compared"));
  EXPECT_EQ(run_moecal("compair b200-sxm mi210").status, 2);
  EXPECT_THAT(run_moecal("compair b200-sxm mi210").text,
              AllOf(HasSubstr("'compair' is no verb of moecal; there are: measure, import"),
                    HasSubstr("compare")));
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Once a card, whatever the number of its rows and pairs.
TEST_F(Compare, SaysOnceWhatNothingVerifies) {
  const auto run = run_moecal("compare a100-64 b200-sxm h100-sxm --coefficients " + file_);
  ASSERT_EQ(run.status, 0) << run.text;
  EXPECT_EQ(count_of(run.text, "not verified: all_reduce, expert_gemm of a100-64: transferred"), 1);
  EXPECT_EQ(count_of(run.text, "not verified: figures of the spec sheet of a100-64: "), 1);
  EXPECT_EQ(count_of(run.text, "not verified: "), 2) << "what is measured is checked";
  auto unchecked = calibration::read_coefficients(file_);
  for (auto& model : unchecked.models)
    if (model.id == "expert_gemm.b200-sxm") model.residual_quantiles.clear();
  const auto file = folder_.write("unchecked.json", calibration::to_json(unchecked));
  EXPECT_THAT(run_moecal("compare b200-sxm h100-sxm --coefficients " + file).text,
              HasSubstr("not verified: expert_gemm of b200-sxm: nothing held out has checked the "
                        "models\n"));
}

TEST_F(Compare, HelpOfBothVerbs) {
  expect_golden("compare_help.txt", run_moecal("compare --help").text);
  expect_golden("transfer_help.txt", run_moecal("transfer --help").text);
}

TEST_F(Compare, MarksEveryWarningAndGivesTheReasonOfEveryGap) {
  auto run = run_moecal("compare b200-sxm a100-64 --coefficients " + file_);
  ASSERT_EQ(run.status, 0) << run.text;
  // A node of a100-64 has 4 devices: the models of B200 over 8 are not transferred to it.
  run = run_moecal("compare b200-sxm a100-64");
  ASSERT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("a node of a100-64 has 4 devices"));
  EXPECT_THAT(run.text, HasSubstr("the spec sheet of a100-64 gives no peak in fp8_e4m3"));
  const auto flagged = run_moecal("compare b200-sxm a100-64 --json --operation memory_copy");
  const auto call = nlohmann::json::parse(flagged.text).at("comparisons").at(0).at("calls").at(0);
  EXPECT_TRUE(call.at("ratio").is_null());  // no card has a copy
}

class Transfer : public Compare {};

TEST_F(Transfer, WritesCoefficientsThatPredictAndCheckRead) {
  const auto out = folder_.path("a100-64.json");
  const auto run = run_moecal("transfer --to a100_64gb --from " + file_ + " --out " + out);
  ASSERT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("not verified: memory_bytes_per_second"));
  const auto predicted =
      run_moecal("predict " + out + " --operation all_reduce --group 4 --point bytes=1048576");
  EXPECT_EQ(predicted.status, 0) << predicted.text;
  EXPECT_THAT(predicted.text, HasSubstr("provenance  transferred"));
}

TEST_F(Transfer, IsShownAsSuchInVerdicts) {
  const auto out = folder_.path("all.json");
  ASSERT_EQ(run_moecal("transfer --to a100-64 --out " + out).status, 0);
  const auto checked = run_moecal("check --card a100-64 --json --coefficients " + out);
  ASSERT_EQ(checked.status, 0) << checked.text;
  int transferred = 0;
  const auto claims = nlohmann::json::parse(checked.text).at("claims");
  for (const auto& claim : claims) {
    EXPECT_NE(claim.at("provenance"), "measured") << claim.at("id");
    EXPECT_NE(claim.at("provenance"), "imported") << claim.at("id");
    if (claim.at("provenance") == "transferred") ++transferred;
  }
  EXPECT_GT(transferred, 0);
}

TEST_F(Transfer, PrintsTheLeaveOneOutErrors) {
  const auto run = run_moecal("transfer --leave-one-out --from " + file_);
  EXPECT_EQ(run.status, 0) << run.text;
  expect_golden("leave_one_out.txt", run.text);
}

TEST_F(Transfer, SaysWhatIsWrong) {
  const auto run = run_moecal("transfer --to mi210 --from " + file_);
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.text, HasSubstr("needs --to CARD and --out FILE"));
  const auto from = " --from " + file_;
  for (const auto* dropped : {" --to mi210", " --out x.json"}) {
    const auto both = run_moecal("transfer --leave-one-out" + from + dropped);
    EXPECT_EQ(both.status, 2) << dropped;
    EXPECT_THAT(both.text, HasSubstr("it takes neither --to nor --out")) << dropped;
  }
  EXPECT_THAT(run_moecal("transfer --json --to mi210 --out x.json" + from).text,
              HasSubstr("--json is of --leave-one-out"));
  EXPECT_EQ(run_moecal("check --card mi210").status, 2);
  EXPECT_THAT(run_moecal("check --card mi210").text, HasSubstr("moecal transfer --to mi210"));
}

}  // namespace
}  // namespace moecal::cli
