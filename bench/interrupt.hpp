// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace moecal::bench {

/// From now on the first SIGINT or SIGTERM only raises a flag, so that the point in hand can end
/// between two batches; a second one ends the process at once.
void catch_interrupts();
/// Whether one came.
[[nodiscard]] bool interrupted();

}  // namespace moecal::bench
