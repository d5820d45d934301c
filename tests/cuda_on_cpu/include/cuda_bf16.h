// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/narrow_float.hpp"

using __nv_bfloat16 = moecal::BFloat16;

inline float __bfloat162float(__nv_bfloat16 value) { return moecal::to_float(value); }
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return moecal::from_float<moecal::BFloat16>(value);
}
