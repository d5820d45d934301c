// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "bench/clock.hpp"
#include "runtime/hold_words.hpp"

namespace moecal::bench {

/// How many launches a held batch may have before it is cut, if each enqueues so much at most
/// (Trial::enqueues); 0: batches are not held.
[[nodiscard]] constexpr std::int64_t launches_at_once(int enqueues) {
  return enqueues > 0 ? kMostHeld / enqueues : 0;
}

/// `launch` with 0 to `launches` - 1, cut where a held batch has to be.
template <class Launch>
void launch_batch(Clock& clock, std::int64_t launches, std::int64_t at_once, Launch&& launch) {
  for (std::int64_t i = 0; i < launches; ++i) {
    if (at_once > 0 && i > 0 && i % at_once == 0) clock.cut();
    launch(i);
  }
}

}  // namespace moecal::bench
