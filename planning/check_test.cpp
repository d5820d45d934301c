// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planning/testing/one_claim.hpp"

namespace moecal::planning {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

}  // namespace
}  // namespace moecal::planning
