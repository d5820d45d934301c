// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include "core/dtype.hpp"
#include "tests/local_ranks.hpp"

/// What the tests of every collective with a pattern ask of its oracle.
namespace moecal::testing {

/// A collective's functions, as its header declares them.
struct Exchange {
  collectives::CollectiveBuffers (*buffers)(const collectives::CollectiveShape&);
  void (*fill)(const collectives::CollectiveShape&, int rank, std::span<std::byte> send);
  void (*local)(const collectives::CollectiveShape&,
                std::span<const collectives::CollectiveTensors> ranks);
  double (*error)(const collectives::CollectiveShape&, int rank,
                  std::span<const std::byte> receive);
};

/// All ranks of a group, filled and exchanged by the oracle.
[[nodiscard]] inline LocalRanks exchanged(const Exchange& exchange,
                                          const collectives::CollectiveShape& shape) {
  LocalRanks ranks{shape.group, exchange.buffers(shape)};
  for (int rank = 0; rank < shape.group; ++rank) exchange.fill(shape, rank, ranks.send[rank]);
  exchange.local(shape, ranks.tensors());
  return ranks;
}

/// The pattern is exactly what the oracle makes of it, in groups of 1 to `largest` ranks and at
/// sizes around those of words, lines and pages.
inline void expect_pattern_of_oracle(const Exchange& exchange, Dtype dtype, int largest = 64) {
  for (const int group : {1, 2, 3, 4, largest})
    for (const std::int64_t elements : {0, 1, 31, 33, 512, group > 4 ? 1 : 70'001}) {
      const collectives::CollectiveShape shape{elements * size_of(dtype) * group, dtype, group};
      const auto ranks = exchanged(exchange, shape);
      for (int rank = 0; rank < group; ++rank)
        EXPECT_EQ(exchange.error(shape, rank, ranks.receive[rank]), 0)
            << to_string(dtype) << " " << elements << " x " << group;
    }
}

}  // namespace moecal::testing
