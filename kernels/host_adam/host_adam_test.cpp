// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/host_adam/host_adam.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace moecal::kernels {
namespace {

struct States {
  explicit States(std::size_t count)
      : gradient(count), parameter(count), mean(count), variance(count), rounded(count) {
    for (std::size_t i = 0; i < count; ++i) {
      gradient[i] = static_cast<float>(i % 7) / 3.5F - 0.9F;
      parameter[i] = static_cast<float>(i % 11) / 5.0F - 1;
      mean[i] = static_cast<float>(i % 5) / 50.0F;
      variance[i] = static_cast<float>(i % 3) / 30.0F;
    }
  }
  HostAdamTensors tensors() {
    return {gradient.data(), parameter.data(), mean.data(), variance.data(), rounded.data()};
  }
  std::vector<float> gradient, parameter, mean, variance;
  std::vector<BFloat16> rounded;
};

// The first step from zero moments moves by the learning rate against the gradient's sign.
TEST(HostAdam, TakesTheFirstStepAgainstTheGradient) {
  States s{2};
  s.gradient = {0.5F, -2};
  s.parameter = {1, 1};
  s.mean = s.variance = {0, 0};
  host_adam_cpu({2}, s.tensors(), {.learning_rate = 0.1F});
  EXPECT_NEAR(s.parameter[0], 0.9, 1e-6);
  EXPECT_NEAR(s.parameter[1], 1.1, 1e-6);
  EXPECT_NEAR(s.mean[0], 0.05, 1e-7);
  EXPECT_NEAR(s.variance[1], 0.004, 1e-7);
  EXPECT_EQ(to_float(s.rounded[0]), 0.8984375F);  // bf16 has 8 bits
}

// By hand: m = 0.9 * 0.2 + 0.1 * 1 = 0.28, v = 0.999 * 0.04 + 0.001 = 0.04096; at step 2
// m / 0.19 = 1.473684, v / 0.001999 = 20.490245, root 4.526615; 1 - 0.01 * 1.473684 / 4.526615.
TEST(HostAdam, CorrectsTheBiasOfLaterSteps) {
  States s{1};
  s.gradient = {1};
  s.parameter = {1};
  s.mean = {0.2F};
  s.variance = {0.04F};
  host_adam_cpu({1}, s.tensors(), {.learning_rate = 0.01F, .number = 2});
  EXPECT_NEAR(s.parameter[0], 1 - 0.01 * 1.473684 / 4.526615, 1e-6);
}

TEST(HostAdam, GivesTheOraclesBitsOnAnyNumberOfThreads) {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{33}, std::size_t{100'003}})
    for (const int threads : {0, 1, 3, 8}) {
      SCOPED_TRACE(testing::Message() << count << " parameters on " << threads << " threads");
      States expected{count}, actual{count};
      const HostAdamShape shape{static_cast<std::int64_t>(count)};
      for (int number = 1; number <= 2; ++number) {
        host_adam_cpu(shape, expected.tensors(), {.number = number});
        host_adam_threads(shape, actual.tensors(), {.number = number}, threads);
      }
      EXPECT_EQ(actual.parameter, expected.parameter);
      EXPECT_EQ(actual.mean, expected.mean);
      EXPECT_EQ(actual.variance, expected.variance);
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(actual.rounded[i].bits, expected.rounded[i].bits);
    }
}

TEST(HostAdam, CountsItsTraffic) {
  const auto work = host_adam_work({1000});
  EXPECT_EQ(work.read.value(), 16'000);
  EXPECT_EQ(work.written.value(), 14'000);
}

}  // namespace
}  // namespace moecal::kernels
