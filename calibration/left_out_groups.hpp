// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

#include "calibration/conformal.hpp"
#include "calibration/group_curves.hpp"

namespace moecal::calibration {

/// Errors, in ln(seconds), of predicting groups as if they had not been measured: of groups past
/// those measured, and between them.
struct GroupErrors {
  std::vector<HeldOut> past, between;
};

/// Leaves out each group here, while two stay.
void leave_out_own(const GroupCurves& here, const std::vector<GroupCurves>& donors,
                   GroupErrors& errors);
/// Leaves out at each donor what was not measured here, and predicts it from what was. Returns how
/// many donors lent an error.
std::size_t leave_out_at_donors(const GroupCurves& here, const std::vector<GroupCurves>& donors,
                                GroupErrors& errors);

}  // namespace moecal::calibration
