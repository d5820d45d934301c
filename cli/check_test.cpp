// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "calibration/coefficients.hpp"
#include "core/data_dir.hpp"
#include "core/json_reader.hpp"
#include "tests/verb_process.hpp"

// `moecal check` as a user runs it. MOECAL_UPDATE_GOLDEN=1 rewrites the golden files.
namespace moecal {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

VerbOutcome check(const std::string& arguments) { return run_moecal("check " + arguments); }

// Intervals are quantiles of exponentials: their last digits depend on the mathematics library.
std::string without_intervals(const std::string& text) {
  static const std::regex kInterval{R"( *\[[-+.e0-9]+, [-+.e0-9]+\])"};
  return std::regex_replace(text, kInterval, " [lo, hi]");
}

calibration::Model collective(const std::string& operation, int group, double bytes_per_second) {
  calibration::Model model;
  model.id = operation + ".test-card." + std::to_string(group);
  model.operation = operation;
  model.card = "b200-sxm";
  model.system = "b200-sxm-8";
  model.conditions.dtype = "bf16";
  model.conditions.group = group;
  model.conditions.implementation = "nccl";
  model.conditions.release = "1.0";
  model.form = "log_log_table";
  for (double bytes = 1024; bytes <= 1 << 29; bytes *= 2)
    model.table.emplace_back(bytes, 1e-5 + bytes / bytes_per_second);
  model.parameters = {{"last_rate_spread", 0.001, "1", 0}};
  model.residual_quantiles = {{0, 0, 0.02, 100}};
  model.validity["bytes"] = {1024, 1 << 29};
  model.provenance = "imported";
  return model;
}

// Round figures of a card that does not exist: 400 GB/s, all-to-all twice as fast per rank.
std::string coefficients_file() {
  calibration::Coefficients coefficients;
  coefficients.source = "made up for this test";
  coefficients.commit = "test";
  for (const int group : {2, 4, 8}) {
    coefficients.models.push_back(collective("all_reduce", group, 4e11));
    coefficients.models.push_back(collective("all_to_all", group, 1.6e12 / group));
  }
  const auto path = fs::path{testing::TempDir()} / "test_coefficients.json";
  std::ofstream{path} << calibration::to_json(coefficients);
  return path.string();
}

std::string card_options() { return "--card 'NVIDIA B200' --coefficients " + coefficients_file(); }

TEST(CheckVerb, Help) { expect_golden("check_help.txt", check("--help").text); }

TEST(CheckVerb, WithoutACard) {
  const auto run = check("");
  EXPECT_EQ(run.status, 0);
  expect_golden("check.txt", run.text);
}

TEST(CheckVerb, OneClaim) {
  expect_golden("check_claim.txt", check("--claim ep64-tp2-128gpu.latency.total").text);
}

TEST(CheckVerb, OneClaimOnACard) {
  const auto run = check(card_options() + " --claim dp4-ep2.dp-comm-time");
  EXPECT_EQ(run.status, 0);
  expect_golden("check_claim_card.txt", without_intervals(run.text));
}

TEST(CheckVerb, ACardSettlesCollectivesAndConclusions) {
  const auto run = check(card_options() + " --document b200-8gpu --json");
  ASSERT_EQ(run.status, 0) << run.text;
  const auto json = nlohmann::json::parse(run.text);
  EXPECT_EQ(json["card"], "b200-sxm");
  ASSERT_EQ(json["claims"].size(), 57u);
  for (const auto& claim : json["claims"]) {
    if (claim["id"] != "b200-8gpu.dp2-ep4.dp-comm-time") continue;
    // 22.5 GB and 3.2 GB at a little under 400 GB/s: 65 ms, well above the 50 ms of the document.
    EXPECT_NEAR(claim["value"].get<double>(), 64.9, 0.1);
    EXPECT_EQ(claim["verdict"], "refuted");
    EXPECT_EQ(claim["document_value"], 50);
    EXPECT_EQ(claim["provenance"], "imported");
    EXPECT_LT(claim["interval"][0], claim["value"]);
    EXPECT_GT(claim["interval"][1], claim["value"]);
    EXPECT_NEAR(claim["floor"].get<double>(), 31.298, 1e-3);
    EXPECT_THAT(claim["flags"].dump(), HasSubstr("extrapolated x42"));
  }
  const auto& gradients = json["conclusions"][1];
  EXPECT_EQ(gradients["cases"][0]["probability"], 1.0);  // 25 GB or 48 GB at the same rate
  EXPECT_EQ(gradients["cases"][1]["probability"], 0.0);  // 25 GB or 13 GB
}

// The committed coefficients: compact forms of published tables that end at 512 MiB.
TEST(CheckVerb, B200sPublicDataSettleTheDocumentedCollectives) {
  const auto run = check("--card b200-sxm --document b200-8gpu --json");
  ASSERT_EQ(run.status, 0) << run.text;
  const auto json = nlohmann::json::parse(run.text);
  int answered = 0;
  for (const auto& claim : json["claims"]) {
    const auto id = claim["id"].get<std::string>();
    const bool reduces = id.ends_with("dp-comm-time");
    if (!reduces && !id.ends_with("ep-comm-time")) continue;
    ++answered;
    EXPECT_GT(claim["value"].get<double>(), claim["floor"].get<double>()) << id;
    EXPECT_EQ(claim["flags"].dump().find("extrapolated") != std::string::npos, reduces) << id;
    for (const auto& reading : claim["readings"])
      EXPECT_EQ(reading["value"].is_null(),
                reading["formula"].dump().find("permute") != std::string::npos)
          << id << ": " << reading["name"];
  }
  EXPECT_EQ(answered, 4);
  for (const auto& conclusion : json["conclusions"])
    for (const auto& one : conclusion["cases"]) EXPECT_TRUE(one["probability"].is_number());
}

TEST(CheckVerb, JsonHasEveryClaimAndNullsWhereThereIsNothing) {
  const auto run = check("--json");
  const auto json = nlohmann::json::parse(run.text);
  EXPECT_TRUE(json["card"].is_null());
  ASSERT_EQ(json["claims"].size(), 232u);
  for (const auto& claim : json["claims"]) {
    for (const char* field : {"id", "document", "verdict", "document_value", "value", "unit",
                              "interval", "floor", "provenance", "readings"})
      EXPECT_TRUE(claim.contains(field)) << claim["id"] << " " << field;
    EXPECT_TRUE(claim["interval"].is_null()) << claim["id"];
  }
}

TEST(CheckVerb, AnEditedValueMovesTheVerdict) {
  const auto folder = fs::path{testing::TempDir()} / "check_claims";
  fs::remove_all(folder);
  fs::copy(std::string{MOECAL_SOURCE_DIR} + "/claims", folder);
  const auto verdict = [&] {
    const auto run = check("--claims " + folder.string() + " --claim memory.utilization --json");
    return nlohmann::json::parse(run.text)["claims"][0]["verdict"].get<std::string>();
  };
  EXPECT_EQ(verdict(), "contradicted");
  const auto path = (folder / "moe30b-128gpu.json").string();
  auto json = parse_json(read_file(path), {path, 0});
  for (auto& claim : json["claims"])
    if (claim["id"] == "moe30b-128gpu.memory.utilization") claim["value"] = 13.6;
  std::ofstream{path} << json.dump();
  EXPECT_EQ(verdict(), "holds");
}

TEST(CheckVerb, SaysWhatIsWrong) {
  const auto expect_error = [](const std::string& arguments, const auto& matcher) {
    const auto run = check(arguments);
    EXPECT_EQ(run.status, 2) << arguments;
    EXPECT_THAT(run.text, matcher) << arguments;
  };
  expect_error("--document nope",
               AllOf(HasSubstr("unknown document 'nope'"), HasSubstr("b200-8gpu")));
  expect_error("--claim nope", HasSubstr("unknown claim 'nope'"));
  expect_error("--claim memory.total", HasSubstr("in more than one document"));
  expect_error("--card nope", AllOf(HasSubstr("unknown card 'nope'"), HasSubstr("b200-sxm")));
  expect_error("--card h100-64", HasSubstr("no coefficients of card 'h100-64'"));
  expect_error("--coefficients x.json", HasSubstr("x.json"));
  expect_error("--coefficients " + coefficients_file() + " " +
                   data_path("results/coefficients/h200-sxm.json"),
               AllOf(HasSubstr("2 cards"), HasSubstr("b200-sxm"), HasSubstr("h200-sxm")));
  expect_error("--card h200-sxm --coefficients " + coefficients_file(),
               AllOf(HasSubstr("no model of card 'h200-sxm'"), HasSubstr("b200-sxm")));
  expect_error("--claims /no/such", HasSubstr("/no/such"));
  const auto cut = (fs::path{testing::TempDir()} / "cut.json").string();
  std::ofstream{cut} << read_file(coefficients_file()).substr(0, 200);
  expect_error("--card b200-sxm --coefficients " + cut,
               AllOf(HasSubstr("cut.json"), HasSubstr("JSON")));
  std::ofstream{cut} << R"({"schema": "moecal.coefficients/99"})";
  expect_error("--card b200-sxm --coefficients " + cut,
               AllOf(HasSubstr("cut.json"), HasSubstr("moecal.coefficients/99")));
}

}  // namespace
}  // namespace moecal
