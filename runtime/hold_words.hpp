// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/units.hpp"
#include "runtime/stream.hpp"

namespace moecal {

/// What the host and a kernel that holds a stream tell one another, in page-locked memory: numbers
/// of holds, which only grow.
struct HoldWords {
  std::uint32_t released = 0;  // the host's: holds up to this one may end
  std::uint32_t lapsed = 0;    // the kernel's: the last hold that ended by itself
};

/// Kernels, copies and events that may wait behind a hold: well under the thousand that a device's
/// queue takes, beyond which the host waits for the device.
inline constexpr int kMostHeld = 400;

/// What a launch of a graph of so many nodes counts of them. It is one submission, whose commands
/// lie ready on the device: what it takes of the queue does not grow with its nodes, but is the
/// driver's secret. So graphs count their nodes, and one that is larger than may be held is held
/// alone; should a driver not take it, the hold lapses.
[[nodiscard]] constexpr int enqueued_by_graph(int nodes) {
  return nodes < kMostHeld ? nodes : kMostHeld;
}

/// Enqueues one thread that waits until words->released is `number` or more; after `longest` it
/// ends by itself and says so in words->lapsed. stream_hold_cuda.cu, or a test's double.
void enqueue_hold(HoldWords* words, std::uint32_t number, Seconds longest, Stream stream);

}  // namespace moecal
