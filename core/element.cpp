// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/element.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/narrow_float.hpp"

namespace moecal {
namespace {

// A binary floating-point format with a sign bit above the exponent and the mantissa.
struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;  // stored ones
  double largest;
  bool has_infinity;  // e4m3 has none: its top exponent holds numbers and one NaN
};

constexpr FloatFormat kF16{5, 10, 65504.0, true};
constexpr FloatFormat kBf16{8, 7, 0x1.FEp127, true};
constexpr FloatFormat kFp8E4m3{4, 3, 448.0, false};
constexpr FloatFormat kFp8E5m2{5, 2, 57344.0, true};

constexpr int bias(const FloatFormat& f) { return (1 << (f.exponent_bits - 1)) - 1; }
constexpr int total_bits(const FloatFormat& f) { return 1 + f.exponent_bits + f.mantissa_bits; }

double decode_float(const FloatFormat& format, std::uint32_t code) {
  const std::uint32_t sign = code >> (total_bits(format) - 1);
  const auto exponent =
      static_cast<int>((code >> format.mantissa_bits) & ((1U << format.exponent_bits) - 1));
  const auto mantissa = static_cast<int>(code & ((1U << format.mantissa_bits) - 1));
  const int top = (1 << format.exponent_bits) - 1;
  const int all_ones = (1 << format.mantissa_bits) - 1;
  double magnitude = 0;
  if (exponent == top && (format.has_infinity || mantissa == all_ones))
    magnitude = format.has_infinity && mantissa == 0 ? std::numeric_limits<double>::infinity()
                                                     : std::numeric_limits<double>::quiet_NaN();
  else if (exponent == 0)
    magnitude = std::ldexp(mantissa, 1 - bias(format) - format.mantissa_bits);
  else
    magnitude = std::ldexp((1 << format.mantissa_bits) + mantissa,
                           exponent - bias(format) - format.mantissa_bits);
  return sign != 0 ? -magnitude : magnitude;
}

std::uint32_t encode_magnitude(const FloatFormat& format, double magnitude) {
  const std::uint32_t infinity = ((1U << format.exponent_bits) - 1) << format.mantissa_bits;
  if (std::isnan(magnitude))
    return format.has_infinity ? infinity | 1U : infinity | ((1U << format.mantissa_bits) - 1);
  const int smallest_exponent = 1 - bias(format);
  const int exponent =
      magnitude == 0
          ? smallest_exponent
          : std::max(smallest_exponent, std::isinf(magnitude) ? 1024 : std::ilogb(magnitude));
  // The mantissa with its leading bit, as a count of the exponent's quanta; a carry out of it moves
  // into the exponent by itself, and below the smallest exponent the leading bit is absent.
  const double quanta = std::nearbyint(std::ldexp(magnitude, format.mantissa_bits - exponent));
  const double rounded = std::ldexp(quanta, exponent - format.mantissa_bits);
  if (!(rounded <= format.largest))
    return format.has_infinity && total_bits(format) == 16
               ? infinity
               : encode_magnitude(format, format.largest);
  return static_cast<std::uint32_t>((exponent - smallest_exponent) << format.mantissa_bits) +
         static_cast<std::uint32_t>(quanta);
}

std::uint32_t encode_float(const FloatFormat& format, double value) {
  const std::uint32_t sign = std::signbit(value) ? 1U << (total_bits(format) - 1) : 0U;
  return sign | encode_magnitude(format, std::fabs(value));
}

const FloatFormat& narrow_format(Dtype dtype) {
  switch (dtype) {
    case Dtype::f16:
      return kF16;
    case Dtype::bf16:
      return kBf16;
    case Dtype::fp8_e4m3:
      return kFp8E4m3;
    default:
      return kFp8E5m2;
  }
}

template <class T>
T loaded(const std::byte* bits) {
  T value;
  std::memcpy(&value, bits, sizeof value);
  return value;
}

template <class T>
void store_as(T value, std::byte* bits) {
  std::memcpy(bits, &value, sizeof value);
}

template <class Integer>
void store_saturated(double value, std::byte* bits) {
  using Limits = std::numeric_limits<Integer>;
  const double in_range =
      std::clamp(std::nearbyint(std::isnan(value) ? 0.0 : value),
                 static_cast<double>(Limits::min()), static_cast<double>(Limits::max()));
  store_as(static_cast<Integer>(in_range), bits);
}

// Decoding by table: a matrix has many more elements than there are codes.
std::vector<double> make_table(Dtype dtype) {
  const auto& format = narrow_format(dtype);
  std::vector<double> table(std::size_t{1} << total_bits(format));
  for (std::size_t code = 0; code < table.size(); ++code)
    table[code] = decode_float(format, static_cast<std::uint32_t>(code));
  return table;
}

const std::vector<double>& table_of(Dtype dtype) {
  static const std::array<std::vector<double>, 4> kTables{
      make_table(Dtype::f16), make_table(Dtype::bf16), make_table(Dtype::fp8_e4m3),
      make_table(Dtype::fp8_e5m2)};
  return kTables[static_cast<std::size_t>(dtype) - static_cast<std::size_t>(Dtype::f16)];
}
static_assert(static_cast<int>(Dtype::fp8_e5m2) - static_cast<int>(Dtype::f16) == 3);

// What an element is decoded by is chosen once, not for every one of millions.
template <class Decode>
void decode_each(const StoredElements& elements, std::span<double> values, const Decode& decode) {
  const auto scale = static_cast<double>(elements.scale);
  const std::byte* bits = elements.first;
  for (double& value : values) {
    value = scale * decode(bits);
    bits += elements.step;
  }
}

template <class T>
void decode_floats(const StoredElements& elements, std::span<double> values) {
  decode_each(elements, values,
              [](const std::byte* bits) { return static_cast<double>(to_float(loaded<T>(bits))); });
}

}  // namespace

double decode_element(Dtype dtype, const std::byte* bits) {
  switch (dtype) {
    case Dtype::f32:
      return static_cast<double>(loaded<float>(bits));
    case Dtype::int8:
      return loaded<std::int8_t>(bits);
    case Dtype::int32:
      return loaded<std::int32_t>(bits);
    case Dtype::uint8:
      return loaded<std::uint8_t>(bits);
    case Dtype::fp8_e4m3:
    case Dtype::fp8_e5m2:
      return table_of(dtype)[std::to_integer<std::size_t>(*bits)];
    case Dtype::f16:
    case Dtype::bf16:
      break;
  }
  std::uint16_t code = 0;
  std::memcpy(&code, bits, sizeof code);
  return table_of(dtype)[code];
}

void decode_elements(const StoredElements& elements, std::span<double> values) {
  switch (const Dtype dtype = elements.dtype; dtype) {
    case Dtype::f32:
      return decode_floats<float>(elements, values);
    case Dtype::f16:
      return decode_floats<Float16>(elements, values);
    case Dtype::bf16:
      return decode_floats<BFloat16>(elements, values);
    case Dtype::fp8_e4m3:
    case Dtype::fp8_e5m2:
      return decode_each(elements, values, [&table = table_of(dtype)](const std::byte* bits) {
        return table[std::to_integer<std::size_t>(*bits)];
      });
    case Dtype::int8:
    case Dtype::int32:
    case Dtype::uint8:
      return decode_each(elements, values,
                         [dtype](const std::byte* bits) { return decode_element(dtype, bits); });
  }
}

void encode_element(Dtype dtype, double value, std::byte* bits) {
  switch (dtype) {
    case Dtype::f32:
      return store_as(static_cast<float>(value), bits);
    case Dtype::int8:
      return store_saturated<std::int8_t>(value, bits);
    case Dtype::int32:
      return store_saturated<std::int32_t>(value, bits);
    case Dtype::uint8:
      return store_saturated<std::uint8_t>(value, bits);
    case Dtype::fp8_e4m3:
    case Dtype::fp8_e5m2:
      return store_as(static_cast<std::uint8_t>(encode_float(narrow_format(dtype), value)), bits);
    case Dtype::f16:
    case Dtype::bf16:
      return store_as(static_cast<std::uint16_t>(encode_float(narrow_format(dtype), value)), bits);
  }
}

double unit_roundoff(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return 0x1p-24;
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::fp8_e4m3:
    case Dtype::fp8_e5m2:
      return std::ldexp(0.5, -narrow_format(dtype).mantissa_bits);
    case Dtype::int8:
    case Dtype::int32:
    case Dtype::uint8:
      break;
  }
  return 0;
}

double largest_value(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return std::numeric_limits<float>::max();
    case Dtype::int8:
      return std::numeric_limits<std::int8_t>::max();
    case Dtype::int32:
      return std::numeric_limits<std::int32_t>::max();
    case Dtype::uint8:
      return std::numeric_limits<std::uint8_t>::max();
    default:
      return narrow_format(dtype).largest;
  }
}

}  // namespace moecal
