// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/narrow_float.hpp"
#include "tests/cuda_on_cpu/include/pairs.hpp"

using __half = moecal::Float16;

inline float __half2float(__half value) { return moecal::to_float(value); }
inline __half __float2half_rn(float value) { return moecal::from_float<moecal::Float16>(value); }

using __half2 = moecal::cuda_on_cpu::Pair<__half>;
inline __half2 __hmax2(__half2 a, __half2 b) { return moecal::cuda_on_cpu::higher(a, b); }
inline __half2 __hadd2(__half2 a, __half2 b) { return moecal::cuda_on_cpu::sum(a, b); }
