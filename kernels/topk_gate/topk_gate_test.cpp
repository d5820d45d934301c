// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/topk_gate/topk_gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "core/routing.hpp"
#include "tests/device_array.hpp"

namespace moecal::kernels {
namespace {

using testing::ElementsAre;
using tests::DeviceArray;
using TopkGateKernel = tests::OnDevice;
using Bytes = std::vector<unsigned char>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// exp on the device is within 2 ulp and the sum of up to 64 terms adds a few more.
constexpr float kWeightTolerance = 2e-6F;

struct Table {
  explicit Table(const TopkGateShape& shape)
      : expert_of(choices(shape), -9),
        weight_of(choices(shape), -9),
        counts(static_cast<std::size_t>(shape.experts), -9),
        offsets(counts.size() + 1, -9),
        row_of(choices(shape), -9) {}
  static std::size_t choices(const TopkGateShape& shape) {
    return static_cast<std::size_t>(shape.tokens * shape.top_k);
  }
  std::vector<std::int32_t> expert_of;
  std::vector<float> weight_of;
  std::vector<std::int64_t> counts;
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> row_of;
};

Table gated_on_cpu(const TopkGateShape& shape, const void* logits) {
  Table table{shape};
  topk_gate_cpu(shape, {logits, table.expert_of.data(), table.weight_of.data(), table.counts.data(),
                        table.offsets.data(), table.row_of.data()});
  return table;
}

/// How far behind an aligned address tensors begin.
struct Gaps {
  std::size_t logits_bytes = 0;
  std::size_t choices = 0;
};

template <class T>
std::vector<T> behind(std::size_t gap, const std::vector<T>& values) {
  std::vector<T> shifted(gap, T{7});
  shifted.insert(shifted.end(), values.begin(), values.end());
  return shifted;
}

/// Expects the gap untouched.
template <class T>
std::vector<T> after_gap(std::size_t gap, std::vector<T> values) {
  for (std::size_t i = 0; i < gap; ++i) EXPECT_EQ(values[i], T{7}) << "before the tensor";
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(gap));
  return values;
}

Table gated_by_kernel(const TopkGateShape& shape, const Bytes& logits, const Gaps& gaps = {}) {
  const Table empty{shape};
  DeviceArray<unsigned char> device_logits{logits};
  DeviceArray<std::int32_t> expert_of{behind(gaps.choices, empty.expert_of)};
  DeviceArray<float> weight_of{behind(gaps.choices, empty.weight_of)};
  DeviceArray<std::int64_t> counts{empty.counts};
  DeviceArray<std::int64_t> offsets{empty.offsets};
  DeviceArray<std::int32_t> row_of{empty.row_of};
  DeviceArray<unsigned char> workspace{Bytes(topk_gate_cuda_workspace(shape), 0xee)};
  topk_gate_cuda(shape,
                 {device_logits.data() + gaps.logits_bytes, expert_of.data() + gaps.choices,
                  weight_of.data() + gaps.choices, counts.data(), offsets.data(), row_of.data()},
                 workspace.data(), nullptr);
  Table table{shape};
  table.expert_of = after_gap(gaps.choices, expert_of.host());
  table.weight_of = after_gap(gaps.choices, weight_of.host());
  table.counts = counts.host();
  table.offsets = offsets.host();
  table.row_of = row_of.host();
  return table;
}

void expect_equal(const Table& actual, const Table& expected) {
  EXPECT_EQ(actual.expert_of, expected.expert_of);
  EXPECT_EQ(actual.counts, expected.counts);
  EXPECT_EQ(actual.offsets, expected.offsets);
  EXPECT_EQ(actual.row_of, expected.row_of);
  EXPECT_THAT(actual.weight_of,
              testing::Pointwise(testing::FloatNear(kWeightTolerance), expected.weight_of));
}

template <class T>
Bytes as_bytes(const std::vector<T>& values) {
  const auto* first = reinterpret_cast<const unsigned char*>(values.data());
  return {first, first + values.size() * sizeof(T)};
}

/// Normal logits on a grid of 1/8, so that equal ones are frequent, in the shape's dtype.
Bytes random_logits(const TopkGateShape& shape) {
  std::mt19937 engine{static_cast<unsigned>(shape.tokens * 1000 + shape.experts)};
  std::normal_distribution<float> normal{0, 2};
  return with_float_type(shape.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> logits(static_cast<std::size_t>(shape.tokens * shape.experts));
    for (T& logit : logits) logit = from_float<T>(std::round(normal(engine) * 8) / 8);
    return as_bytes(logits);
  });
}

void expect_kernel_equals_oracle(const TopkGateShape& shape, const Gaps& gaps = {}) {
  SCOPED_TRACE("tokens " + std::to_string(shape.tokens) + ", experts " +
               std::to_string(shape.experts) + ", top_k " + std::to_string(shape.top_k) +
               ", capacity " + std::to_string(shape.capacity) + " " +
               std::string{to_string(shape.dtype)});
  const Bytes logits = random_logits(shape);
  expect_equal(gated_by_kernel(shape, behind(gaps.logits_bytes, logits), gaps),
               gated_on_cpu(shape, logits.data()));
}

TEST(TopkGateCpu, ChoosesWeighsCountsAndPlaces) {
  const TopkGateShape shape{.tokens = 3, .experts = 4, .top_k = 2};
  const float ln3 = std::log(3.0F);
  const std::vector<float> logits{0, ln3, 0, -1,  // experts 1, then 0 rather than 2
                                  5, 5,   5, 6,   // 3, then the lowest of three equals
                                  1, 2,   3, 4};
  const Table table = gated_on_cpu(shape, logits.data());
  EXPECT_THAT(table.expert_of, ElementsAre(1, 0, 3, 0, 3, 2));
  EXPECT_FLOAT_EQ(table.weight_of[0], 0.75F);
  EXPECT_FLOAT_EQ(table.weight_of[1], 0.25F);
  EXPECT_THAT(table.counts, ElementsAre(2, 1, 1, 2));
  EXPECT_THAT(table.offsets, ElementsAre(0, 2, 3, 4, 6));
  EXPECT_THAT(table.row_of, ElementsAre(2, 0, 4, 1, 5, 3));
}

TEST(TopkGateCpu, WeighsBySigmoidWhereAsked) {
  const TopkGateShape shape{.tokens = 2, .experts = 3, .top_k = 2, .scores = GateScores::sigmoid};
  const std::vector<float> logits{0,     std::log(3.0F), -5,      // sigmoids 1/2, 3/4
                                  -1000, -2000,          -3000};  // all 0
  const Table table = gated_on_cpu(shape, logits.data());
  EXPECT_THAT(table.expert_of, ElementsAre(1, 0, 0, 1));
  EXPECT_FLOAT_EQ(table.weight_of[0], 0.6F);
  EXPECT_FLOAT_EQ(table.weight_of[1], 0.4F);
  EXPECT_EQ(table.weight_of[2], 0);
}

TEST(TopkGateCpu, DropsLaterTokensBeyondCapacity) {
  const TopkGateShape shape{.tokens = 3, .experts = 2, .top_k = 1, .capacity = 1};
  const std::vector<float> logits{0, 1, 0, 1, 1, 0};
  const Table table = gated_on_cpu(shape, logits.data());
  EXPECT_THAT(table.counts, ElementsAre(1, 2));
  EXPECT_THAT(table.offsets, ElementsAre(0, 1, 2));
  EXPECT_THAT(table.row_of, ElementsAre(1, -1, 0));
}

TEST(TopkGateCpu, BeginsEveryExpertAtAMultipleOfRows) {
  const TopkGateShape shape{
      .tokens = 4, .experts = 4, .top_k = 1, .capacity = 2, .row_multiple = 4};
  const std::vector<float> logits{0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  const Table table = gated_on_cpu(shape, logits.data());
  EXPECT_THAT(table.counts, ElementsAre(0, 3, 0, 1));
  EXPECT_THAT(table.offsets, ElementsAre(0, 0, 4, 4, 8));
  EXPECT_THAT(table.row_of, ElementsAre(0, 1, -1, 4)) << "padding is no room beyond a capacity";
}

// Rows: a NaN among numbers; only NaN; +infinity twice; -infinity before NaN by index only.
const std::vector<float> kStrangeLogits{NAN,       -3,        -2,    NAN, NAN,        NAN,
                                        kInfinity, kInfinity, 1e38F, NAN, -kInfinity, NAN};
const TopkGateShape kStrangeShape{.tokens = 4, .experts = 3, .top_k = 2};

TEST(TopkGateCpu, TakesNanAsTheLowestAndStaysFinite) {
  const Table table = gated_on_cpu(kStrangeShape, kStrangeLogits.data());
  EXPECT_THAT(table.expert_of, ElementsAre(2, 1, 0, 1, 0, 1, 0, 1));
  EXPECT_FLOAT_EQ(table.weight_of[0], 1 / (1 + std::exp(-1.0F)));
  EXPECT_THAT(std::vector<float>(table.weight_of.begin() + 2, table.weight_of.end()),
              testing::Each(0.5F));
}

TEST(TopkGateCpu, ChoosesInfinityBeforeTheLargestFloatAndWeighsThemAlike) {
  const std::vector<float> logits{std::numeric_limits<float>::max(), kInfinity, 0, 1};
  const Table table = gated_on_cpu({.tokens = 1, .experts = 4, .top_k = 2}, logits.data());
  EXPECT_THAT(table.expert_of, ElementsAre(1, 0));
  EXPECT_THAT(table.weight_of, ElementsAre(0.5F, 0.5F));
}

TEST(TopkGateWork, ReadsLogitsOnceAndWritesTheTable) {
  const auto work = topk_gate_work({.tokens = 256, .experts = 8, .top_k = 2, .dtype = Dtype::bf16});
  EXPECT_DOUBLE_EQ(work.read.value(), 256 * 8 * 2);
  EXPECT_DOUBLE_EQ(work.written.value(), 256 * 2 * (4 + 4 + 4) + 8 * 8 + 9 * 8);
  const TopkGateShape shape{.tokens = 256, .experts = 8, .top_k = 2, .dtype = Dtype::bf16};
  const auto choose = choose_experts_work(shape), sort = sort_choices_work(shape);
  EXPECT_EQ(choose.read, work.read);
  EXPECT_EQ(choose.written + sort.written, work.written);
  EXPECT_DOUBLE_EQ(sort.read.value(), 256 * 2 * 4) << "what the first part chose";
}

TEST(TopkGateShape, RefusesImpossibleShapes) {
  EXPECT_THROW(check_shape(TopkGateShape{.tokens = 1, .experts = 8, .top_k = 9}), InvalidInput);
  EXPECT_THROW(check_shape(TopkGateShape{.tokens = 1, .experts = 8, .top_k = 0}), InvalidInput);
  EXPECT_THROW(check_shape(TopkGateShape{.tokens = -1, .experts = 8, .top_k = 1}), InvalidInput);
  EXPECT_THROW(check_shape(TopkGateShape{.tokens = 1LL << 30, .experts = 8, .top_k = 2}),
               InvalidInput);
  EXPECT_THROW(
      check_shape(TopkGateShape{.tokens = 1, .experts = 8, .top_k = 1, .dtype = Dtype::int8}),
      InvalidInput);
  EXPECT_THROW(check_shape(TopkGateShape{.tokens = 1, .experts = 8, .top_k = 1, .row_multiple = 0}),
               InvalidInput);
  EXPECT_THROW(topk_gate_cuda({.tokens = 1, .experts = 513, .top_k = 1}, {}, nullptr, nullptr),
               Unsupported);
}

// Two independent statements of the same order: this one and core's, which permute's data come
// from.
TEST(TopkGateCpu, PlacesRowsAsCoreDoes) {
  const TopkGateShape shape{.tokens = 100, .experts = 8, .top_k = 2, .capacity = 20};
  const Table table = gated_on_cpu(shape, random_logits(shape).data());
  RoutingDraw draw;
  draw.expert_of = table.expert_of;
  draw.counts = table.counts;
  EXPECT_EQ(table.row_of, place_rows(draw, shape.capacity));
}

TEST_F(TopkGateKernel, EqualsOracle) {
  for (const std::int64_t experts : {8, 64})
    for (const std::int64_t top_k : {std::int64_t{1}, std::int64_t{2}, std::int64_t{8}, experts})
      for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{1}, std::int64_t{31},
                                        std::int64_t{33}, tests::fewer_if_watched(4096, 700)})
        expect_kernel_equals_oracle({.tokens = tokens, .experts = experts, .top_k = top_k});
}

TEST_F(TopkGateKernel, EqualsOracleForEveryDtypeAndExpertCount) {
  for (const std::int64_t experts : {1, 2, 7, 10, 16, 60, 128, 250, 256, 257, 512})
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
      expect_kernel_equals_oracle({.tokens = 131,
                                   .experts = experts,
                                   .top_k = std::min<std::int64_t>(4, experts),
                                   .dtype = dtype});
}

// Rows that fill a thread's share or not, of whole chunks or not; the last tile with one token.
TEST_F(TopkGateKernel, EqualsOracleForAnyNumberOfThreadsPerToken) {
  for (const std::int64_t experts : {17, 33, 63, 64, 65, 127, 128})
    for (const std::int64_t top_k : {2, 3, 4, 5, 8})
      for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
        expect_kernel_equals_oracle(
            {.tokens = 129, .experts = experts, .top_k = top_k, .dtype = dtype});
}

// More choices than a token's threads hold at once, of as many experts as they share.
TEST_F(TopkGateKernel, EqualsOracleForManyChoices) {
  for (const std::int64_t experts : {128, 250, 256, 512})
    for (const std::int64_t top_k : {8, 9, 40})
      for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
        expect_kernel_equals_oracle(
            {.tokens = 67, .experts = experts, .top_k = top_k, .dtype = dtype});
}

// Choices are written four at a time where they lie in whole, aligned fours, and one by one else:
// by one, two and four threads of a token, the last of them with a part of theirs.
TEST_F(TopkGateKernel, EqualsOracleHoweverChoicesLie) {
  for (const std::int64_t experts : {16, 256, 512})
    for (const std::int64_t top_k : {1, 2, 3, 4, 6, 8, 12, 14})
      for (const std::size_t gap : {0, 1})
        expect_kernel_equals_oracle({.tokens = 37, .experts = experts, .top_k = top_k},
                                    {.choices = gap});
}

TEST_F(TopkGateKernel, EqualsOracleForSigmoids) {
  for (const std::int64_t top_k : {1, 2, 4, 8})
    for (const std::int64_t experts : {8, 64, 256})
      expect_kernel_equals_oracle({.tokens = 100,
                                   .experts = experts,
                                   .top_k = top_k,
                                   .dtype = Dtype::bf16,
                                   .scores = GateScores::sigmoid});
  const std::vector<float> logits(3 * 8, -1000.0F);
  const TopkGateShape zeros{.tokens = 3, .experts = 8, .top_k = 2, .scores = GateScores::sigmoid};
  expect_equal(gated_by_kernel(zeros, as_bytes(logits)), gated_on_cpu(zeros, logits.data()));
}

TEST_F(TopkGateKernel, EqualsOracleWithCapacityAndEmptyExperts) {
  expect_kernel_equals_oracle({.tokens = 4096, .experts = 64, .top_k = 2, .capacity = 128});
  expect_kernel_equals_oracle({.tokens = 3, .experts = 64, .top_k = 2, .capacity = 1});
}

TEST_F(TopkGateKernel, EqualsOracleWithPaddedExperts) {
  for (const std::int64_t capacity : {0, 70})
    for (const std::int64_t experts : {7, 64, 512})
      expect_kernel_equals_oracle(
          {.tokens = 700, .experts = experts, .top_k = 2, .capacity = capacity, .row_multiple = 4});
  expect_kernel_equals_oracle({.tokens = 3, .experts = 8, .top_k = 2, .row_multiple = 128});
}

// A tile has 1024 choices: one is sorted by a kernel of its own, more by three.
TEST_F(TopkGateKernel, EqualsOracleAroundTheEndsOfTiles) {
  for (const auto& [top_k, tokens] : {std::pair{1, 1023},
                                      {1, 1024},
                                      {1, 1025},
                                      {1, 2048},
                                      {1, 2049},
                                      {2, 511},
                                      {2, 512},
                                      {2, 513},
                                      {3, 341},
                                      {3, 342},
                                      {4, 255},
                                      {4, 257},
                                      {8, 127},
                                      {8, 128},
                                      {8, 129}})
    for (const std::int64_t experts : {8, 257})
      for (const std::int64_t capacity : {0, 30})
        expect_kernel_equals_oracle({.tokens = tokens,
                                     .experts = experts,
                                     .top_k = top_k,
                                     .capacity = capacity,
                                     .row_multiple = capacity == 0 ? 1 : 4});
}

TEST_F(TopkGateKernel, EqualsOracleForEveryNumberOfExpertsOfATile) {
  for (const std::int64_t experts : {1, 2, 31, 33, 255, 256, 257, 511, 512})
    for (const std::int64_t tokens : {0, 1, 33, 513})
      for (const std::int64_t row_multiple : {1, 128})
        expect_kernel_equals_oracle(
            {.tokens = tokens, .experts = experts, .top_k = 1, .row_multiple = row_multiple});
}

// Every token chooses expert 5: one expert fills many tiles, the others are empty.
TEST_F(TopkGateKernel, EqualsOracleWhenOneExpertTakesAll) {
  const TopkGateShape shape{.tokens = 4096, .experts = 8, .top_k = 1, .capacity = 3000};
  std::vector<float> logits(4096 * 8, 0.0F);
  for (std::size_t token = 0; token < 4096; ++token) logits[token * 8 + 5] = 1;
  expect_equal(gated_by_kernel(shape, as_bytes(logits)), gated_on_cpu(shape, logits.data()));
}

TEST_F(TopkGateKernel, TakesStrangeAndUnalignedLogits) {
  expect_equal(
      gated_by_kernel(kStrangeShape, behind(4, as_bytes(kStrangeLogits)), {.logits_bytes = 4}),
      gated_on_cpu(kStrangeShape, kStrangeLogits.data()));

  const TopkGateShape last{.tokens = 1, .experts = 8, .top_k = 3};
  const std::vector<float> ends{
      std::numeric_limits<float>::max(), kInfinity, NAN, -kInfinity, -kInfinity, kInfinity, NAN, 1};
  expect_equal(gated_by_kernel(last, as_bytes(ends)), gated_on_cpu(last, ends.data()));

  expect_kernel_equals_oracle({.tokens = 33, .experts = 8, .top_k = 2, .dtype = Dtype::bf16},
                              {.logits_bytes = 2});
}

/// A signalling NaN made a quiet one: the C library's fmaxf returns the former, the device's no
/// NaN.
std::uint32_t quiet(std::uint32_t bits) {
  return (bits & 0x7fffffffU) > 0x7f800000U ? bits | 0x400000U : bits;
}
std::uint16_t quiet(std::uint16_t bits) { return bits; }

/// Any bits: NaN of both signs, infinities, both zeros and subnormal numbers among them, each of
/// those often.
template <class Bits>
Bytes any_logits(const TopkGateShape& shape, const std::vector<Bits>& often) {
  std::mt19937 engine{static_cast<unsigned>(shape.experts + shape.top_k)};
  std::vector<Bits> logits(static_cast<std::size_t>(shape.tokens * shape.experts));
  for (Bits& logit : logits)
    logit = engine() % 2 == 0 ? quiet(static_cast<Bits>(engine())) : often[engine() % often.size()];
  return as_bytes(logits);
}

Bytes any_logits(const TopkGateShape& shape) {
  if (shape.dtype == Dtype::f32)
    return any_logits<std::uint32_t>(shape, {0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                             0xffffffff, 0x7f7fffff, 0xff7fffff, 1, 0x80000001});
  if (shape.dtype == Dtype::f16)
    return any_logits<std::uint16_t>(
        shape, {0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0xffff, 0x7bff, 0xfbff, 1, 0x8001, 0x7c01});
  return any_logits<std::uint16_t>(
      shape, {0, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0xffff, 0x7f7f, 0xff7f, 1, 0x8001, 0x7f81});
}

TEST_F(TopkGateKernel, EqualsOracleForAnyBits) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const std::int64_t experts : {8, 17, 64, 100, 128, 256, 512})
      for (const std::int64_t top_k : {1, 8, 17}) {
        const TopkGateShape shape{
            .tokens = 33, .experts = experts, .top_k = std::min(top_k, experts), .dtype = dtype};
        SCOPED_TRACE(std::to_string(experts) + " experts, top_k " + std::to_string(shape.top_k) +
                     " " + std::string{to_string(dtype)});
        const Bytes logits = any_logits(shape);
        expect_equal(gated_by_kernel(shape, logits), gated_on_cpu(shape, logits.data()));
      }
}

// A block takes one tile of tokens after the other into the same shared memory, the last of them
// with fewer than it holds; rows are whole chunks, as many as there is room for or fewer, or not.
TEST_F(TopkGateKernel, EqualsOracleWhereABlockTakesSeveralTiles) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (const std::int64_t experts : {64, 90, 128, 160, 256, 512})
      for (const std::int64_t top_k : {2, 8, 10})
        expect_kernel_equals_oracle(
            {.tokens = 389, .experts = experts, .top_k = top_k, .dtype = dtype});
}

TEST(GatherRows, CopiesTheRowsThatAreNamed) {
  const std::vector<std::uint16_t> from{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> sources{2, 0, 2, 1};
  std::vector<std::uint16_t> to(8);
  gather_rows_cpu({4, 4, from.data(), sources.data(), to.data()});
  EXPECT_THAT(to, ElementsAre(5, 6, 1, 2, 5, 6, 3, 4));
}

TEST_F(TopkGateKernel, GathersRowsAsTheOracleDoes) {
  std::mt19937 engine{1};
  for (const std::int64_t row_bytes : {2, 6, 254, 256, 1030})
    for (const std::int64_t rows : {0, 1, 33, 70}) {
      SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(row_bytes));
      Bytes from(static_cast<std::size_t>(20 * row_bytes));
      for (auto& byte : from) byte = static_cast<unsigned char>(engine());
      std::vector<std::int32_t> sources(static_cast<std::size_t>(rows));
      for (auto& source : sources) source = static_cast<std::int32_t>(engine() % 20);
      Bytes expected(static_cast<std::size_t>(rows * row_bytes));
      DeviceArray<unsigned char> device_from{from}, to{expected};
      DeviceArray<std::int32_t> device_sources{sources};
      gather_rows_cpu({rows, row_bytes, from.data(), sources.data(), expected.data()});
      gather_rows_cuda({rows, row_bytes, device_from.data(), device_sources.data(), to.data()});
      EXPECT_EQ(to.host(), expected);
    }
}

}  // namespace
}  // namespace moecal::kernels
