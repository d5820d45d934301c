// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/written_sets.hpp"

#include <cstring>
#include <vector>

namespace moecal::bench {
namespace {

TEST(WrittenSets, AreToldApartInEveryOperationThatIsMeasuredCold) { check_every_operation("cpu"); }

// row_of follows from whatever expert_of holds: a launch that chose no expert would write it too.
TEST(WrittenSets, OfTheGateHoldExperts) {
  const auto gate = make_topk_gate();
  auto c = gate->sweep(Suite::planner, "cpu", 1).front();
  c.point["tokens"] = kFewTokens;
  const auto trial = trial_of(*gate, {"oracle_loop", "cpu"}, c);
  trial->prepare(1);
  trial->launch(0, nullptr);
  const auto bytes = trial->written(0);
  std::vector<std::int32_t> experts(bytes.size() / sizeof(std::int32_t));
  ASSERT_EQ(experts.size(), static_cast<std::size_t>(kFewTokens * c.point.at("top_k")));
  std::memcpy(experts.data(), bytes.data(), bytes.size());
  EXPECT_LT(std::ranges::max(experts), c.point.at("experts"));
  EXPECT_GE(std::ranges::min(experts), 0);
}

}  // namespace
}  // namespace moecal::bench
