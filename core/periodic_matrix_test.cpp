// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/periodic_matrix.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/fill.hpp"

namespace moecal {
namespace {

constexpr auto kPeriod = static_cast<std::int64_t>(kFillPeriod);
const std::vector<Dtype> kDtypes{Dtype::f32,      Dtype::f16,  Dtype::bf16,  Dtype::fp8_e4m3,
                                 Dtype::fp8_e5m2, Dtype::int8, Dtype::int32, Dtype::uint8};

std::vector<std::byte> counted(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  return bytes;
}

PeriodicBytes repeated(std::size_t period, std::size_t size) {
  return {std::make_shared<const std::vector<std::byte>>(counted(period)), size};
}

TEST(PeriodicBytes, RepeatTheirPeriod) {
  for (const std::size_t size : {0, 1, 6, 7, 8, 28}) {
    const auto bytes = repeated(7, size);
    const auto whole = bytes.whole();
    ASSERT_EQ(whole.size(), size);
    EXPECT_EQ(bytes.period(), std::min<std::size_t>(7, size));
    for (std::size_t i = 0; i < size; ++i)
      EXPECT_EQ(whole[i], static_cast<std::byte>(i % 7 + 1)) << i;
  }
}

TEST(PeriodicBytes, GoOnFromAnyByte) {
  const auto whole = repeated(7, 30).whole();
  for (std::size_t first = 0; first <= 30; ++first)
    for (std::size_t count = 0; first + count <= 30; ++count) {
      const std::vector<std::byte> expected(
          whole.begin() + static_cast<std::ptrdiff_t>(first),
          whole.begin() + static_cast<std::ptrdiff_t>(first + count));
      std::vector<std::byte> copied(count);
      repeated(7, 30).copy(first, copied);
      EXPECT_EQ(copied, expected);
      EXPECT_EQ(repeated(7, 30).part(first, count).whole(), expected);
      EXPECT_EQ(repeated(7, 30).part(first, count).part(0, count).whole(), expected);
    }
}

TEST(PeriodicBytes, KnowWhatTheyAre) {
  const auto bytes = repeated(7, 30);
  auto others = bytes.whole();
  EXPECT_TRUE(bytes.equals(0, others));
  EXPECT_FALSE(bytes.equals(1, std::span{others}.first(29)));
  EXPECT_TRUE(bytes.equals(7, std::span{others}.first(23))) << "a period later they are the same";
  others.back() ^= std::byte{1};
  EXPECT_FALSE(bytes.equals(0, others));
  EXPECT_EQ(PeriodicBytes{counted(5)}.whole(), counted(5));
}

TEST(PeriodicBytes, RefuseWhatIsNotThere) {
  EXPECT_THROW(repeated(0, 1), Error);
  EXPECT_THROW((void)repeated(7, 30).part(25, 6), Error);
  EXPECT_THROW((void)repeated(7, 30).part(31, 0), Error);
}

// As the fill is defined: a seed's numbers one after the other, and again after a period.
std::byte byte_of_fill(const UniformFill& fill, const std::vector<double>& numbers,
                       std::size_t index) {
  const auto size = static_cast<std::size_t>(size_of(fill.dtype));
  std::array<std::byte, 4> element{};
  encode_element(fill.dtype, fill.largest * numbers[index / size % kFillPeriod], element.data());
  return element[index % size];
}

TEST(UniformBytes, AreTheSeedsNumbersAtEverySize) {
  std::mt19937_64 engine{9};
  std::vector<double> numbers(kFillPeriod);
  for (auto& number : numbers) number = static_cast<double>(engine() >> 11) * 0x1p-52 - 1.0;
  for (const auto dtype : kDtypes)
    for (const auto count : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1000}, kPeriod - 1,
                             kPeriod, kPeriod + 1, 3 * kPeriod + 7}) {
      const UniformFill fill{dtype, 9, 60};
      const auto whole = uniform_bytes(fill, count).whole();
      ASSERT_EQ(static_cast<std::int64_t>(whole.size()), count * size_of(dtype));
      const std::size_t step = std::max<std::size_t>(1, whole.size() / 1009);
      for (std::size_t i = 0; i < whole.size(); i += step)
        ASSERT_EQ(whole[i], byte_of_fill(fill, numbers, i)) << to_string(dtype) << " " << i;
      if (!whole.empty()) {
        ASSERT_EQ(whole.back(), byte_of_fill(fill, numbers, whole.size() - 1));
      }
    }
}

TEST(UniformBytes, OfLargerArraysBeginAsTheSmallerOnes) {
  const auto small = uniform_bytes({Dtype::bf16, 77}, 100);
  const auto large = uniform_bytes({Dtype::bf16, 77}, 5000);
  EXPECT_TRUE(large.equals(0, small.whole()));
  EXPECT_FALSE(uniform_bytes({Dtype::bf16, 78}, 5000).equals(0, small.whole()));
}

TEST(PatternBytes, FollowFromTheirIndex) {
  const auto bytes = pattern_bytes(3, kPeriod + 5);
  EXPECT_EQ(bytes.period(), kFillPeriod);
  EXPECT_EQ(bytes.stretch(100)[0], static_cast<std::byte>((3 + 100 * 2654435761U) >> 13 & 0xff));
  EXPECT_FALSE(pattern_bytes(1 << 13, 100).equals(0, pattern_bytes(3, 100).whole()));
}

TEST(UniformMatrix, SpansTheRangeAndIsRepeatable) {
  for (const auto dtype : {Dtype::f32, Dtype::bf16, Dtype::fp8_e4m3, Dtype::int8}) {
    const auto matrix = uniform_matrix(dtype, {64, 100}, 3);
    std::vector<double> row(100);
    double least = 0;
    double most = 0;
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      decode_row(matrix, r, row);
      least = std::min(least, *std::min_element(row.begin(), row.end()));
      most = std::max(most, *std::max_element(row.begin(), row.end()));
    }
    // An FP8 scale is rounded to FP32.
    const double bound = (dtype == Dtype::int8 ? 63.0 : 1.0) * (1 + 1e-6);
    EXPECT_LE(most, bound);
    EXPECT_GT(most, 0.95 * bound);
    EXPECT_GE(least, -bound);
    EXPECT_LT(least, -0.95 * bound);
    const auto whole = matrix.data.whole();
    EXPECT_EQ(whole, uniform_matrix(dtype, {64, 100}, 3).data.whole());
    EXPECT_NE(whole, uniform_matrix(dtype, {64, 100}, 4).data.whole());
  }
}

TEST(UniformMatrix, LongerThanItsPeriodHasNoEqualRows) {
  const auto matrix = uniform_matrix(Dtype::int8, {3, 1 << 20}, 1);
  const auto whole = matrix.data.whole();
  EXPECT_FALSE(std::equal(whole.begin(), whole.begin() + (1 << 20), whole.begin() + (1 << 20)));
  EXPECT_EQ(whole[0], whole[kFillPeriod]) << "it repeats after its period";
}

TEST(Decode, GivesTheScaledValuesOfARowAndOfAColumn) {
  auto given = zero_matrix(Dtype::f16, {2, 3});
  for (int i = 0; i < 6; ++i) encode_element(Dtype::f16, i, given.data.data() + i * 2);
  given.scale = 0.5F;
  const auto matrix = given_matrix(given);
  std::vector<double> row(3), column(2);
  decode_row(matrix, 1, row);
  decode_column(matrix, 2, column);
  EXPECT_EQ(row, (std::vector<double>{1.5, 2, 2.5}));
  EXPECT_EQ(column, (std::vector<double>{1, 2.5}));
}

// Rows and columns go on where a period ends: those of a matrix of periods, and of some of its
// rows.
TEST(Decode, GivesWhatTheWholeMatrixHas) {
  for (const auto dtype : kDtypes)
    for (const MatrixShape shape :
         {MatrixShape{700, 5000}, {5, kPeriod}, {3, kPeriod + 1}, {1, 3}}) {
      SCOPED_TRACE(std::string{to_string(dtype)} + " " + std::to_string(shape.columns));
      const auto matrix = uniform_matrix(dtype, shape, 2);
      const HostMatrix whole{dtype, shape.rows, shape.columns, matrix.scale, matrix.data.whole()};
      std::vector<double> row(static_cast<std::size_t>(shape.columns)), expected(row.size());
      const auto part = rows_of_matrix(matrix, shape.rows / 2, shape.rows - shape.rows / 2);
      for (const auto r : {std::int64_t{0}, part.rows / 2, part.rows - 1}) {
        decode_row(part, r, row);
        decode_row(whole, shape.rows / 2 + r, expected);
        ASSERT_EQ(row, expected) << "row " << r;
      }
      std::vector<double> column(static_cast<std::size_t>(shape.rows));
      for (const auto c : {std::int64_t{0}, shape.columns / 3, shape.columns - 1}) {
        decode_column(matrix, c, column);
        for (std::int64_t r = 0; r < shape.rows; ++r)
          ASSERT_EQ(column[static_cast<std::size_t>(r)],
                    static_cast<double>(whole.scale) *
                        decode_element(dtype, whole.row(r) + c * size_of(dtype)));
      }
    }
}

}  // namespace
}  // namespace moecal
