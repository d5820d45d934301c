// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/data_dir.hpp"
#include "core/error.hpp"
#include "core/json_reader.hpp"
#include "planning/breakdown.hpp"
#include "planning/measured_source.hpp"
#include "planning/propagate.hpp"

namespace moecal::planning {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Claim& claim_of(const Document& document, const std::string& id) {
  for (const auto& claim : document.claims)
    if (claim.id == id) return claim;
  throw Error{"no claim " + id};
}

// A document of one claim, to be changed by each test.
struct OneClaim {
  OneClaim() {
    document.slug = "d";
    document.path = "d.json";
    document.hardware.source = "test card";
    document.hardware.peak_flops["default"] = 1e12;
    document.hardware.links["nvlink"] = 1e9;
    claim.id = "d.a";
    claim.unit = "s";
    claim.checkability = "arithmetic";
    claim.comparison = {"~", 2, 0.1, std::nullopt};
  }
  [[nodiscard]] ClaimResult check(const ChosenCard* card = nullptr) const {
    return check_claim({{document}, {}}, document, claim, card);
  }
  [[nodiscard]] Verdict verdict(const ChosenCard* card = nullptr) const {
    return check(card).verdict;
  }
  void add_finding(const std::string& check, const std::string& basis, const std::string& formula) {
    claim.findings.push_back(
        {check, basis, formula, "s", "", std::nullopt, claim.comparison, false});
  }
  Document document;
  Claim claim;
};

TEST(Verdicts, ComparatorsAndTolerances) {
  const auto agree = [](const char* comparator, double value, double tolerance, double computed) {
    return agrees({comparator, value, tolerance, std::nullopt}, computed);
  };
  EXPECT_TRUE(agree("~", 50, 0.1, 54.9));
  EXPECT_FALSE(agree("~", 50, 0.1, 55.1));
  EXPECT_TRUE(agree("=", 0.3, 0, 0.1 + 0.2));
  EXPECT_FALSE(agree("<", 8, 0.001, 8));
  EXPECT_TRUE(agree("<=", 8, 0.01, 8.05));
  EXPECT_FALSE(agree("<=", 8, 0.01, 8.1));
  EXPECT_TRUE(agree(">=", 1, 0.02, 0.99));
  EXPECT_FALSE(agree(">", 1, 0.5, 1));
  EXPECT_TRUE(agree("~", -2, 0.1, -2.1));
  EXPECT_TRUE(agrees({"range", 40, 0.1, {{40, 45}}}, 45));
  EXPECT_FALSE(agrees({"range", 40, 0.1, {{40, 45}}}, 39));
  EXPECT_TRUE(meets({"~", 50, 0.1, std::nullopt}, {54, 60}));
  EXPECT_FALSE(meets({"~", 50, 0.1, std::nullopt}, {56, 60}));
  EXPECT_FALSE(meets({"<", 5, 0, std::nullopt}, {5, 6}));
}

TEST(Check, ArithmeticHoldsOrIsContradicted) {
  OneClaim one;
  one.claim.formula = "1+1.1";
  EXPECT_EQ(one.verdict(), Verdict::holds);
  one.claim.formula = "1+1.3";
  EXPECT_EQ(one.verdict(), Verdict::contradicted);
  one.claim.readings = {{"rounded", "1+1"}};
  EXPECT_EQ(one.verdict(), Verdict::ambiguous);
}

TEST(Check, TheWorstFindingDecides) {
  OneClaim one;
  one.claim.formula = "2";
  one.add_finding("arithmetic", "stated", "2");
  EXPECT_EQ(one.verdict(), Verdict::holds);
  one.add_finding("consistency", "assumed", "3");
  EXPECT_EQ(one.verdict(), Verdict::ambiguous);
  one.add_finding("consistency", "stated", "3");
  EXPECT_EQ(one.verdict(), Verdict::contradicted);
  one.add_finding("floor", "stated", "all_reduce(3e9, 2, nvlink)");
  EXPECT_EQ(one.verdict(), Verdict::below_floor);
  one.add_finding("capacity", "stated", "1");
  EXPECT_EQ(one.verdict(), Verdict::exceeds_hardware);
  EXPECT_THAT(one.check().why, HasSubstr("the document needs 2 s, which is more"));
}

TEST(Check, AFloorThatIsKeptProvesNothing) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.formula = "all_reduce(1e9, 2, nvlink)";
  one.add_finding("floor", "stated", one.claim.formula);
  const auto result = one.check();
  EXPECT_EQ(result.verdict, Verdict::unmeasured);
  EXPECT_EQ(result.main.floor, 1.0);
  EXPECT_FALSE(result.main.value);
  EXPECT_THAT(result.why, HasSubstr("not measured: all_reduce(1000000000, 2, nvlink)"));
}

TEST(Check, OnlyATimeThatNoCostShortensHasAFloor) {
  OneClaim one;
  one.claim.checkability = "measured";
  const std::string first = "all_reduce(1e9, 2, nvlink)", second = "all_reduce(2e9, 2, nvlink)";
  const auto reading = [&](const std::string& formula, const std::string& unit) {
    one.claim.formula = formula;
    one.claim.unit = unit;
    return one.check().main;
  };
  EXPECT_EQ(reading("3*" + first + "+max(" + first + "," + second + ")", "s").floor, 5.0);
  EXPECT_NEAR(*reading(first + "/3600", "h").floor, 1.0 / 3600, 1e-12);
  for (const auto& [formula, unit] :
       std::vector<std::pair<std::string, std::string>>{{second + "-" + first, "s"},
                                                        {second + "/" + first, "x"},
                                                        {"1/" + first, "it/s"},
                                                        {first, "%"}}) {
    EXPECT_FALSE(reading(formula, unit).floor) << formula;
    EXPECT_TRUE(reading(formula, unit).nominal) << formula;
  }
}

TEST(Check, AFittedInputShowsNothing) {
  OneClaim one;
  one.claim.formula = "2";
  one.add_finding("arithmetic", "fitted", "2");
  EXPECT_EQ(one.verdict(), Verdict::ambiguous);
}

TEST(Check, PlaceholdersAreUnmeasured) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.formula = "ta";
  one.claim.parameters = {{"ta", 2, "to be measured: the overlap", true}};
  EXPECT_EQ(one.verdict(), Verdict::unmeasured);
  EXPECT_THAT(one.check().main.missing, ElementsAre("ta: to be measured: the overlap"));
}

TEST(Check, ErrorsNameTheClaimAndTheFile) {
  OneClaim one;
  one.claim.formula = "1+unknown";
  try {
    (void)one.check();
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("d.json: claim d.a: formula '1+unknown'"));
  }
}

// Collectives take `rate` seconds per byte with a 90 % interval of x/ 1.1; only groups of 2 exist.
MeasuredSource fake_measurements(double rate, double factor = 1.1) {
  return MeasuredSource{[=](const calibration::Query& query) -> calibration::Answer {
    if (query.group != 2) return {std::nullopt, "no model of " + query.operation};
    const double seconds = rate * static_cast<double>(query.point.at("bytes"));
    return {{{seconds,
              seconds / factor,
              seconds * factor,
              "model-" + query.operation,
              "imported",
              {"extrapolated x2"}}},
            ""};
  }};
}

ChosenCard card_with(const CostSource& source) {
  ChosenCard card{"test", &source, {}};
  card.hardware.source = "nominal figures of test";
  card.hardware.links["nvlink"] = 4e9;
  return card;
}

TEST(Check, ACardSettlesMeasuredClaims) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.formula = "all_reduce(1e9, 2, nvlink)";
  const auto near = fake_measurements(2.1e-9), far = fake_measurements(4e-9);
  auto card = card_with(near);
  const auto result = one.check(&card);
  EXPECT_EQ(result.verdict, Verdict::holds);
  EXPECT_NEAR(*result.main.value, 2.1, 1e-9);
  EXPECT_NEAR(result.main.interval->hi, 2.1 * 1.1, 0.02);
  EXPECT_NEAR(result.main.interval->lo, 2.1 / 1.1, 0.02);
  EXPECT_EQ(result.main.floor, 0.25);  // the card's link, not the document's
  EXPECT_EQ(result.main.provenance, "imported");
  EXPECT_THAT(result.main.flags, ElementsAre(HasSubstr("extrapolated x2")));
  card = card_with(far);
  EXPECT_EQ(one.verdict(&card), Verdict::refuted);
  one.claim.readings = {{"half", "all_reduce(0.5e9, 2, nvlink)"}};
  EXPECT_EQ(one.verdict(&card), Verdict::ambiguous);
  one.claim.readings = {{"four", "all_reduce(0.5e9, 4, nvlink)"}};
  EXPECT_EQ(one.verdict(&card), Verdict::refuted);
  EXPECT_THAT(one.check(&card).readings[0].missing, ElementsAre("no model of all_reduce"));
}

TEST(Check, AMeasurementSilencesNominalRatesButNotArithmetic) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.formula = "all_reduce(1e9, 2, nvlink)";
  one.add_finding("nominal", "stated", "all_reduce(9e9, 2, nvlink)");
  EXPECT_EQ(one.verdict(), Verdict::ambiguous);
  const auto source = fake_measurements(2e-9);
  const auto card = card_with(source);
  EXPECT_EQ(one.verdict(&card), Verdict::holds);
  one.add_finding("arithmetic", "stated", "5");
  EXPECT_EQ(one.verdict(&card), Verdict::contradicted);
}

TEST(Propagate, RatiosOfOneModelAreTighterThanTheirParts) {
  const auto source = fake_measurements(1e-9, 1.5);
  const auto width = [&](const std::string& formula) {
    const Expression expression{formula, {}, "here"};
    const auto interval = interval_of(draw_values(expression, evaluate(expression, source).calls));
    return std::log(interval->hi / interval->lo);
  };
  const double single = width("all_reduce(1e9, 2, nvlink)");
  EXPECT_NEAR(single, 2 * std::log(1.5), 0.05);
  const double same = width("all_reduce(2e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)");
  const double other = width("all_to_all(2e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)");
  EXPECT_LT(same, other);
  EXPECT_LT(other, single * std::sqrt(2.0));
  EXPECT_NEAR(width("all_reduce(1e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)"), 0, 1e-12);
  EXPECT_EQ(width("all_reduce(1e9, 2, nvlink)"), single);  // the same draws every time
}

TEST(Propagate, ADivisorThatMayVanishHasNoInterval) {
  const auto source = fake_measurements(1e-9, 1.2);
  const auto interval = [&](const std::string& formula) {
    const Expression expression{formula, {}, "here"};
    return interval_of(draw_values(expression, evaluate(expression, source).calls));
  };
  const std::string difference = "(all_reduce(1.02e9, 2, nvlink)-all_to_all(1e9, 2, nvlink))";
  EXPECT_TRUE(interval(difference));
  EXPECT_LT(interval(difference)->lo, 0);
  EXPECT_GT(interval(difference)->hi, 0);
  EXPECT_FALSE(interval("1/" + difference));
}

TEST(MeasuredSource, MapsCostFunctionsToOperations) {
  std::vector<std::string> asked;
  const MeasuredSource source{[&](const calibration::Query& query) -> calibration::Answer {
    std::string text = query.operation + " " + query.dtype + " " + query.tier;
    for (const auto& [name, value] : query.point) text += " " + name + "=" + std::to_string(value);
    asked.push_back(text + " over " + std::to_string(query.group));
    return {{{1, 1, 1, "m", "measured", {}}}, ""};
  }};
  const Expression expression{
      "gemm(8, 9, 10, fp8) + grouped_gemm(1, 8, 9, 10, fp16) + grouped_gemm(2, 8.4, 9, 10, bf16)"
      " + gate(4, 8, 16, 2, bf16) + stream(100) + send_recv(5, ib) + all_reduce_nvls(6, 4, nvlink)"
      " + all_reduce(7, 1, nvlink)",
      {},
      "here"};
  const auto result = evaluate(expression, source);
  EXPECT_EQ(result.value, 8);
  EXPECT_EQ(result.calls[6].cost.parts[0].flags.size(), 1u);
  EXPECT_THAT(asked, ElementsAre("expert_gemm fp8_e4m3 intra k=10 m=8 n=9 over 1",
                                 "expert_gemm f16 intra k=10 m=8 n=9 over 1",
                                 "grouped_gemm bf16 intra groups=2 k=10 m=8 n=9 over 1",
                                 "expert_gemm bf16 intra k=16 m=4 n=8 over 1",
                                 "topk_gate  intra experts=8 tokens=4 top_k=2 over 1",
                                 "memory_copy  intra bytes=50 over 1",
                                 "send_recv bf16 inter bytes=5 over 2",
                                 "all_reduce bf16 intra bytes=6 over 4"));
}

TEST(Check, AFormulaThatDividesByNothingIsUnmeasured) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.formula = "1/(all_reduce(1e9, 2, nvlink)-all_reduce(1e9, 2, nvlink))";
  const auto source = fake_measurements(1e-9);
  const auto card = card_with(source);
  EXPECT_EQ(one.verdict(&card), Verdict::unmeasured);
  EXPECT_THAT(one.check(&card).why, HasSubstr("divides by nothing"));
  one.claim.formula = "1/(2-2)";
  EXPECT_THROW((void)one.check(&card), InvalidInput);
}

TEST(Breakdown, ByOperationWithCallsAndShares) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.unit = "ms";
  one.claim.comparison.value = 1;
  one.claim.formula = "1e3*(32*2*all_to_all(1e6, 2, nvlink) + all_reduce(64e6, 2, nvlink))";
  const auto source = fake_measurements(1e-9);
  const auto card = card_with(source);
  const auto result = one.check(&card);
  const auto shares = breakdown(result.main, one.claim.unit);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].operation, "all_to_all");
  EXPECT_NEAR(shares[0].calls, 64, 1e-6);
  EXPECT_NEAR(shares[0].seconds, 0.064, 1e-9);
  EXPECT_NEAR(shares[0].share, 0.5, 1e-9);
  EXPECT_NEAR(shares[1].calls, 1, 1e-6);
  EXPECT_THAT(shares[1].models, ElementsAre("model-all_reduce"));
  ASSERT_TRUE(replacement(result));
  EXPECT_NEAR(replacement(result)->value, 128, 1e-6);
}

TEST(Breakdown, AContradictionOffersWhatItComputed) {
  OneClaim one;
  one.claim.formula = "2";
  EXPECT_FALSE(replacement(one.check()));
  one.add_finding("consistency", "stated", "3");
  EXPECT_EQ(replacement(one.check())->value, 3);
  EXPECT_FALSE(replacement(one.check())->interval);
}

TEST(Check, AConclusionHasAProbability) {
  OneClaim one;
  one.document.slug = "d";
  const auto source = fake_measurements(1e-9, 1.2);
  const auto card = card_with(source);
  const auto probability = [&](const std::string& winner) {
    const Conclusion conclusion{
        "d.c", "d", "s", "s", {1}, {{"as formulated", winner, "all_reduce(1e9, 2, nvlink)"}}};
    return check_conclusion({{one.document}, {}}, one.document, conclusion, &card)
        .cases[0]
        .probability;
  };
  EXPECT_EQ(probability("all_reduce(0.5e9, 2, nvlink)"), 1.0);
  EXPECT_EQ(probability("all_reduce(2e9, 2, nvlink)"), 0.0);
  EXPECT_NEAR(*probability("all_to_all(1e9, 2, nvlink)"), 0.5, 0.05);
  EXPECT_EQ(probability("all_to_all(1e9, 4, nvlink)"), std::nullopt);
}

// The committed documents, with one of them edited as a user would.
class EditedDocument : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path{testing::TempDir()} / "edited_claims";
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(data_path("claims"), folder_);
  }
  void edit(const std::string& slug, const std::function<void(nlohmann::json&)>& change) {
    const auto path = (folder_ / (slug + ".json")).string();
    auto json = parse_json(read_file(path), {path, 0});
    change(json);
    std::ofstream{path} << json.dump(1);
  }
  static nlohmann::json& find(nlohmann::json& document, const std::string& id) {
    for (auto& claim : document["claims"])
      if (claim["id"] == id) return claim;
    throw Error{"no claim " + id};
  }
  [[nodiscard]] Verdict verdict(const std::string& slug, const std::string& id) const {
    const auto set = read_claims(folder_.string());
    for (const auto& document : set.documents)
      if (document.slug == slug)
        return check_claim(set, document, claim_of(document, id), nullptr).verdict;
    throw Error{"no document " + slug};
  }
  std::filesystem::path folder_;
};

TEST_F(EditedDocument, AValueMovesTheVerdictBothWays) {
  const std::string memory = "b200-8gpu.dp2-ep4.batch2-memory";
  EXPECT_EQ(verdict("b200-8gpu", memory), Verdict::contradicted);
  edit("b200-8gpu", [&](auto& d) { find(d, memory)["value"] = 70; });
  EXPECT_EQ(verdict("b200-8gpu", memory), Verdict::holds);
  const std::string gpus = "b200-8gpu.dp2-ep4.gpu-count";
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::holds);
  edit("b200-8gpu", [&](auto& d) { find(d, gpus)["value"] = 9; });
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::contradicted);
}

TEST_F(EditedDocument, AnInputMovesTheVerdictBothWays) {
  const std::string gpus = "b200-8gpu.dp2-ep4.gpu-count";
  edit("b200-8gpu", [&](auto& d) { find(d, gpus)["parameters"]["ep"]["value"] = 8; });
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::contradicted);
  const std::string bubble = "moe30b-128gpu.pipeline-bubble";
  EXPECT_EQ(verdict("moe30b-128gpu", bubble), Verdict::contradicted);
  edit("moe30b-128gpu", [&](auto& d) {
    find(d, bubble)["parameters"]["m"]["value"] = 57;
    find(d, bubble)["findings"][0]["formula"] = "100*bubble(4,m)";
  });
  EXPECT_EQ(verdict("moe30b-128gpu", bubble), Verdict::holds);
}

TEST_F(EditedDocument, TheDocumentsHardwareMovesABound) {
  const std::string total = "ep64-tp2-128gpu.latency.communication";
  EXPECT_EQ(verdict("ep64-tp2-128gpu", total), Verdict::below_floor);
  edit("ep64-tp2-128gpu", [&](auto& d) { d["hardware"]["links_bytes_per_second"]["link"] = 1e11; });
  EXPECT_EQ(verdict("ep64-tp2-128gpu", total), Verdict::unmeasured);
  EXPECT_EQ(verdict("moe30b-128gpu", "moe30b-128gpu.ep-assignments"), Verdict::exceeds_hardware);
  edit("moe30b-128gpu", [&](auto& d) { find(d, "moe30b-128gpu.ep-assignments")["value"] = 32; });
  EXPECT_EQ(verdict("moe30b-128gpu", "moe30b-128gpu.ep-assignments"), Verdict::holds);
}

TEST(Check, OracleVerdicts) {
  const char* path = std::getenv("MOECAL_CLAIMS_ORACLE");
  if (path == nullptr) GTEST_SKIP() << "set MOECAL_CLAIMS_ORACLE to claims.json to compare with it";
  const auto oracle = parse_json(read_file(path), {path, 0});
  std::map<std::string, std::string> expected;
  const std::map<std::string, std::string> words{{"above-floor", "unmeasured"},
                                                 {"needs-measurement", "unmeasured"},
                                                 {"below-floor", "below_floor"},
                                                 {"exceeds-hardware", "exceeds_hardware"}};
  for (const auto& one : oracle["documents"])
    for (const auto& c : one["claims"]) {
      const auto verdict = c["verdict"].get<std::string>();
      expected[c["id"]] = words.count(verdict) ? words.at(verdict) : verdict;
    }
  const auto set = read_claims(data_path("claims"));
  for (const auto& document : set.documents)
    for (const auto& claim : document.claims) {
      const auto result = check_claim(set, document, claim, nullptr);
      EXPECT_EQ(to_string(result.verdict), expected[claim.id]) << claim.id << ": " << result.why;
    }
}

}  // namespace
}  // namespace moecal::planning
