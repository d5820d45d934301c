// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/permute/permute.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "core/routing.hpp"
#include "tests/device_array.hpp"

namespace moecal::kernels {
namespace {

using tests::DeviceArray;
using PermuteKernel = tests::OnDevice;
using Raw = std::vector<unsigned char>;

constexpr unsigned char kUntouched = 0xee;

std::size_t row_bytes(const PermuteShape& shape) {
  return static_cast<std::size_t>(shape.hidden * size_of(shape.dtype));
}

/// Bytes that differ from row to row and within a row.
Raw distinct_rows(const PermuteShape& shape) {
  Raw rows(static_cast<std::size_t>(shape.tokens) * row_bytes(shape));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<unsigned char>((i * 2654435761U) >> 16);
  return rows;
}

std::size_t output_rows(const PermuteShape& shape) {
  return static_cast<std::size_t>(shape.tokens * shape.top_k);
}

Raw permuted_on_cpu(const PermuteShape& shape, const Raw& tokens,
                    const std::vector<std::int32_t>& row_of) {
  Raw rows(output_rows(shape) * row_bytes(shape), kUntouched);
  permute_cpu(shape, {tokens.data(), row_of.data(), rows.data()});
  return rows;
}

Raw permuted_by_kernel(const PermuteShape& shape, const Raw& tokens,
                       const std::vector<std::int32_t>& row_of) {
  DeviceArray<unsigned char> device_tokens{tokens};
  DeviceArray<std::int32_t> device_row_of{row_of};
  DeviceArray<unsigned char> rows{Raw(output_rows(shape) * row_bytes(shape), kUntouched)};
  permute_cuda(shape, {device_tokens.data(), device_row_of.data(), rows.data()}, nullptr);
  return rows.host();
}

struct Routed {
  RoutingShape routing;
  std::int64_t hidden;
  Dtype dtype = Dtype::bf16;
  RoutingSpec spec = {};
};

void expect_kernel_equals_oracle(const Routed& c) {
  const auto& [tokens, experts, top_k] = c.routing;
  SCOPED_TRACE("tokens " + std::to_string(tokens) + ", experts " + std::to_string(experts) +
               ", top_k " + std::to_string(top_k) + ", hidden " + std::to_string(c.hidden) + " " +
               std::string{to_string(c.dtype)});
  const auto row_of = place_rows(draw_routing(c.routing, c.spec),
                                 expert_capacity(c.routing, c.spec.capacity_factor));
  const PermuteShape shape{tokens, c.hidden, top_k, c.dtype};
  const Raw input = distinct_rows(shape);
  EXPECT_EQ(permuted_by_kernel(shape, input, row_of), permuted_on_cpu(shape, input, row_of));
}

TEST(PermuteCpu, CopiesEachTokenToItsRows) {
  const PermuteShape shape{.tokens = 2, .hidden = 3, .top_k = 2, .dtype = Dtype::uint8};
  const Raw tokens{1, 2, 3, 11, 12, 13};
  EXPECT_EQ(permuted_on_cpu(shape, tokens, {3, 0, 1, 2}),
            (Raw{1, 2, 3, 11, 12, 13, 11, 12, 13, 1, 2, 3}));
}

TEST(PermuteCpu, DroppedChoicesGoNowhere) {
  const PermuteShape shape{.tokens = 2, .hidden = 1, .top_k = 2, .dtype = Dtype::uint8};
  EXPECT_EQ(permuted_on_cpu(shape, {7, 8}, {1, -1, 0, -1}), (Raw{8, 7, kUntouched, kUntouched}));
}

TEST(PermuteWork, CountsEachByteOnce) {
  const auto work = permute_work({.tokens = 256, .hidden = 4096, .top_k = 2, .dtype = Dtype::bf16});
  EXPECT_EQ(work.read, Bytes{256 * 4096 * 2 + 256 * 2 * 4});
  EXPECT_EQ(work.written, Bytes{2 * 256 * 4096 * 2});
  EXPECT_EQ(work.flops, Flops{0});
}

TEST(PermuteWork, LeavesOutWhatIsDropped) {
  PermuteShape shape{.tokens = 256, .hidden = 4096, .top_k = 2, .dtype = Dtype::bf16};
  shape.dropped = 100;
  EXPECT_EQ(permute_work(shape).read, Bytes{256 * 4096 * 2 + 256 * 2 * 4});
  EXPECT_EQ(permute_work(shape).written, Bytes{412 * 4096 * 2});
  shape.to_fp8 = true;
  EXPECT_EQ(permute_work(shape).written, Bytes{412 * (4096 + 32 * 4)});
}

TEST(PermuteShape, RefusesWhatItCannotNumber) {
  EXPECT_THROW(check_shape(PermuteShape{-1, 8, 1, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(PermuteShape{1, 8, 0, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(PermuteShape{1LL << 31, 8, 1, Dtype::bf16}), InvalidInput);
  EXPECT_THROW(check_shape(PermuteShape{1, 1LL << 29, 1, Dtype::bf16}), InvalidInput);
}

TEST_F(PermuteKernel, EqualsOracle) {
  for (const std::int64_t experts : {8, 64})
    for (const std::int64_t top_k : {std::int64_t{1}, std::int64_t{2}, experts})
      for (const std::int64_t tokens : {0, 1, 31, 33, 4096})
        expect_kernel_equals_oracle({{tokens, experts, top_k}, 16});
}

// 16-, 4-, 2- and 1-byte words; rows shorter and longer than one sweep of a block.
TEST_F(PermuteKernel, EqualsOracleForEveryWidthOfRow) {
  for (const std::int64_t hidden : {0, 1, 8, 33, 34, 512, 1000, 4096, 7168})
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::fp8_e4m3})
      expect_kernel_equals_oracle({{33, 8, 2}, hidden, dtype});
}

// Threads take two tokens or one, by the row's words of 16 bytes: 1, 32, 33, 64, 65, 129.
TEST_F(PermuteKernel, EqualsOracleWhereThreadsTakeSeveralRows) {
  const RoutingSpec dropping{.distribution = "power_law", .capacity_factor = 0.7};
  for (const std::int64_t hidden : {8, 256, 264, 512, 520, 1032})
    for (const std::int64_t tokens : {1, 3, 31, 34, 97})
      expect_kernel_equals_oracle({{tokens, 8, 3}, hidden, Dtype::bf16, dropping});
}

// Few tokens share a device's blocks; of the tests' there are 12.
TEST_F(PermuteKernel, EqualsOracleWhereBlocksShareARow) {
  for (const std::int64_t tokens : {1, 2, 5, 12, 13})
    for (const std::int64_t hidden : {8200, 14336, 28672, 28673})
      expect_kernel_equals_oracle({{tokens, 8, 3}, hidden, Dtype::bf16});
}

TEST_F(PermuteKernel, EqualsOracleWithDroppedRowsAndEmptyExperts) {
  RoutingSpec spec{.distribution = "power_law", .capacity_factor = 0.5};
  expect_kernel_equals_oracle({{1000, 64, 2}, 64, Dtype::bf16, spec});
  expect_kernel_equals_oracle({{3, 64, 2}, 64, Dtype::bf16, {}});
}

TEST_F(PermuteKernel, TakesRowsThatAreNotAligned) {
  const PermuteShape shape{.tokens = 33, .hidden = 64, .top_k = 1, .dtype = Dtype::bf16};
  const auto row_of = place_rows(draw_routing({33, 8, 1}, {}), 0);
  const Raw input = distinct_rows(shape);
  Raw shifted(input.size() + 2);
  std::copy(input.begin(), input.end(), shifted.begin() + 2);
  DeviceArray<unsigned char> tokens{shifted};
  DeviceArray<std::int32_t> device_row_of{row_of};
  DeviceArray<unsigned char> rows{Raw(input.size())};
  permute_cuda(shape, {tokens.data() + 2, device_row_of.data(), rows.data()}, nullptr);
  EXPECT_EQ(rows.host(), permuted_on_cpu(shape, input, row_of));
}

// ---- with a cast to FP8
// --------------------------------------------------------------------------

struct CastRows {
  std::vector<std::uint8_t> rows;
  std::vector<float> scales;
  bool operator==(const CastRows&) const = default;
};

PermuteShape cast_shape(std::int64_t tokens, std::int64_t hidden, std::int64_t top_k, Dtype dtype) {
  return {tokens, hidden, top_k, dtype, true};
}

CastRows untouched_rows(const PermuteShape& shape) {
  return {std::vector<std::uint8_t>(output_rows(shape) * static_cast<std::size_t>(shape.hidden),
                                    kUntouched),
          std::vector<float>(static_cast<std::size_t>(scale_count(shape)), -1)};
}

template <class T>
CastRows cast_on_cpu(const PermuteShape& shape, const std::vector<T>& tokens,
                     const std::vector<std::int32_t>& row_of) {
  CastRows result = untouched_rows(shape);
  permute_cpu(shape, {tokens.data(), row_of.data(), result.rows.data(), result.scales.data()});
  return result;
}

template <class T>
CastRows cast_by_kernel(const PermuteShape& shape, const std::vector<T>& tokens,
                        const std::vector<std::int32_t>& row_of) {
  const CastRows untouched = untouched_rows(shape);
  DeviceArray<T> device_tokens{tokens};
  DeviceArray<std::int32_t> device_row_of{row_of};
  DeviceArray<std::uint8_t> rows{untouched.rows};
  DeviceArray<float> scales{untouched.scales};
  permute_cuda(shape, {device_tokens.data(), device_row_of.data(), rows.data(), scales.data()},
               nullptr);
  return {rows.host(), scales.host()};
}

TEST(PermuteCpu, CastsEachTokenOnceForAllItsRows) {
  const auto shape = cast_shape(2, 2, 2, Dtype::f32);
  const auto cast = cast_on_cpu<float>(shape, {224, 448, 448, 896}, {3, 0, 1, -1});
  EXPECT_EQ(cast.rows, (std::vector<std::uint8_t>{0x76, 0x7e, 0x76, 0x7e, kUntouched, kUntouched,
                                                  0x76, 0x7e}));  // 224, 448
  EXPECT_EQ(cast.scales, (std::vector<float>{1, 2, -1, 1}));
}

TEST(PermuteWork, CountsFp8RowsAndTheirScales) {
  const auto work = permute_work(cast_shape(256, 4096, 2, Dtype::bf16));
  EXPECT_EQ(work.read, Bytes{256 * 4096 * 2 + 256 * 2 * 4});
  EXPECT_EQ(work.written, Bytes{2 * 256 * (4096 + 32 * 4)});
}

TEST(PermuteShape, RefusesToCastWhatIsNoNumber) {
  EXPECT_THROW(check_shape(cast_shape(1, 8, 1, Dtype::uint8)), InvalidInput);
}

TEST_F(PermuteKernel, CastsAsOracle) {
  for (const std::int64_t hidden : {1, 16, 33, 128, 272, 512, 528, 4096, 7168, 28672})
    for (const std::int64_t tokens : {1, 33})
      for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
        SCOPED_TRACE("tokens " + std::to_string(tokens) + ", hidden " + std::to_string(hidden));
        const auto shape = cast_shape(tokens, hidden, 2, dtype);
        const RoutingSpec spec{.distribution = "power_law", .capacity_factor = 0.5};
        const auto row_of = place_rows(draw_routing({tokens, 8, 2}, spec),
                                       expert_capacity({tokens, 8, 2}, spec.capacity_factor));
        with_float_type(dtype, [&](auto zero) {
          using T = decltype(zero);
          std::vector<T> input(static_cast<std::size_t>(tokens * hidden));
          for (std::size_t i = 0; i < input.size(); ++i)
            input[i] = from_float<T>(static_cast<float>(i * 2654435761U % 4096) / 64 - 32);
          EXPECT_EQ(cast_by_kernel(shape, input, row_of), cast_on_cpu(shape, input, row_of));
        });
      }
}

}  // namespace
}  // namespace moecal::kernels
