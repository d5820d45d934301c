// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/series.hpp"

namespace moecal::calibration {

/// Series that differ in nothing but the release are compared point by point. Releases stay models
/// of their own: nothing is averaged over them. In the order of operation, machine, implementation
/// and release; operation "all" pools those of one machine. A series that names no release is older
/// or newer than none: see without_release().
[[nodiscard]] std::vector<ReleaseDrift> release_drift(std::span<const Series> series);

/// Ids of series that name no release beside one alike that does: nothing compares them.
[[nodiscard]] std::vector<std::string> without_release(std::span<const Series> series);

}  // namespace moecal::calibration
