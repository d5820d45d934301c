// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using testing::Contains;
using testing::HasSubstr;

/// What no compact form follows: a ripple over m and n.
double ripple(double m, double n) { return 0.15 * std::sin(2 * std::log2(m) + std::log2(n)); }

double true_seconds(double m, double n, double k) {
  const double compact =
      3e-6 + std::hypot(2 * m * n * k / 5e14, 2 * (m * k + k * n + m * n) / 2e12);
  return compact * std::exp(ripple(m, n));
}

Point point(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {{"m", m}, {"n", n}, {"k", k}};
}

/// A grid of `sizes` values of m, eight of n and k.
std::vector<Observation> gemms(int sizes) {
  synthetic::Disturbance disturb{{.spread = 0.005, .seed = 6}};
  std::vector<Observation> all;
  for (int i = 0; i < sizes; ++i)
    for (const std::int64_t n : {512, 768, 1024, 1536, 2048, 3072, 4096, 6144})
      for (const std::int64_t k : {512, 768, 1024, 1536, 2048, 3072, 4096, 6144}) {
        const auto m = static_cast<std::int64_t>(std::lround(16 * std::pow(2, 0.5 * i)));
        const double seconds =
            true_seconds(static_cast<double>(m), static_cast<double>(n), static_cast<double>(k));
        all.push_back(synthetic::observation("expert_gemm", point(m, n, k), disturb(seconds)));
      }
  return all;
}

Coefficients fitted(int sizes, bool compact = false) {
  FitOptions options;
  options.compact = compact;
  const std::vector<ObservationFile> files{synthetic::file(gemms(sizes))};
  return fit(files, options).coefficients;
}

double error_at(const Model& model, std::int64_t m, std::int64_t n, std::int64_t k) {
  return std::abs(
      predict_with(model, point(m, n, k)).seconds /
          true_seconds(static_cast<double>(m), static_cast<double>(n), static_cast<double>(k)) -
      1);
}

class Residuals : public testing::TestWithParam<std::pair<int, const char*>> {};

TEST_P(Residuals, LearnARippleBetweenThePointsAndFadeFarOff) {
  const auto [sizes, kind] = GetParam();
  const auto coefficients = fitted(sizes);
  ASSERT_EQ(coefficients.models.size(), 1U);
  const auto& model = coefficients.models.front();
  ASSERT_TRUE(model.residual.has_value());
  EXPECT_EQ(model.residual->kind, kind);
  EXPECT_LT(model.quality.held_out_median_ape, 0.04);
  EXPECT_LT(error_at(model, 64, 1280, 900), 0.08);
  EXPECT_TRUE(predict_with(model, point(64, 1280, 900)).flags.empty());

  // Forty times as large as anything measured: the compact form alone, and so it says.
  const auto far = predict_with(model, point(64, 262144, 262144));
  EXPECT_THAT(far.flags, Contains(HasSubstr("residual counts 0 %")));
  auto compact = model;
  compact.residual.reset();
  EXPECT_DOUBLE_EQ(far.seconds, predict_with(compact, point(64, 262144, 262144)).seconds);
  EXPECT_GE(far.hi / far.seconds,
            std::exp(model.residual->compact_quantiles.front().half_width_90));
}

TEST_P(Residuals, SurviveTheFileAndTheNextFitUnchanged) {
  const auto coefficients = fitted(GetParam().first);
  const auto text = to_json(coefficients);
  EXPECT_EQ(to_json(parse_coefficients(text, "c.json")), text);
  EXPECT_EQ(to_json(fitted(GetParam().first)), text);
  const auto read = parse_coefficients(text, "c.json").models.front();
  EXPECT_EQ(predict_with(read, point(100, 1000, 1000)).seconds,
            predict_with(coefficients.models.front(), point(100, 1000, 1000)).seconds);
}

INSTANTIATE_TEST_SUITE_P(ByNumberOfPoints, Residuals,
                         testing::Values(std::pair{6, kRadialBasis},
                                         std::pair{14, kSymmetricTrees}));

TEST(Residual, IsNotPartOfCompactCoefficients) {
  EXPECT_FALSE(fitted(6, true).models.front().residual.has_value());
}

TEST(Residual, OfTooFewPointsIsRefused) {
  const std::vector<FitPoint> points(kResidualPoints - 1);
  const Model model;
  EXPECT_THROW((void)plan_residual(points, model, 0), InvalidInput);
}

/// The file of a fit with one text in it replaced.
std::string spoiled(const std::string& from, const std::string& to) {
  static const std::string kText = to_json(fitted(6));
  auto text = kText;
  const auto at = text.find(from, text.find("\"residual\""));
  if (at == std::string::npos) throw Error{"no '" + from + "' in the file"};
  return text.replace(at, from.size(), to);
}

void expect_refused(const std::string& text, const std::string& words) {
  try {
    (void)parse_coefficients(text, "c.json");
    FAIL() << "read, though " << words;
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("c.json"));
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(Residual, IsCheckedWhenItIsRead) {
  expect_refused(spoiled("radial_basis", "neural_network"), "is 'neural_network'; known:");
  expect_refused(spoiled("radial_basis", "symmetric_trees"), "has 0 features; gemm/1 has 30");
  expect_refused(spoiled("gemm/1", "gemm/9"), "unknown features 'gemm/9'");
  expect_refused(spoiled("\"reach\": ", "\"reach\": -"), "is not positive");
  expect_refused(spoiled("\"centres\": [\n", "\"centres\": [\"1 2\",\n"), "2 coordinates");
  expect_refused(spoiled("\"weights\": \"", "\"weights\": \"0 "), "one weight for each centre");
  expect_refused(spoiled("\"weights\": \"", "\"weights\": \"nan "), "not numbers");
  expect_refused(spoiled("\"noise\"", "\"nose\""), "nose");
}

}  // namespace
}  // namespace moecal::calibration
