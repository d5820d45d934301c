// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdio>

namespace moecal {

/// Says on stderr that a rank still waits for others, and since when.
inline void report_waiting(int rank, int size, std::chrono::steady_clock::time_point since) {
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - since;
  std::fprintf(stderr, "moecal: rank %d of %d has waited %.0f s for other ranks to finish\n", rank,
               size, waited.count());
}

}  // namespace moecal
