// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace moecal::interchange {

/// The samples of a side-car file (little-endian float32, seconds) that `document` names by a path
/// of its own: looked for from the document's folder on, then by its last folder and name, then by
/// its name. Nothing if it is not there. @throws InvalidInput if the path leaves the document's
/// folder, or the file does not hold `count` samples.
[[nodiscard]] std::optional<std::vector<double>> side_car_samples(const std::string& document,
                                                                  const std::string& path,
                                                                  std::size_t count);

}  // namespace moecal::interchange
