// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/coefficients.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

Model sample_model() {
  Model m;
  m.id = "all_reduce/x";
  m.operation = "all_reduce";
  m.card = "b200-sxm";
  m.system = "b200-sxm-8";
  m.conditions = {.dtype = "f16", .group = 8, .implementation = "nccl", .release = "2.29.2"};
  m.form = "segmented_latency_bandwidth";
  m.parameters = {{"latency", 1.0 / 3 * 1e-5, "s", 1e-7},
                  {"inverse_bandwidth_1", 1e-12, "s/B", 0},
                  {"inverse_bandwidth_2", 2e-12, "s/B", 0},
                  {"last_rate_spread", 0.01, "1", 0}};
  m.knots = {65536};
  m.residual_quantiles = {{0, 65537, 0.05, 12}, {65537, 0, 0.1, 8}};
  m.validity = {{"bytes", {512, 1048576}}};
  m.quality = {12, 0.01, 0.02, 0.03, 10, 0, 0};
  m.observation_ids = {"0123456789ab"};
  return m;
}

std::string sample_text() { return to_json({"synthetic", "abc", {sample_model()}}); }

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

std::string what_is_wrong(const std::string& text) {
  try {
    (void)parse_coefficients(text, "c.json");
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

TEST(Coefficients, SurviveTheirFileToTheLastBit) {
  const auto read = parse_coefficients(sample_text(), "c.json");
  ASSERT_EQ(read.models.size(), 1u);
  EXPECT_EQ(read.models[0].parameters[0].value, 1.0 / 3 * 1e-5);
  EXPECT_EQ(read.models[0].conditions, sample_model().conditions);
  EXPECT_EQ(to_json(read), sample_text());
}

TEST(Coefficients, AreWrittenInTheOrderOfTheirIds) {
  auto first = sample_model(), second = sample_model();
  first.id = "b";
  second.id = "a";
  EXPECT_EQ(to_json({"", "", {first, second}}), to_json({"", "", {second, first}}));
}

TEST(CoefficientsReader, RefusesAnotherSchema) {
  EXPECT_EQ(
      what_is_wrong(replaced(sample_text(), "moecal.coefficients/1", "moecal.coefficients/9")),
      "c.json: field 'schema' is 'moecal.coefficients/9'; this moecal reads "
      "moecal.coefficients/1: fit again with this moecal");
}

TEST(CoefficientsReader, RefusesAWrongUnit) {
  EXPECT_EQ(what_is_wrong(replaced(sample_text(), "\"unit\": \"s\"", "\"unit\": \"ms\"")),
            "c.json: field 'models[0].parameters[0].unit' is 'ms'; latency of the form "
            "segmented_latency_bandwidth is in 's'");
}

TEST(CoefficientsReader, NamesWhatIsMissingOrUnknown) {
  EXPECT_THAT(what_is_wrong(sample_text().substr(0, 300)),
              testing::HasSubstr("c.json: not valid JSON"));
  EXPECT_EQ(what_is_wrong(replaced(sample_text(), "\"operation\"", "\"operatoin\"")),
            "c.json: field 'models[0].operation' is missing");
  EXPECT_THAT(what_is_wrong(replaced(sample_text(), "segmented_latency_bandwidth\",", "cubic\",")),
              testing::HasSubstr("field 'models[0].form' is wrong: unknown form 'cubic'; known: "));
  EXPECT_THAT(what_is_wrong(replaced(sample_text(), "\"latency\"", "\"alpha\"")),
              testing::HasSubstr("is 'alpha', which the form"));
  EXPECT_THAT(what_is_wrong(replaced(sample_text(), "\"group\": 8", "\"group\": \"8\"")),
              testing::HasSubstr("field 'models[0].conditions.group' has the wrong type"));
}

TEST(Coefficients, RefuseANumberThatIsNotFinite) {
  auto model = sample_model();
  model.parameters[0].standard_error = std::numeric_limits<double>::infinity();
  EXPECT_THROW((void)to_json({"", "", {model}}), Error);
}

}  // namespace
}  // namespace moecal::calibration
