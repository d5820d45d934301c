// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/layer_summary.hpp"

#include <gtest/gtest.h>

namespace moecal::cli {
namespace {

Observation layer(const std::string& cache, double seconds) {
  Observation o;
  o.operation = "moe_layer";
  o.outcome = Outcome::measured;
  o.policy.cache = cache;
  o.samples_s = {seconds};
  o.parts_s = {{"gate", {1e-6}}, {"gemm_1", {11e-6}}};
  o.parts_cache = {{"gate", "warm"}, {"gemm_1", "cold"}};
  return o;
}

TEST(LayerSummary, HasAFigureOfColdLayersWhosePartsWereWarmer) {
  LayerSummary summary;
  summary.add(layer("cold", 10e-6));
  EXPECT_EQ(summary.text(),
            "moe_layer: its parts, added, over the whole: 1.20 (1.20 to 1.20) at 1 point; at 1 of "
            "them at least that, for a part was warmer than the whole\n");
  summary.add(layer("warm", 12e-6));
  summary.add(layer("warm", 8e-6));
  EXPECT_EQ(summary.text(),
            "moe_layer: its parts, added, over the whole: 1.20 (1.00 to 1.50) at 3 points; at 1 of "
            "them at least that, for a part was warmer than the whole\n");
}

TEST(LayerSummary, SaysNothingWithoutParts) {
  LayerSummary summary;
  auto gate = layer("warm", 1e-6);
  gate.operation = "topk_gate";
  summary.add(gate);
  auto failed = layer("warm", 1e-6);
  failed.outcome = Outcome::failed;
  summary.add(failed);
  auto whole = layer("warm", 1e-6);
  whole.parts_s.clear();
  summary.add(whole);
  EXPECT_EQ(summary.text(), "");
}

}  // namespace
}  // namespace moecal::cli
