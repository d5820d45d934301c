// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/unpermute/unpermute.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "core/routing.hpp"
#include "tests/device_array.hpp"

namespace moecal::kernels {
namespace {

using testing::ElementsAre;
using tests::DeviceArray;
using UnpermuteKernel = tests::OnDevice;

/// Results are at most 1 in magnitude. A fused multiply-add can move one across a rounding boundary
/// of its dtype: a unit in the last place below 1; in f32 a few of them, one per choice.
float tolerance_of(Dtype dtype) {
  return dtype == Dtype::bf16 ? 0x1p-8F : dtype == Dtype::f16 ? 0x1p-11F : 0x1p-20F;
}

struct Routing {
  std::vector<std::int32_t> row_of;
  std::vector<float> weight_of;
};

Routing routing_of(const RoutingShape& shape, const RoutingSpec& spec) {
  const auto draw = draw_routing(shape, spec);
  return {place_rows(draw, expert_capacity(shape, spec.capacity_factor)), draw.weight_of};
}

/// Values in [-1, 1] that differ from row to row and within a row.
template <class T>
std::vector<T> distinct_rows(const UnpermuteShape& shape) {
  std::vector<T> rows(static_cast<std::size_t>(shape.tokens * shape.top_k * shape.hidden));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = from_float<T>(static_cast<float>(i * 2654435761U % 4096) / 2048 - 1);
  return rows;
}

std::size_t output_size(const UnpermuteShape& shape) {
  return static_cast<std::size_t>(shape.tokens * shape.hidden);
}

template <class T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> floats(values.size());
  std::transform(values.begin(), values.end(), floats.begin(),
                 [](T value) { return to_float(value); });
  return floats;
}

template <class T>
std::vector<float> combined_on_cpu(const UnpermuteShape& shape, const std::vector<T>& rows,
                                   const Routing& routing) {
  std::vector<T> tokens(output_size(shape), from_float<T>(9));
  unpermute_cpu(shape,
                {rows.data(), routing.row_of.data(), routing.weight_of.data(), tokens.data()});
  return widened(tokens);
}

/// With the rows `gap` elements after an aligned address.
template <class T>
std::vector<float> combined_by_kernel(const UnpermuteShape& shape, const std::vector<T>& rows,
                                      const Routing& routing, std::size_t gap = 0) {
  std::vector<T> shifted(gap);
  shifted.insert(shifted.end(), rows.begin(), rows.end());
  DeviceArray<T> device_rows{shifted};
  DeviceArray<std::int32_t> row_of{routing.row_of};
  DeviceArray<float> weight_of{routing.weight_of};
  DeviceArray<T> tokens{std::vector<T>(output_size(shape), from_float<T>(9))};
  unpermute_cuda(shape, {device_rows.data() + gap, row_of.data(), weight_of.data(), tokens.data()},
                 nullptr);
  return widened(tokens.host());
}

struct Routed {
  RoutingShape routing;
  std::int64_t hidden;
  Dtype dtype = Dtype::bf16;
  RoutingSpec spec = {};
};

void expect_kernel_equals_oracle(const Routed& c, std::size_t gap = 0) {
  const auto& [tokens, experts, top_k] = c.routing;
  SCOPED_TRACE("tokens " + std::to_string(tokens) + ", experts " + std::to_string(experts) +
               ", top_k " + std::to_string(top_k) + ", hidden " + std::to_string(c.hidden) + " " +
               std::string{to_string(c.dtype)});
  const UnpermuteShape shape{tokens, c.hidden, top_k, c.dtype};
  const Routing routing = routing_of(c.routing, c.spec);
  with_float_type(c.dtype, [&](auto zero) {
    const auto rows = distinct_rows<decltype(zero)>(shape);
    EXPECT_THAT(combined_by_kernel(shape, rows, routing, gap),
                testing::Pointwise(testing::FloatNear(tolerance_of(c.dtype)),
                                   combined_on_cpu(shape, rows, routing)));
  });
}

TEST(UnpermuteCpu, AddsUpWeightedRows) {
  const UnpermuteShape shape{.tokens = 2, .hidden = 2, .top_k = 2, .dtype = Dtype::f32};
  const std::vector<float> rows{1, 2, 10, 20, 100, 200, 1000, 2000};
  EXPECT_THAT(combined_on_cpu(shape, rows, {{3, 0, 1, 2}, {0.5F, 0.25F, 2, 0.125F}}),
              ElementsAre(500.25F, 1000.5F, 32.5F, 65));
}

TEST(UnpermuteCpu, CountsDroppedChoicesAsZero) {
  const UnpermuteShape shape{.tokens = 2, .hidden = 1, .top_k = 2, .dtype = Dtype::f32};
  EXPECT_THAT(combined_on_cpu(shape, std::vector<float>{4}, {{-1, 0, -1, -1}, {0.5F, 0.5F, 1, 1}}),
              ElementsAre(2, 0));
}

TEST(UnpermuteCpu, RoundsOnceAtTheEnd) {
  const UnpermuteShape shape{.tokens = 1, .hidden = 1, .top_k = 2, .dtype = Dtype::bf16};
  const std::vector<BFloat16> rows{from_float<BFloat16>(1), from_float<BFloat16>(0x1p-8F)};
  EXPECT_THAT(combined_on_cpu(shape, rows, {{0, 1}, {1, 3}}), ElementsAre(1 + 0x1p-6F));
}

TEST(UnpermuteWork, CountsEachByteOnceAndTwoFlopsPerElement) {
  const auto work =
      unpermute_work({.tokens = 256, .hidden = 4096, .top_k = 2, .dtype = Dtype::bf16});
  EXPECT_DOUBLE_EQ(work.read.value(), 2.0 * 256 * (4096 * 2 + 8));
  EXPECT_DOUBLE_EQ(work.written.value(), 256.0 * 4096 * 2);
  EXPECT_DOUBLE_EQ(work.flops.value(), 2.0 * 2 * 256 * 4096);
}

TEST(UnpermuteWork, LeavesOutWhatIsDropped) {
  const auto work = unpermute_work({256, 4096, 2, Dtype::bf16, 100});
  EXPECT_DOUBLE_EQ(work.read.value(), 412.0 * 4096 * 2 + 2 * 256 * 8);
  EXPECT_DOUBLE_EQ(work.written.value(), 256.0 * 4096 * 2);
  EXPECT_DOUBLE_EQ(work.flops.value(), 2.0 * 412 * 4096);
}

TEST(UnpermuteShape, RefusesWhatItCannotCombine) {
  EXPECT_THROW(check_shape(UnpermuteShape{-1, 8, 1, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(UnpermuteShape{1, 8, 0, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(UnpermuteShape{1LL << 31, 8, 1, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(UnpermuteShape{1, 1LL << 29, 1, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(UnpermuteShape{1, 8, 1, Dtype::fp8_e4m3}), InvalidInput);
}

TEST_F(UnpermuteKernel, EqualsOracle) {
  for (const std::int64_t experts : {8, 64})
    for (const std::int64_t top_k : {std::int64_t{1}, std::int64_t{2}, experts})
      for (const std::int64_t tokens : {0, 1, 31, 33, 4096})
        expect_kernel_equals_oracle({{tokens, experts, top_k}, 16});
}

// 1, 2, 4 and 8 have kernels of their own; rows of one word, of all lanes' words, and of more.
TEST_F(UnpermuteKernel, EqualsOracleForEveryNumberOfChoices) {
  const RoutingSpec dropping{.distribution = "power_law", .capacity_factor = 0.7};
  for (const std::int64_t top_k : {1, 2, 3, 4, 5, 8, 9})
    for (const std::int64_t hidden : {8, 264, 512, 1032, 7168})
      for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
        expect_kernel_equals_oracle({{11, 16, top_k}, hidden, dtype, dropping});
}

// Few tokens share a device's blocks; of the tests' there are 12.
TEST_F(UnpermuteKernel, EqualsOracleWhereBlocksShareARow) {
  for (const std::int64_t tokens : {1, 2, 5, 12, 13})
    for (const std::int64_t top_k : {1, 2, 3, 4, 8})
      for (const std::int64_t hidden : {2056, 14336, 14337})
        expect_kernel_equals_oracle({{tokens, 16, top_k}, hidden, Dtype::bf16});
}

TEST_F(UnpermuteKernel, LeavesOutTheWeightsOfDroppedChoices) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t top_k : {1, 2, 3, 4, 8}) {
    const UnpermuteShape shape{2, 8, top_k, Dtype::f32};
    Routing routing{std::vector<std::int32_t>(static_cast<std::size_t>(2 * top_k), -1),
                    std::vector<float>(static_cast<std::size_t>(2 * top_k), nan)};
    routing.row_of.back() = 1;
    routing.weight_of.back() = 0.5F;
    std::vector<float> expected(16, 0), rows(16, nan);
    std::fill_n(expected.begin() + 8, 8, 2.0F);
    std::fill_n(rows.begin() + 8, 8, 4.0F);
    EXPECT_EQ(combined_by_kernel(shape, rows, routing), expected) << "top_k " << top_k;
  }
}

TEST_F(UnpermuteKernel, EqualsOracleForEveryWidthOfRow) {
  for (const std::int64_t hidden : {0, 1, 8, 33, 34, 512, 1000, 4096, 7168})
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
      expect_kernel_equals_oracle({{33, 8, 5}, hidden, dtype});
}

TEST_F(UnpermuteKernel, EqualsOracleWithDroppedRowsAndEmptyExperts) {
  RoutingSpec spec{.distribution = "power_law", .capacity_factor = 0.5};
  expect_kernel_equals_oracle({{1000, 64, 2}, 64, Dtype::bf16, spec});
  expect_kernel_equals_oracle({{3, 64, 2}, 64, Dtype::bf16, {}});
}

TEST_F(UnpermuteKernel, TakesRowsThatAreNotAligned) {
  for (const std::int64_t top_k : {1, 2, 8}) expect_kernel_equals_oracle({{33, 8, top_k}, 64}, 1);
}

}  // namespace
}  // namespace moecal::kernels
