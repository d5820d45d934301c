// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bit>
#include <cstdint>
#include <string>

#include "core/dtype.hpp"
#include "core/error.hpp"

/// The 16-bit floating-point types on the host, as bits with conversions: the same on every
/// compiler. Laid out as CUDA's __nv_bfloat16 and __half.
namespace moecal {

struct BFloat16 {
  std::uint16_t bits;
};

struct Float16 {
  std::uint16_t bits;
};

[[nodiscard]] constexpr float to_float(float value) { return value; }

[[nodiscard]] constexpr float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

[[nodiscard]] constexpr float to_float(Float16 value) {
  const std::uint32_t sign = (value.bits & 0x8000U) << 16;
  const std::uint32_t exponent = value.bits >> 10 & 0x1fU;
  const std::uint32_t fraction = value.bits & 0x3ffU;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign == 0 ? magnitude : -magnitude;
  }
  const std::uint32_t rebiased = exponent == 0x1f ? 0xffU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | rebiased << 23 | fraction << 13);
}

/// Rounds to the nearest value of T, ties to even; what is too large becomes infinite, NaN stays
/// NaN.
template <class T>
[[nodiscard]] constexpr T from_float(float value);

template <>
[[nodiscard]] constexpr float from_float<float>(float value) {
  return value;
}

template <>
[[nodiscard]] constexpr BFloat16 from_float<BFloat16>(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {0x7fff};
  const std::uint32_t half_minus_tie = 0x7fffU + (bits >> 16 & 1U);
  return {static_cast<std::uint16_t>((bits + half_minus_tie) >> 16)};
}

template <>
[[nodiscard]] constexpr Float16 from_float<Float16>(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  std::uint32_t result = 0;
  if (magnitude > 0x7f800000U) {
    return {0x7fff};
  } else if (magnitude >= std::bit_cast<std::uint32_t>(65536.0F)) {
    result = 0x7c00;
  } else if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14F)) {
    // Subnormal: a float near 0.5 has the spacing 2^-24, so the addition does the rounding.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
    result = std::bit_cast<std::uint32_t>(rounded) - std::bit_cast<std::uint32_t>(0.5F);
  } else {
    const std::uint32_t half_minus_tie = 0xfffU + (magnitude >> 13 & 1U);
    result = (magnitude - (std::uint32_t{127 - 15} << 23) + half_minus_tie) >> 13;
  }
  return {static_cast<std::uint16_t>(sign | result)};
}

/// Calls function(T{}) with the host type of a floating-point dtype. @throws InvalidInput for the
/// others.
template <class Function>
auto with_float_type(Dtype dtype, Function&& function) {
  switch (dtype) {
    case Dtype::f32:
      return function(float{});
    case Dtype::f16:
      return function(Float16{});
    case Dtype::bf16:
      return function(BFloat16{});
    default:
      throw InvalidInput{"arithmetic needs f32, f16 or bf16, not " + std::string{to_string(dtype)}};
  }
}

}  // namespace moecal
