// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "bench/benchmark.hpp"

/// How long a Hopper card's host is busy with a point while no sample is taken: operands, routing
/// tables, verification. A count of what is done, at rates that are stated; not a measurement.
namespace moecal::tests {

/// What is done for one point, over all its buffer sets.
struct HostWork {
  double uploaded = 0;   // bytes that cross the bus to the device
  double expanded = 0;   // bytes that the device copies on
  double read_back = 0;  // bytes that cross it to the host
  double touched = 0;    // bytes of new host memory that one core writes
  double shared = 0;     // multiply-adds of a verification that all cores share
  double alone = 0;      // steps of one core: an element rounded, a choice placed
  double calls = 0;      // of the runtime that wait: a buffer made or freed, a copy
  double pinned = 0;     // bytes of page-locked memory made
  HostWork& operator+=(const HostWork& other);
};

/// Of the operands and their verification, on so many buffer sets.
[[nodiscard]] HostWork host_work(const std::string& operation, const bench::Case& c, int sets);
/// Of a new routing draw of one set; nothing where nothing is routed.
[[nodiscard]] HostWork redraw_work(const std::string& operation, const bench::Case& c);
/// Of a mark on each buffer set's result before the samples, and a look at it after them.
[[nodiscard]] HostWork marking_work(int sets);
[[nodiscard]] double host_seconds(const HostWork& work);

}  // namespace moecal::tests
