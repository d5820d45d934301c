// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/narrow_float.hpp"

using __half = moecal::Float16;

inline float __half2float(__half value) { return moecal::to_float(value); }
inline __half __float2half_rn(float value) { return moecal::from_float<moecal::Float16>(value); }
