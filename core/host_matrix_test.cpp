// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/host_matrix.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/element.hpp"

namespace moecal {
namespace {

std::uint32_t code_of(Dtype dtype, double value) {
  std::array<std::byte, 4> bits{};
  encode_element(dtype, value, bits.data());
  std::uint32_t code = 0;
  for (int i = 3; i >= 0; --i) code = code << 8 | std::to_integer<std::uint32_t>(bits[i]);
  return code;
}

double round_trip(Dtype dtype, double value) {
  std::array<std::byte, 4> bits{};
  encode_element(dtype, value, bits.data());
  return decode_element(dtype, bits.data());
}

TEST(Element, HasTheBitsOfItsFormat) {
  EXPECT_EQ(code_of(Dtype::f32, 1.0), 0x3F800000u);
  EXPECT_EQ(code_of(Dtype::f16, -2.0), 0xC000u);
  EXPECT_EQ(code_of(Dtype::f16, 0x1p-24), 0x0001u);
  EXPECT_EQ(code_of(Dtype::bf16, 1.0), 0x3F80u);
  EXPECT_EQ(code_of(Dtype::fp8_e4m3, 448.0), 0x7Eu);
  EXPECT_EQ(code_of(Dtype::fp8_e4m3, 1.0), 0x38u);
  EXPECT_EQ(code_of(Dtype::fp8_e4m3, 0x1p-9), 0x01u);
  EXPECT_EQ(code_of(Dtype::fp8_e5m2, 1.0), 0x3Cu);
  EXPECT_EQ(code_of(Dtype::int8, -1.0), 0xFFu);
}

TEST(Element, RoundsToNearestEven) {
  EXPECT_DOUBLE_EQ(round_trip(Dtype::bf16, 1.0 + 0x1p-8), 1.0);
  EXPECT_DOUBLE_EQ(round_trip(Dtype::bf16, 1.0 + 0x3p-8), 1.0 + 0x4p-8);
  EXPECT_DOUBLE_EQ(round_trip(Dtype::fp8_e4m3, 0x1.Fp0), 2.0) << "a carry reaches the exponent";
  EXPECT_DOUBLE_EQ(round_trip(Dtype::int8, 2.5), 2.0);
}

TEST(Element, BeyondTheRangeSaturatesOrIsInfinite) {
  EXPECT_DOUBLE_EQ(round_trip(Dtype::fp8_e4m3, 1e9), 448.0);
  EXPECT_DOUBLE_EQ(round_trip(Dtype::fp8_e5m2, -1e9), -57344.0);
  EXPECT_TRUE(std::isinf(round_trip(Dtype::f16, 65520.0)));
  EXPECT_DOUBLE_EQ(round_trip(Dtype::f16, 65519.0), 65504.0);
  EXPECT_TRUE(std::isinf(round_trip(Dtype::bf16, std::numeric_limits<double>::infinity())));
  EXPECT_DOUBLE_EQ(round_trip(Dtype::int8, 1000.0), 127.0);
  for (const auto dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3, Dtype::fp8_e5m2})
    EXPECT_TRUE(std::isnan(round_trip(dtype, std::nan("")))) << to_string(dtype);
}

TEST(Element, EveryFiniteCodeSurvives) {
  for (const auto dtype : {Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3, Dtype::fp8_e5m2}) {
    const std::uint32_t codes = 1U << (8 * size_of(dtype));
    for (std::uint32_t code = 0; code < codes; ++code) {
      const std::array<std::byte, 2> bits{static_cast<std::byte>(code),
                                          static_cast<std::byte>(code >> 8)};
      const double value = decode_element(dtype, bits.data());
      if (std::isfinite(value)) {
        ASSERT_EQ(code_of(dtype, value), code) << to_string(dtype) << " " << value;
      }
    }
  }
}

TEST(Elements, AreDecodedOneByOneOrTogether) {
  for (const auto dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3, Dtype::fp8_e5m2,
                           Dtype::int8, Dtype::int32, Dtype::uint8}) {
    const auto size = static_cast<std::size_t>(size_of(dtype));
    std::vector<std::byte> bits(100 * size);
    for (std::size_t i = 0; i < 100; ++i)
      encode_element(dtype, 3.0 * static_cast<double>(i) - 150, bits.data() + i * size);
    std::vector<double> values(50);
    decode_elements({dtype, bits.data(), 2 * size, 0.5F}, values);
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(values[i], 0.5 * decode_element(dtype, bits.data() + 2 * i * size));
  }
}

TEST(HostMatrix, HasRows) {
  auto matrix = zero_matrix(Dtype::f16, {3, 2});
  for (int i = 0; i < 6; ++i) encode_element(Dtype::f16, i, matrix.data.data() + i * 2);
  matrix.scale = 0.5F;
  std::vector<double> row(2);
  decode_row(matrix, 1, row);
  EXPECT_EQ(row, (std::vector<double>{1, 1.5}));
  decode_row(chosen_rows(matrix, std::vector<std::int64_t>{2, 0}), 0, row);
  EXPECT_EQ(row, (std::vector<double>{2, 2.5}));
  const auto part = rows_of_matrix(matrix, 1, 2);
  EXPECT_EQ(part.rows, 2);
  decode_row(part, 1, row);
  EXPECT_EQ(row, (std::vector<double>{2, 2.5}));
}

}  // namespace
}  // namespace moecal
