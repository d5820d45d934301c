// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/switches.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr double kSwitch = 3 << 20;  // between the sampled 2 MiB and 4 MiB

/// A library whose other protocol, from 3 MiB on, costs three times as much.
double stepped_seconds(double bytes) { return (5e-6 + bytes / 200e9) * (bytes < kSwitch ? 1 : 3); }

Coefficients stepped() {
  const std::vector files{
      synthetic::file(synthetic::curve("all_reduce", 4, 18, stepped_seconds, {}))};
  return fit(files, {}).coefficients;
}

Prediction at(const Coefficients& coefficients, std::int64_t bytes) {
  const Query query{.operation = "all_reduce", .point = {{"bytes", bytes}}, .group = 4};
  return predict(coefficients, query).prediction.value();
}

TEST(Switches, AreWhereTimeGrowsByMoreThanTheSizeOrFalls) {
  EXPECT_THAT(switches_of({{1, 1}, {2, 1.9}, {4, 3.6}}), SizeIs(0));
  const auto steps = switches_of({{1, 1}, {2, 1.5}, {4, 4.0}, {8, 3.0}});
  ASSERT_THAT(steps, SizeIs(2));
  EXPECT_EQ(steps[0].below, 2);
  EXPECT_EQ(steps[0].above, 4);
  EXPECT_EQ(steps[1].below, 4);
}

TEST(Switches, WidenBetweenTheirSizesAndNameThePointToMeasure) {
  const auto coefficients = stepped();
  for (const std::int64_t bytes : {2200000, 3000000, 3200000, 4000000}) {
    const auto p = at(coefficients, bytes);
    const auto size = static_cast<double>(bytes);
    EXPECT_LE(p.lo, (5e-6 + size / 200e9) * 1.05) << bytes;
    // Half a doubling below 4 MiB the other protocol's own curve is steeper than beyond it.
    EXPECT_GE(p.hi, 3 * (5e-6 + size / 200e9) * 0.9) << bytes;
    EXPECT_THAT(p.flags, testing::Contains(HasSubstr("measure bytes=3014656"))) << bytes;
  }
}

TEST(Switches, LeaveSampledSizesAndOtherPlacesAlone) {
  const auto coefficients = stepped();
  for (const std::int64_t bytes : {2097152, 4194304, 1500000, 6000000})
    EXPECT_THAT(at(coefficients, bytes).flags, testing::Not(testing::Contains(HasSubstr("switch"))))
        << bytes;
}

TEST(Switches, AreInTheCoefficients) {
  const auto coefficients = stepped();
  const auto table = std::ranges::find(coefficients.models, "log_log_table", &Model::form);
  ASSERT_NE(table, coefficients.models.end());
  EXPECT_THAT(table->knots, testing::ElementsAre(2965821));
}

Coefficients stepped_in_compact_form() {
  const std::vector files{
      synthetic::file(synthetic::curve("all_reduce", 4, 18, stepped_seconds, {}))};
  return parse_coefficients(to_json(fit(files, {.compact = true}).coefficients), "compact");
}

TEST(Switches, WidenWithoutATableToo) {
  const auto coefficients = stepped_in_compact_form();
  for (const auto& model : coefficients.models) EXPECT_THAT(model.table, SizeIs(0));
  for (const std::int64_t bytes : {2200000, 3000000, 4000000}) {
    const auto p = at(coefficients, bytes);
    const auto size = static_cast<double>(bytes);
    EXPECT_LE(p.lo, (5e-6 + size / 200e9) * 1.05) << bytes;
    EXPECT_GE(p.hi, 3 * (5e-6 + size / 200e9) * 0.9) << bytes;
    EXPECT_THAT(p.flags, testing::Contains(HasSubstr("measure bytes=3014656"))) << bytes;
  }
  for (const std::int64_t bytes : {2097152, 4194304, 1500000, 6000000})
    EXPECT_THAT(at(coefficients, bytes).flags, testing::Not(testing::Contains(HasSubstr("switch"))))
        << bytes;
}

TEST(Switches, WidenManyCallsAsTheyWidenOne) {
  const auto coefficients = stepped();
  const auto compact = stepped_in_compact_form();
  for (const auto* some : {&coefficients, &compact})
    for (const auto& model : some->models) {
      if (some == &coefficients && model.form != "log_log_table") continue;
      const std::vector<std::int64_t> bytes{1500000, 3000000};
      const std::vector<CallColumn> columns{{"bytes", bytes}};
      std::vector<double> seconds(2), half_widths(2);
      PreparedModel{model}.predict(columns, {seconds, half_widths});
      for (std::size_t i = 0; i < 2; ++i) {
        const auto p = at(*some, bytes[i]);
        EXPECT_NEAR(half_widths[i], std::log(p.hi / p.seconds), 1e-9);
      }
    }
}

}  // namespace
}  // namespace moecal::calibration
