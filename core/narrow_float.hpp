// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bit>
#include <cstdint>
#include <string>

#include "core/dtype.hpp"
#include "core/error.hpp"

/// The 16-bit and FP8 floating-point types on the host, as bits with conversions: the same on every
/// compiler. Laid out as CUDA's __nv_bfloat16, __half, __nv_fp8_e4m3 and __nv_fp8_e5m2.
namespace moecal {

struct BFloat16 {
  std::uint16_t bits;
};

struct Float16 {
  std::uint16_t bits;
};

struct Fp8E4M3 {
  std::uint8_t bits;
};

struct Fp8E5M2 {
  std::uint8_t bits;
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

/// Rounds to the nearest value of T, ties to even; what is too large becomes infinite (FP8: the
/// largest value), NaN stays NaN.
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

namespace detail {

/// `aligner`: a number whose last bit in f32 is worth the format's smallest subnormal, so that
/// adding it rounds a subnormal.
struct Fp8Format {
  int mantissa_bits;
  int bias;
  float largest;
  float smallest_normal;
  float aligner;
};
inline constexpr Fp8Format kE4M3{3, 7, 448.0F, 0x1p-6F, 0x1p14F};
inline constexpr Fp8Format kE5M2{2, 15, 57344.0F, 0x1p-14F, 0x1p7F};

[[nodiscard]] constexpr std::uint8_t fp8_bits(const Fp8Format& format, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 24 & 0x80U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return 0x7f;
  const float number = std::bit_cast<float>(magnitude);
  if (number < format.smallest_normal) {
    const auto sum = std::bit_cast<std::uint32_t>(number + format.aligner);
    return static_cast<std::uint8_t>(sign | (sum - std::bit_cast<std::uint32_t>(format.aligner)));
  }
  const auto clamped =
      std::bit_cast<std::uint32_t>(number > format.largest ? format.largest : number);
  const int dropped = 23 - format.mantissa_bits;
  const std::uint32_t half_minus_tie = (1U << (dropped - 1)) - 1 + (clamped >> dropped & 1U);
  const auto rebias = static_cast<std::uint32_t>(127 - format.bias) << 23;
  return static_cast<std::uint8_t>(sign | (clamped - rebias + half_minus_tie) >> dropped);
}

}  // namespace detail

template <>
[[nodiscard]] constexpr Fp8E4M3 from_float<Fp8E4M3>(float value) {
  return {detail::fp8_bits(detail::kE4M3, value)};
}

template <>
[[nodiscard]] constexpr Fp8E5M2 from_float<Fp8E5M2>(float value) {
  return {detail::fp8_bits(detail::kE5M2, value)};
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
