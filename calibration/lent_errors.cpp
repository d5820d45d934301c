// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/lent_errors.hpp"

#include <cmath>

namespace moecal::calibration {

double for_another_machine(std::size_t lenders) {
  return lenders == 0 ? 1 : std::sqrt(1 + 1 / static_cast<double>(lenders));
}

std::vector<ResidualQuantile> wider(std::vector<ResidualQuantile> all,
                                    std::vector<ResidualQuantile> own, double times) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    own[i].half_width_90 *= times;
    if (own[i].count >= kOwnErrors && own[i].half_width_90 > all[i].half_width_90) all[i] = own[i];
  }
  return all;
}

}  // namespace moecal::calibration
