// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/every_rank.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "core/error.hpp"
#include "tests/thread_plane.hpp"

namespace moecal {
namespace {

using ::testing::Each;

/// What each of four ranks throws.
std::array<std::string, 4> thrown_by(const std::function<void(ControlPlane&)>& body) {
  std::array<std::string, 4> said;
  testing::agreeing_ranks(4, [&](ControlPlane& world) {
    try {
      body(world);
    } catch (const Unsupported&) {
      said[static_cast<std::size_t>(world.rank())] = "unsupported";
    } catch (const Error& error) {
      said[static_cast<std::size_t>(world.rank())] = error.what();
    }
  });
  return said;
}

TEST(EveryRank, ThrowsOnEveryRankWhatTheWorstRanksSaid) {
  const auto said = thrown_by([](ControlPlane& world) {
    on_every_rank(world, [&] {
      if (world.rank() == 0) throw Unsupported{"no such type"};
      if (world.rank() >= 2) throw Error{"rank " + std::to_string(world.rank()) + " broke"};
    });
  });
  EXPECT_THAT(said, Each("rank 2: rank 2 broke"));
}

// The ranks that wait for one that broke down fail too, and do not know why it did.
TEST(EveryRank, TellsWhatTheRankSaidForWhichOthersWaited) {
  const auto said = thrown_by([](ControlPlane& world) {
    on_every_rank(world, [&] {
      if (world.rank() == 3) throw Error{"no memory"};
      throw Error{"rank " + std::to_string(world.rank()) + " waited for rank 3"};
    });
  });
  EXPECT_THAT(said, Each("rank 0: rank 0 waited for rank 3; rank 3: no memory"));
}

TEST(EveryRank, NamesARankOnceAndNoneForWhatAllSay) {
  const auto nested = thrown_by([](ControlPlane& world) {
    on_every_rank(world, [&] {
      on_every_rank(world, [&] {
        if (world.rank() == 1) throw Error{"broke"};
      });
    });
  });
  EXPECT_THAT(nested, Each("rank 1: broke"));
  const auto alike = thrown_by(
      [](ControlPlane& world) { on_every_rank(world, [] { throw Error{"no device"}; }); });
  EXPECT_THAT(alike, Each("no device"));
}

TEST(EveryRank, CutsWhatIsTooLongToTell) {
  const auto said = thrown_by([](ControlPlane& world) {
    on_every_rank(world, [] { throw Error{std::string(10'000, 'x')}; });
  });
  EXPECT_THAT(said, Each(std::string(4'095, 'x')));
}

TEST(EveryRank, PassesWhenEveryRankDoes) {
  testing::agreeing_ranks(
      3, [](ControlPlane& world) { EXPECT_NO_THROW(on_every_rank(world, [] {})); });
}

TEST(EveryRank, KeepsTheKindOfAFailure) {
  const auto alone = make_single_rank_plane();
  EXPECT_THROW(on_every_rank(*alone, [] { throw Unsupported{"x"}; }), Unsupported);
  EXPECT_THROW(on_every_rank(*alone, [] { throw InvalidInput{"x"}; }), InvalidInput);
}

}  // namespace
}  // namespace moecal
