// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "runtime/control_plane.hpp"

namespace moecal::testing {

/// All ranks of the mpirun that started this test.
[[nodiscard]] ControlPlane& world();

}  // namespace moecal::testing
