// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdio>
#include <string>

namespace moecal {

/// Says on stderr that a rank still waits for others, and since when.
inline void report_waiting(int rank, int size, std::chrono::steady_clock::time_point since) {
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - since;
  std::fprintf(stderr, "moecal: rank %d of %d has waited %.0f s for other ranks to finish\n", rank,
               size, waited.count());
}

/// Says on stderr why a rank ends the launch.
inline void report_giving_up(int rank, int size, const std::string& reason) {
  std::fprintf(stderr, "moecal: rank %d of %d %s; all ranks end\n", rank, size, reason.c_str());
}

}  // namespace moecal
