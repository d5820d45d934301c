// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/coefficients.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

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

std::string pooled_text(std::vector<double> scales, const std::string& form = "pooled_curve") {
  Model m = sample_model();
  m.form = form;
  m.parameters = {{"last_rate_spread", 0.01, "1", 0}};
  m.table = {{512, 1e-5}, {1048576, 1e-4}};
  m.table_scales = std::move(scales);
  return to_json({"synthetic", "abc", {m}});
}

TEST(Coefficients, KeepTheScalesOfATable) {
  const auto read = parse_coefficients(pooled_text({0.5, 1.5}), "c.json");
  EXPECT_EQ(read.models.at(0).table_scales, (std::vector<double>{0.5, 1.5}));
  EXPECT_EQ(to_json(read), pooled_text({0.5, 1.5}));
  EXPECT_THAT(what_is_wrong(pooled_text({0.5})),
              testing::HasSubstr("has 1 numbers, and table_bytes_seconds 2 rows"));
  for (const double scale : {0.0, -1.0, 1e-300, 1e308})
    EXPECT_THAT(what_is_wrong(pooled_text({0.5, scale})),
                testing::HasSubstr("table_scales' holds a number that is not from 0.01 to 100"));
  EXPECT_THAT(what_is_wrong(pooled_text({0.5, 1}, "log_log_table")),
              testing::HasSubstr("goes with the form pooled_curve, not log_log_table"));
}

TEST(CoefficientsReader, RefusesWhatIsThereAndEmpty) {
  const auto with = [](const std::string& before, const std::string& field) {
    return what_is_wrong(replaced(sample_text(), before, field + ", " + before));
  };
  for (const std::string field :
       {"table_bytes_seconds", "table_scales", "switches", "layer_models", "routings"})
    EXPECT_THAT(with("\"knots_bytes\"", "\"" + field + "\": []"),
                testing::AllOf(testing::StartsWith("c.json"),
                               testing::HasSubstr(field + "' is empty: leave it out")));
  EXPECT_THAT(with("\"dtype\"", "\"settings\": {}"),
              testing::AllOf(testing::StartsWith("c.json"),
                             testing::HasSubstr("settings' is empty: leave it out")));
  EXPECT_THAT(with("\"models\"", "\"release_drift\": []"),
              testing::HasSubstr("release_drift' is empty: leave it out"));
}

TEST(Coefficients, SurviveTheirFileToTheLastBit) {
  const auto read = parse_coefficients(sample_text(), "c.json");
  ASSERT_EQ(read.models.size(), 1u);
  EXPECT_EQ(read.models[0].parameters[0].value, 1.0 / 3 * 1e-5);
  EXPECT_EQ(read.models[0].conditions, sample_model().conditions);
  EXPECT_EQ(to_json(read), sample_text());
}

TEST(Coefficients, SayALayoutWhereItIsNotTn) {
  auto model = sample_model();
  EXPECT_EQ(sample_text().find("layout"), std::string::npos);
  model.conditions.layout = "NT";
  const auto text = to_json({"synthetic", "abc", {model}});
  EXPECT_EQ(parse_coefficients(text, "c.json").models[0].conditions.layout, "NT");
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

TEST(CoefficientsReader, RefusesWhatNoFitCouldHaveSaid) {
  const std::vector<std::array<std::string, 3>> cases{
      {"\"half_width_90\": 0.05", "\"half_width_90\": -0.05",
       "residual_quantiles[0].half_width_90' is negative"},
      {"\"from\": 65537.0", "\"from\": 70000.0",
       "residual_quantiles[1].from' does not follow what is before it"},
      {"\"from\": 65537.0", "\"from\": 60000.0", "residual_quantiles[1].from' does not follow"},
      {"\"to\": 65537.0", "\"to\": 0.0", "residual_quantiles[1].from' does not follow"},
      {"\"from\": 0.0", "\"from\": 512.0", "residual_quantiles[0].from' does not follow"},
      {"\"to\": 0.0", "\"to\": 70000.0", "residual_quantiles' ends at a size"},
      {"\"count\": 12", "\"count\": -12", "count' is -12, less than 0"},
      {"1048576.0", "16.0", "validity.bytes' ends below its begin"},
      {"512.0", "-512.0", "validity.bytes' begins below 0"},
      {"\"standard_error\": 1e-07", "\"standard_error\": -1e-07", "standard_error' is negative"},
      {"\"f16\"", "\"half\"", "conditions.dtype' is wrong: unknown dtype 'half'"},
      {"\"measured\"", "\"guessed\"", "provenance' is 'guessed', which is none of: measured,"},
      {"\"intra\"", "\"outer\"", "tier' is 'outer', which is none of: intra, inter"},
      {"\"group\": 8", "\"group\": -8", "group' is -8, less than 0"},
      {"\"group\": 8", "\"group\": 8.5", "conditions.group' is no whole number"},
      {"\"group\": 8", "\"group\": 5000000000", "conditions.group' is out of range"},
      {"65536.0", "-65536.0", "knots_bytes' holds a number that is not positive"},
      {"\"held_out_p90_ape\": 0.03", "\"held_out_p90_ape\": -1", "held_out_p90_ape' is negative"}};
  for (const auto& [what, with, message] : cases)
    EXPECT_THAT(what_is_wrong(replaced(sample_text(), what, with)), testing::HasSubstr(message));
  auto joint = sample_model();
  joint.conditions.group = kAnyGroup;
  joint.validity.clear();
  EXPECT_EQ(
      what_is_wrong(to_json({"", "", {joint}})),
      "c.json: field 'models[0].validity' lacks 'bytes', by which a model of any group (group "
      "0) is asked");
  const auto twice = to_json({"", "", {sample_model(), sample_model()}});
  EXPECT_EQ(what_is_wrong(twice),
            "c.json: field 'models[1].id' is 'all_reduce/x' for the second time");
  auto repeated = sample_model();  // the first of many, whose names have moved meanwhile
  const auto first = repeated.parameters.front();
  repeated.parameters.push_back(first);
  EXPECT_THAT(what_is_wrong(to_json({"", "", {repeated}})),
              testing::HasSubstr("name' is '" + first.name + "' for the second time"));
}

TEST(Coefficients, KeepTheRoutingsMeasuredAndTheDriftBetweenReleases) {
  auto model = sample_model();
  model.routings = {{"balanced", 0, 0}, {"power_law_loads", 1.01, 0}};
  const Coefficients coefficients{
      "s", "c", {model}, {{"all_reduce", "b200-sxm-8", "nccl", "2.27.5", "2.29.2", 1.1, 1, 2, 7}}};
  const auto read = parse_coefficients(to_json(coefficients), "c.json");
  EXPECT_EQ(read.models[0].routings, model.routings);
  ASSERT_EQ(read.drift.size(), 1u);
  EXPECT_EQ(read.drift[0].to, "2.29.2");
  EXPECT_EQ(read.drift[0].median, 1.1);
  EXPECT_EQ(to_json(read), to_json(coefficients));
}

TEST(Coefficients, RefuseANumberThatIsNotFinite) {
  auto model = sample_model();
  model.parameters[0].standard_error = std::numeric_limits<double>::infinity();
  EXPECT_THROW((void)to_json({"", "", {model}}), Error);
}

}  // namespace
}  // namespace moecal::calibration
