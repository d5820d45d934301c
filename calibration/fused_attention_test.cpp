// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "calibration/donors.hpp"
#include "calibration/fit.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

// One operation, two implementations that move different bytes.
namespace moecal::calibration {
namespace {

constexpr char kFused[] = "cudnn_fused";
constexpr char kUnfused[] = "cublaslt_unfused";

Point attention(std::int64_t batch, std::int64_t sequence) {
  return {{"batch", batch}, {"sequence", sequence}, {"heads", 8},
          {"kv_heads", 8},  {"head_size", 64},      {"causal", 1}};
}

/// A machine of 100 TFLOP/s and 1 TB/s: the rule that both implementations keep to.
double seconds_of(const std::string& implementation, const Point& point) {
  const auto work = work_of(kind_of_work("attention", implementation), point,
                            {"f32", "f32", "f32", "f32", "none", ""});
  return 5e-6 + std::max(work.flops.value() / 1e14, (work.read + work.written).value() / 1e12);
}

Coefficients fitted(const std::vector<std::string>& implementations) {
  std::vector<Observation> all;
  for (const auto& implementation : implementations)
    for (const std::int64_t batch : {1, 2, 8})
      for (std::int64_t sequence = 64; sequence <= 16384; sequence *= 2) {
        const auto point = attention(batch, sequence);
        all.push_back(
            synthetic::observation("attention", point, seconds_of(implementation, point)));
        all.back().implementation = implementation;
      }
  ObservationFile file;
  file.environments = {synthetic::environment()};
  file.observations = all;
  return fit(std::vector{file}, {}).coefficients;
}

Prediction predicted(const Coefficients& coefficients, const Point& point,
                     const std::string& implementation = "") {
  Query query{.operation = "attention", .dtype = "f32", .point = point};
  query.implementation = implementation;
  const auto answer = predict(coefficients, query);
  EXPECT_TRUE(answer.prediction) << answer.missing;
  return answer.prediction.value_or(Prediction{});
}

TEST(FusedAttention, MovesItsOperandsAndResultOnce) {
  const Point point{{"batch", 2},    {"sequence", 100}, {"heads", 8},
                    {"kv_heads", 2}, {"head_size", 64}, {"causal", 1}};
  const auto work = work_of(kind_of_work("attention", kFused), point,
                            {"bf16", "bf16", "bf16", "f32", "none", ""});
  EXPECT_DOUBLE_EQ(work.flops.value(), 2.0 * 2 * 8 * 100 * 100 * 64);
  EXPECT_DOUBLE_EQ(work.read.value(), 2.0 * 2 * 100 * 64 * (8 + 2 * 2));
  EXPECT_DOUBLE_EQ(work.written.value(), 2.0 * 2 * 100 * 64 * 8);
  EXPECT_EQ(kind_of_work("attention", kUnfused), "attention");
  EXPECT_EQ(kind_of_work("permute", "own_fused"), "permute");
}

TEST(FusedAttention, AnswersWhereItIsTheFasterAndSaysSo) {
  const auto both = fitted({kFused, kUnfused});
  const auto point = attention(1, 8192);
  const auto one = predicted(both, point);
  EXPECT_EQ(one.implementation, kFused);
  EXPECT_THAT(
      one.flags,
      testing::Contains(testing::HasSubstr("implementation cudnn_fused, the fastest here of: ")));
  EXPECT_NEAR(one.seconds / seconds_of(kFused, point), 1, 0.05);
  const auto other = predicted(both, point, kUnfused);
  EXPECT_EQ(other.implementation, kUnfused);
  EXPECT_NEAR(other.seconds / seconds_of(kUnfused, point), 1, 0.05);
}

// By the bytes of unfused scores a batch of 4 would be told by its sequence's square alone.
TEST(FusedAttention, IsFittedByItsOwnBytes) {
  const auto fused = fitted({kFused});
  for (const std::int64_t sequence : {96, 768, 6144}) {
    const auto point = attention(4, sequence);
    EXPECT_NEAR(predicted(fused, point).seconds / seconds_of(kFused, point), 1, 0.06) << sequence;
  }
}

TEST(FusedAttention, IsNotPooledWithUnfusedForOtherCards) {
  const auto both = fitted({kFused, kUnfused});
  std::vector<std::string> keys;
  for (const auto& model : both.models) keys.push_back(series_key(model));
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_NE(keys[0], keys[1]);
}

}  // namespace
}  // namespace moecal::calibration
