// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/narrow_float.hpp"
#include "tests/cuda_on_cpu/include/vector_types.h"

enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 };
using __nv_fp8x2_storage_t = std::uint16_t;

/// Of __NV_SATFINITE only. The first number is in the low half.
inline __nv_fp8x2_storage_t __nv_cvt_float2_to_fp8x2(float2 values, __nv_saturation_t,
                                                     __nv_fp8_interpretation_t format) {
  const auto bits = [format](float value) -> unsigned {
    if (format == __NV_E4M3) return moecal::from_float<moecal::Fp8E4M3>(value).bits;
    return moecal::from_float<moecal::Fp8E5M2>(value).bits;
  };
  return static_cast<__nv_fp8x2_storage_t>(bits(values.x) | bits(values.y) << 8);
}
