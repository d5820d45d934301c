// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/swiglu/swiglu.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "tests/device_array.hpp"
#include "tests/narrowed.hpp"

namespace moecal::kernels {
namespace {

using testing::ElementsAre;
using tests::DeviceArray;
using tests::narrowed;
using SwigluKernel = tests::OnDevice;

struct Activated {
  std::vector<std::byte> bytes;
  std::vector<float> scales;
};

std::size_t result_bytes(const SwigluShape& shape) {
  return static_cast<std::size_t>(shape.tokens * shape.inner * size_of(shape.to));
}

template <class T>
Activated activated_on_cpu(const SwigluShape& shape, const std::vector<T>& gate_up) {
  Activated result{std::vector<std::byte>(result_bytes(shape), std::byte{0xee}),
                   std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
  swiglu_cpu(shape, {gate_up.data(), result.bytes.data(), result.scales.data()});
  return result;
}

/// With the input `gap` elements after an aligned address.
template <class T>
Activated activated_by_kernel(const SwigluShape& shape, const std::vector<T>& gate_up,
                              std::size_t gap = 0) {
  std::vector<T> shifted(gap);
  shifted.insert(shifted.end(), gate_up.begin(), gate_up.end());
  DeviceArray<T> input{shifted};
  DeviceArray<std::byte> bytes{std::vector<std::byte>(result_bytes(shape), std::byte{0xee})};
  DeviceArray<float> scales{std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
  swiglu_cuda(shape, {input.data() + gap, bytes.data(), scales.data()}, nullptr);
  return {bytes.host(), scales.host()};
}

/// What the bytes say, scaled.
std::vector<float> values_of(const SwigluShape& shape, const Activated& activated) {
  std::vector<float> values;
  for (std::size_t at = 0; at < activated.bytes.size();
       at += static_cast<std::size_t>(size_of(shape.to))) {
    const double value = decode_element(shape.to, &activated.bytes[at]);
    const auto token = static_cast<std::int64_t>(at) / shape.inner;
    const auto block = static_cast<std::int64_t>(at) % shape.inner / 128;
    const double scale =
        activated.scales.empty()
            ? 1
            : activated.scales[static_cast<std::size_t>(block * shape.tokens + token)];
    values.push_back(static_cast<float>(value * scale));
  }
  return values;
}

/// Gates in [-8, 8], ups in [-1, 1]: results are at most 8 in magnitude.
std::vector<float> varied_input(const SwigluShape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.tokens * 2 * shape.inner));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool gate = i / static_cast<std::size_t>(shape.inner) % 2 == 0;
    const float unit = static_cast<float>(i * 2654435761U % 4096) / 2048 - 1;
    values[i] = gate ? 8 * unit : unit;
  }
  return values;
}

/// exp's last bits can move a result across a rounding boundary: a unit in the last place of the
/// result's type, of a number up to 8.
float tolerance_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::bf16:
      return 0x1p-5F;
    case Dtype::f16:
      return 0x1p-8F;
    case Dtype::fp8_e4m3:
      return 0.5F;  // e4m3 has 32 steps below its largest number's power of two
    default:
      return 0x1p-18F;
  }
}

void expect_kernel_equals_oracle(const SwigluShape& shape, std::size_t gap = 0) {
  SCOPED_TRACE("tokens " + std::to_string(shape.tokens) + ", inner " + std::to_string(shape.inner) +
               ", " + std::string{to_string(shape.from)} + " to " +
               std::string{to_string(shape.to)});
  with_float_type(shape.from, [&](auto zero) {
    const auto input = narrowed<decltype(zero)>(varied_input(shape));
    const auto actual = activated_by_kernel(shape, input, gap);
    const auto expected = activated_on_cpu(shape, input);
    EXPECT_THAT(
        values_of(shape, actual),
        testing::Pointwise(testing::FloatNear(tolerance_of(shape.to)), values_of(shape, expected)));
    EXPECT_THAT(actual.scales, testing::Pointwise(testing::FloatNear(1e-6F), expected.scales));
  });
}

TEST(SwigluCpu, MultipliesTheSiluOfGatesWithUps) {
  const SwigluShape shape{2, 2, Dtype::f32, Dtype::f32};
  const auto result = activated_on_cpu<float>(shape, {0, 1, 5, 6, -1, std::log(3.0F), 2, 4});
  const float silu_of_1 = 1 / (1 + std::exp(-1.0F));
  EXPECT_THAT(values_of(shape, result),
              ElementsAre(0, testing::FloatNear(6 * silu_of_1, 1e-6F),
                          testing::FloatNear(-2 * (1 - silu_of_1), 1e-6F),
                          testing::FloatNear(4 * std::log(3.0F) * 0.75F, 1e-6F)));
}

TEST(SwigluCpu, IsZeroAndIdentityAtTheEnds) {
  const SwigluShape shape{1, 3, Dtype::f32, Dtype::f32};
  const auto result = activated_on_cpu<float>(shape, {-200, 200, 30, 2, 2, 2});
  EXPECT_THAT(values_of(shape, result), ElementsAre(0, 400, 60));
}

TEST(SwigluCpu, GivesFp8WithAScalePerBlock) {
  const SwigluShape shape{1, 129, Dtype::f32, Dtype::fp8_e4m3};
  std::vector<float> input(258, 50);  // silu(50) = 50
  std::fill(input.begin() + 129, input.end(), 2.0F);
  input[257] = -8;
  const auto result = activated_on_cpu(shape, input);
  EXPECT_THAT(result.scales, ElementsAre(100.0F / 448, 400.0F / 448));
  EXPECT_NEAR(values_of(shape, result)[128], -400, 1e-3);
}

TEST(SwigluWork, CountsEachByteOnce) {
  const auto work = swiglu_work({10, 300, Dtype::bf16, Dtype::bf16});
  EXPECT_EQ(work.read, Bytes{10 * 600 * 2});
  EXPECT_EQ(work.written, Bytes{10 * 300 * 2});
  EXPECT_EQ(work.flops, Flops{5 * 3000});
  EXPECT_EQ(swiglu_work({10, 300, Dtype::bf16, Dtype::fp8_e4m3}).written,
            Bytes{10 * 300 + 10 * 3 * 4});
}

TEST(SwigluShape, RefusesWhatItCannotActivate) {
  EXPECT_THROW(check_shape(SwigluShape{-1, 8}), InvalidInput);
  EXPECT_THROW(check_shape(SwigluShape{1, -8}), InvalidInput);
  EXPECT_THROW(check_shape(SwigluShape{1, 8, Dtype::fp8_e4m3, Dtype::fp8_e4m3}), InvalidInput);
  EXPECT_THROW(check_shape(SwigluShape{1, 8, Dtype::bf16, Dtype::f16}), InvalidInput);
}

TEST_F(SwigluKernel, EqualsOracle) {
  for (const Dtype to : {Dtype::bf16, Dtype::fp8_e4m3})
    for (const std::int64_t tokens : {0, 1, 31, 33, 500})
      for (const std::int64_t inner : {0, 1, 8, 16, 33, 128, 129, 272, 512})
        expect_kernel_equals_oracle({tokens, inner, Dtype::bf16, to});
}

TEST_F(SwigluKernel, EqualsOracleForEveryTypeAndTheWidthsOfLayers) {
  for (const std::int64_t inner : {1024, 2048, 7168, 14336})
    for (const Dtype from : {Dtype::f32, Dtype::f16, Dtype::bf16})
      for (const Dtype to : {from, Dtype::fp8_e4m3})
        expect_kernel_equals_oracle({7, inner, from, to});
}

// Few rows share a device's blocks: of the tests' 12, a row of seven passes has up to seven.
TEST_F(SwigluKernel, EqualsOracleWhereBlocksShareARow) {
  for (const std::int64_t tokens : {1, 2, 3, 5, 11, 12, 13})
    for (const std::int64_t inner : {4096, 4100, 14336, 28672})
      for (const Dtype to : {Dtype::bf16, Dtype::fp8_e4m3})
        expect_kernel_equals_oracle({tokens, inner, Dtype::bf16, to});
}

TEST_F(SwigluKernel, TakesInputThatIsNotAligned) {
  for (const Dtype to : {Dtype::f16, Dtype::fp8_e4m3})
    expect_kernel_equals_oracle({33, 256, Dtype::f16, to}, 1);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_F(SwigluKernel, IsZeroAndIdentityAtTheEnds) {
  const SwigluShape shape{1, 6, Dtype::f32, Dtype::f32};
  const std::vector<float> input{-200, -89, 200, 30, 3e38F, kInfinity, 2, 1e30F, 2, 2, 1, 1};
  const std::vector<float> expected{0, 0, 400, 60, 3e38F, kInfinity};
  EXPECT_EQ(values_of(shape, activated_by_kernel<float>(shape, input)), expected);
  EXPECT_EQ(values_of(shape, activated_on_cpu<float>(shape, input)), expected);
}

TEST_F(SwigluKernel, PassesOnWhatIsNoNumber) {
  const SwigluShape shape{1, 4, Dtype::f32, Dtype::f32};
  const std::vector<float> input{kNan, -kInfinity, 1, 0, 1, 1, kNan, kInfinity};
  for (const auto& result :
       {activated_by_kernel<float>(shape, input), activated_on_cpu<float>(shape, input)})
    EXPECT_THAT(values_of(shape, result), testing::Each(testing::IsNan()));
}

// exp's error grows with its argument, and a quotient by more than 2^126 is 0.
TEST_F(SwigluKernel, KeepsToTheErrorThatItStates) {
  constexpr std::int64_t kGates = 4096;
  const SwigluShape shape{1, kGates, Dtype::f32, Dtype::f32};
  std::vector<float> input(2 * kGates, 1.0F);
  for (std::size_t i = 0; i < kGates; ++i)
    input[i] = static_cast<float>(i) * (200.0F / kGates) - 100;
  const auto actual = values_of(shape, activated_by_kernel<float>(shape, input));
  for (std::size_t i = 0; i < kGates; ++i) {
    const double gate = input[i];
    const double exact = gate / (1 + std::exp(-gate));
    const double units = 5 + 1.2 * std::abs(gate);
    EXPECT_NEAR(actual[i], exact, units * 0x1p-23 * std::abs(exact) + 0x1p-119) << gate;
  }
}

}  // namespace
}  // namespace moecal::kernels
