// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/narrow_float.hpp"
#include "tests/cuda_on_cpu/include/pairs.hpp"

using __nv_bfloat16 = moecal::BFloat16;

inline float __bfloat162float(__nv_bfloat16 value) { return moecal::to_float(value); }
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return moecal::from_float<moecal::BFloat16>(value);
}

using __nv_bfloat162 = moecal::cuda_on_cpu::Pair<__nv_bfloat16>;
inline __nv_bfloat162 __hmax2(__nv_bfloat162 a, __nv_bfloat162 b) {
  return moecal::cuda_on_cpu::higher(a, b);
}
inline __nv_bfloat162 __hadd2(__nv_bfloat162 a, __nv_bfloat162 b) {
  return moecal::cuda_on_cpu::sum(a, b);
}
