// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/agreement.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "bench/testing/fake_ranks.hpp"
#include "core/error.hpp"

namespace moecal::bench {
namespace {

TEST(Agreement, ThrowsOnEveryRankWhatTheLowestFailingRankSaid) {
  std::array<std::string, 4> said;
  FakeRanks{4}.run([&](ControlPlane& world) {
    try {
      on_every_rank(world, [&] {
        if (world.rank() == 0) throw Unsupported{"no such type"};
        if (world.rank() >= 2) throw Error{"rank " + std::to_string(world.rank()) + " broke"};
      });
    } catch (const Unsupported&) {
      said[static_cast<std::size_t>(world.rank())] = "unsupported";
    } catch (const Error& error) {
      said[static_cast<std::size_t>(world.rank())] = error.what();
    }
  });
  for (const auto& text : said) EXPECT_EQ(text, "rank 2: rank 2 broke");
}

TEST(Agreement, PassesWhenEveryRankDoes) {
  FakeRanks{3}.run([](ControlPlane& world) { EXPECT_NO_THROW(on_every_rank(world, [] {})); });
}

TEST(Agreement, KeepsTheKindOfAFailure) {
  const auto alone = make_single_rank_plane();
  EXPECT_THROW(on_every_rank(*alone, [] { throw Unsupported{"x"}; }), Unsupported);
  EXPECT_THROW(on_every_rank(*alone, [] { throw InvalidInput{"x"}; }), InvalidInput);
}

}  // namespace
}  // namespace moecal::bench
