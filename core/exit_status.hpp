// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// How benchmark programs end, as `moecal measure` tells it apart from success and failure.
namespace moecal {

inline constexpr int kExitNothingMeasured = 3;  // every point was skipped
inline constexpr int kExitDeviceLost = 4;       // inside a point, which is recorded

}  // namespace moecal
