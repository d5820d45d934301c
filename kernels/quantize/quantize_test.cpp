// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize/quantize.hpp"

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
using QuantizeKernel = tests::OnDevice;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  std::vector<std::uint8_t> bits;
  std::vector<float> scales;
};

std::size_t elements(const QuantizeShape& shape) {
  return static_cast<std::size_t>(shape.tokens * shape.hidden);
}

template <class T>
Quantized quantized_on_cpu(const QuantizeShape& shape, const std::vector<T>& values) {
  Quantized result{std::vector<std::uint8_t>(elements(shape), 0xee),
                   std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
  quantize_cpu(shape, {values.data(), result.bits.data(), result.scales.data()});
  return result;
}

/// With the values `gap` elements after an aligned address.
template <class T>
Quantized quantized_by_kernel(const QuantizeShape& shape, const std::vector<T>& values,
                              std::size_t gap = 0) {
  std::vector<T> shifted(gap);
  shifted.insert(shifted.end(), values.begin(), values.end());
  DeviceArray<T> device_values{shifted};
  DeviceArray<std::uint8_t> bits{std::vector<std::uint8_t>(elements(shape), 0xee)};
  DeviceArray<float> scales{std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
  DeviceArray<std::byte> workspace{std::vector<std::byte>(quantize_cuda_workspace(shape))};
  quantize_cuda(shape, {device_values.data() + gap, bits.data(), scales.data()}, workspace.data(),
                nullptr);
  return {bits.host(), scales.host()};
}

std::vector<double> decoded(const QuantizeShape& shape, const Quantized& quantized) {
  std::vector<double> values;
  for (const auto bits : quantized.bits)
    values.push_back(decode_element(shape.to, reinterpret_cast<const std::byte*>(&bits)));
  return values;
}

/// Of all magnitudes between 2^-20 and 2^20, both signs; one row in nine is all zeros.
std::vector<float> varied_values(const QuantizeShape& shape) {
  std::vector<float> values(elements(shape));
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < values.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    const float magnitude = std::ldexp(1 + static_cast<float>(state >> 9) * 0x1p-23F,
                                       static_cast<int>(state >> 3 & 31U) - 16);
    const bool zero = i / static_cast<std::size_t>(shape.hidden) % 9 == 3;
    values[i] = zero ? 0.0F : (state & 4U) != 0 ? magnitude : -magnitude;
  }
  return values;
}

void expect_same(const QuantizeShape& shape, const Quantized& actual, const Quantized& expected) {
  EXPECT_EQ(actual.scales, expected.scales);
  EXPECT_THAT(decoded(shape, actual),
              testing::Pointwise(testing::NanSensitiveDoubleEq(), decoded(shape, expected)));
}

void expect_kernel_equals_oracle(const QuantizeShape& shape, const std::vector<float>& values,
                                 std::size_t gap = 0) {
  SCOPED_TRACE("tokens " + std::to_string(shape.tokens) + ", hidden " +
               std::to_string(shape.hidden) + ", " + std::string{to_string(shape.from)} + " to " +
               std::string{to_string(shape.to)} + ", scales " +
               std::to_string(static_cast<int>(shape.groups)));
  with_float_type(shape.from, [&](auto zero) {
    const auto input = narrowed<decltype(zero)>(values);
    expect_same(shape, quantized_by_kernel(shape, input, gap), quantized_on_cpu(shape, input));
  });
}

constexpr ScaleGroups kBothGroups[]{ScaleGroups::tensor, ScaleGroups::block_1x128};

TEST(QuantizeCpu, ScalesTheLargestMagnitudeToTheLargestNumber) {
  const QuantizeShape shape{2, 2, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::tensor};
  const auto quantized = quantized_on_cpu<float>(shape, {7, -14, 3.5F, 0});
  EXPECT_THAT(quantized.scales, ElementsAre(14.0F / 448));
  EXPECT_THAT(decoded(shape, quantized), ElementsAre(224, -448, 112, 0));
}

TEST(QuantizeCpu, RoundsToTheNearestEvenNumber) {
  // With 448 among them the scale is 1: 17 lies between 16 and 18, 19 between 18 and 20.
  const QuantizeShape shape{1, 5, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::tensor};
  EXPECT_THAT(decoded(shape, quantized_on_cpu<float>(shape, {448, 17, 19, 0x1p-9F, 0x1p-10F})),
              ElementsAre(448, 16, 20, 0x1p-9, 0));
}

TEST(QuantizeCpu, GivesEveryBlockItsScaleSideBySideWithItsNeighbourTokens) {
  const QuantizeShape shape{2, 130, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::block_1x128};
  std::vector<float> values(260, 1);
  values[5] = 448;      // token 0, block 0
  values[129] = -896;   // token 0, block 1
  values[130] = 224;    // token 1, block 0
  values[258] = 44.8F;  // token 1, block 1
  const auto quantized = quantized_on_cpu(shape, values);
  EXPECT_THAT(quantized.scales, ElementsAre(1, 0.5F, 2, 0.1F));
  EXPECT_EQ(decoded(shape, quantized)[129], -448);
}

Quantized grouped_on_cpu(const QuantizeShape& shape, const std::vector<float>& values,
                         const std::vector<std::int64_t>& offsets) {
  Quantized result{std::vector<std::uint8_t>(elements(shape), 0xee),
                   std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
  quantize_cpu(shape, {values.data(), result.bits.data(), result.scales.data(), offsets.data()});
  return result;
}

// Four rows of two blocks: one, none, two, and one behind the groups.
TEST(QuantizeCpu, GivesEveryRowGroupAnArrayOfScales) {
  const QuantizeShape shape{
      4, 130, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::block_1x128, /*row_groups=*/3};
  std::vector<float> values(520, 0);
  for (std::size_t row = 0; row < 4; ++row) {
    values[row * 130 + 7] = 448 * static_cast<float>(row + 1);
    values[row * 130 + 129] = 4480 * static_cast<float>(row + 1);
  }
  EXPECT_THAT(grouped_on_cpu(shape, values, {0, 1, 1, 3}).scales,
              ElementsAre(1, 10, 2, 3, 20, 30, 4, 40));
}

TEST_F(QuantizeKernel, EqualsOracleForRowGroups) {
  const std::vector<std::int64_t> offsets{0, 0, 4, 8, 8, 32, 64, 64};
  for (const std::int64_t tokens : {64, 67, 100}) {
    const QuantizeShape shape{
        tokens, 272, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::block_1x128, /*row_groups=*/7};
    const auto values = varied_values(shape);
    DeviceArray<float> device_values{values};
    DeviceArray<std::uint8_t> bits{std::vector<std::uint8_t>(elements(shape), 0xee)};
    DeviceArray<float> scales{std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
    DeviceArray<std::int64_t> first{offsets};
    quantize_cuda(shape, {device_values.data(), bits.data(), scales.data(), first.data()}, nullptr,
                  nullptr);
    expect_same(shape, {bits.host(), scales.host()}, grouped_on_cpu(shape, values, offsets));
  }
}

TEST(QuantizeCpu, KeepsNeighboursOfWhatIsNoNumber) {
  const QuantizeShape shape{1, 4, Dtype::f32, Dtype::fp8_e5m2, ScaleGroups::tensor};
  const auto quantized = quantized_on_cpu<float>(shape, {kInfinity, kNan, -kInfinity, 2});
  EXPECT_THAT(quantized.scales, ElementsAre(2.0F / 57344));
  const auto values = decoded(shape, quantized);
  EXPECT_THAT((std::vector{values[0], values[2], values[3]}), ElementsAre(57344, -57344, 57344));
  EXPECT_TRUE(std::isnan(values[1]));
}

TEST(QuantizeCpu, GivesZerosAScaleToo) {
  const QuantizeShape shape{1, 3, Dtype::bf16, Dtype::fp8_e4m3, ScaleGroups::tensor};
  const auto quantized = quantized_on_cpu(shape, narrowed<BFloat16>({0, -0.0F, 0}));
  EXPECT_THAT(quantized.scales, ElementsAre(kSmallestAmax / 448));
  EXPECT_THAT(decoded(shape, quantized), testing::Each(0));
}

TEST(QuantizeWork, CountsEachByteOnce) {
  const auto block =
      quantize_work({10, 300, Dtype::bf16, Dtype::fp8_e4m3, ScaleGroups::block_1x128});
  EXPECT_EQ(block.read, Bytes{10 * 300 * 2});
  EXPECT_EQ(block.written, Bytes{10 * 300 + 10 * 3 * 4});
  const auto tensor = quantize_work({10, 300, Dtype::f32, Dtype::fp8_e4m3, ScaleGroups::tensor});
  EXPECT_EQ(tensor.read, Bytes{10 * 300 * 4});
  EXPECT_EQ(tensor.written, Bytes{10 * 300 + 4});
  const auto groups =
      quantize_work({10, 300, Dtype::bf16, Dtype::fp8_e4m3, ScaleGroups::block_1x128, 8});
  EXPECT_EQ(groups.read - block.read, Bytes{9 * 8});
  EXPECT_EQ(groups.written, block.written);
}

TEST(QuantizeShape, RefusesWhatItCannotQuantize) {
  EXPECT_THROW(check_shape(QuantizeShape{-1, 8}), InvalidInput);
  EXPECT_THROW(check_shape(QuantizeShape{1, -8}), InvalidInput);
  EXPECT_THROW(check_shape(QuantizeShape{1, 8, Dtype::int8}), InvalidInput);
  EXPECT_THROW(check_shape(QuantizeShape{1, 8, Dtype::bf16, Dtype::int8}), InvalidInput);
  EXPECT_THROW(
      check_shape(QuantizeShape{1, 8, Dtype::bf16, Dtype::fp8_e4m3, ScaleGroups::tensor, 2}),
      InvalidInput);
}

TEST_F(QuantizeKernel, EqualsOracle) {
  for (const auto groups : kBothGroups)
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{1}, std::int64_t{31},
                                      std::int64_t{33}, tests::fewer_if_watched(1000, 70)})
      for (const std::int64_t hidden : {0, 1, 8, 16, 33, 127, 128, 129, 272, 512}) {
        const QuantizeShape shape{tokens, hidden, Dtype::bf16, Dtype::fp8_e4m3, groups};
        expect_kernel_equals_oracle(shape, varied_values(shape));
      }
}

TEST_F(QuantizeKernel, EqualsOracleForEveryTypeAndTheWidthsOfLayers) {
  for (const auto groups : kBothGroups)
    for (const std::int64_t hidden : {384, 528, 1024, 2048, 4096, 7168})
      for (const Dtype from : {Dtype::f32, Dtype::f16, Dtype::bf16})
        for (const Dtype to : {Dtype::fp8_e4m3, Dtype::fp8_e5m2}) {
          const QuantizeShape shape{11, hidden, from, to, groups};
          expect_kernel_equals_oracle(shape, varied_values(shape));
        }
}

// Few rows share a device's blocks; of the tests' there are 12.
TEST_F(QuantizeKernel, EqualsOracleWhereBlocksShareARow) {
  for (const std::int64_t tokens : {1, 2, 5, 12, 13})
    for (const std::int64_t hidden : {8320, 14336, 28672, 28673}) {
      const QuantizeShape shape{tokens, hidden, Dtype::bf16, Dtype::fp8_e4m3,
                                ScaleGroups::block_1x128};
      expect_kernel_equals_oracle(shape, varied_values(shape));
    }
}

// The tensor's grid stops growing where it fills the device, of which the tests' holds 147,456
// elements; the last chunk is none, a whole one or less.
TEST_F(QuantizeKernel, EqualsOracleWhereAThreadTakesSeveralTurns) {
  for (const Dtype from : {Dtype::f16, Dtype::f32})
    for (const std::int64_t hidden : {510, 512})
      for (const std::size_t gap : {0, 1}) {
        const QuantizeShape shape{601, hidden, from, Dtype::fp8_e4m3, ScaleGroups::tensor};
        expect_kernel_equals_oracle(shape, varied_values(shape), gap);
      }
}

TEST_F(QuantizeKernel, EqualsOracleForWhatIsNoOrdinaryNumber) {
  for (const auto groups : kBothGroups)
    for (const Dtype from : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
      const QuantizeShape shape{5, 384, from, Dtype::fp8_e4m3, groups};
      auto values = varied_values(shape);
      values[3] = kNan;
      values[100] = -kInfinity;
      values[384 + 130] = kInfinity;
      std::fill_n(values.begin() + 768, 128, kNan);         // a block without a number
      std::fill_n(values.begin() + 768 + 128, 128, -0.0F);  // zeros
      std::fill_n(values.begin() + 1152, 384, 0x1p-24F);    // the smallest of f16
      expect_kernel_equals_oracle(shape, values);
    }
  const QuantizeShape tiny{2, 128, Dtype::bf16, Dtype::fp8_e4m3, ScaleGroups::block_1x128};
  expect_kernel_equals_oracle(tiny, std::vector<float>(256, 0x1p-133F));
}

TEST_F(QuantizeKernel, TakesValuesThatAreNotAligned) {
  for (const auto groups : kBothGroups) {
    const QuantizeShape shape{33, 256, Dtype::bf16, Dtype::fp8_e4m3, groups};
    expect_kernel_equals_oracle(shape, varied_values(shape), 1);
  }
}

}  // namespace
}  // namespace moecal::kernels
