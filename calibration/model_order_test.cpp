// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/model_order.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "calibration/predict.hpp"
#include "calibration/testing/made_up_cards.hpp"

namespace moecal::calibration {
namespace {

using testing::ElementsAre;

using Change = std::function<void(Model&)>;

/// What stands before what, all else equal.
struct Key {
  const char* name;
  Change first, second;
};

Change of(void (*change)(Conditions&)) {
  return [change](Model& model) { change(model.conditions); };
}

/// In the order of model_order.cpp; a key's two are alike in all keys before it.
const std::vector<Key>& keys() {
  static const std::vector<Key> kKeys{
      {"measured on both sides of the point",
       [](Model& m) {
         m.validity = {{"tokens", {1, 8192}}};
       },
       [](Model& m) {
         m.validity = {{"tokens", {1, 64}}};
       }},
      {"of this card, not transferred", [](Model& m) { m.provenance = "imported"; },
       [](Model& m) { m.provenance = "transferred"; }},
      {"out of place", of([](Conditions& c) { c.implementation = "z"; }),
       of([](Conditions& c) { c.implementation = "z_in_place"; })},
      {"unset", of([](Conditions& c) {
         c.settings = {{"NCCL_ALGO", "unset"}};
       }),
       of([](Conditions& c) {
         c.settings = {{"NCCL_ALGO", "Ring"}};
       })},
      {"in the dtype asked for", of([](Conditions& c) { c.dtype = "bf16"; }),
       of([](Conditions& c) { c.dtype = "f16"; })},
      {"measured, not imported", [](Model& m) { m.provenance = "measured"; },
       [](Model& m) { m.provenance = "imported"; }},
      {"contiguous", of([](Conditions& c) { c.placement = "contiguous"; }),
       of([](Conditions& c) { c.placement = "strided"; })},
      {"alone", of([](Conditions& c) { c.concurrent_groups = 1; }),
       of([](Conditions& c) { c.concurrent_groups = 4; })},
      {"scales of a tensor, not of blocks", of([](Conditions& c) { c.scale_mode = "tensor"; }),
       of([](Conditions& c) { c.scale_mode = "block_1x128"; })},
      {"cold", of([](Conditions& c) { c.cache = "cold"; }),
       of([](Conditions& c) { c.cache = "warm"; })},
      {"without a graph", of([](Conditions& c) { c.graph = "none"; }),
       of([](Conditions& c) { c.graph = "cuda_graph"; })},
      {"a result as its operand", of([](Conditions& c) { c.output_dtype = ""; }),
       of([](Conditions& c) { c.output_dtype = "f32"; })},
      {"forward", of([](Conditions& c) { c.layout = ""; }),
       of([](Conditions& c) { c.layout = "NN"; })},
      {"no expert limited", of([](Conditions& c) { c.routing.capacity_factor = 0; }),
       of([](Conditions& c) { c.routing.capacity_factor = 1; })},
      {"uniform, whatever the names", of([](Conditions& c) { c.routing.distribution = "uniform"; }),
       of([](Conditions& c) { c.routing.distribution = "balanced"; })},
      {"the more even experts", of([](Conditions& c) { c.routing.exponent = 0.5; }),
       of([](Conditions& c) { c.routing.exponent = 1.5; })},
      {"loads by their numbers", of([](Conditions& c) {
         c.routing.loads = {1, 2};
       }),
       of([](Conditions& c) {
         c.routing.loads = {2, 1};
       })},
      {"the fewer nodes", of([](Conditions& c) { c.nodes = 1; }),
       of([](Conditions& c) { c.nodes = 2; })},
  };
  return kKeys;
}

Query exchange() {
  return {.operation = "moe_dispatch",
          .dtype = "bf16",
          .point = {{"tokens", 4096}, {"hidden", 2048}, {"experts", 128}, {"top_k", 8}},
          .group = 8};
}

Model model_of(const char* id) {
  Model model;
  model.id = id;
  model.operation = "moe_dispatch";
  model.conditions = {.dtype = "bf16", .group = 8, .implementation = "z"};
  return model;
}

TEST(ModelOrder, IsDecidedByTheFirstKeyThatDiffers) {
  for (const auto& key : keys()) {
    auto first = model_of("first"), second = model_of("second");
    key.first(first);
    key.second(second);
    EXPECT_THAT(best_of({&first, &second}, exchange()), ElementsAre(&first)) << key.name;
    EXPECT_THAT(best_of({&second, &first}, exchange()), ElementsAre(&first)) << key.name;
  }
}

TEST(ModelOrder, PutsEachKeyBeforeTheNext) {
  for (std::size_t i = 0; i + 1 < keys().size(); ++i) {
    const auto &key = keys()[i], &next = keys()[i + 1];
    auto first = model_of("first"), second = model_of("second");
    next.second(first);
    next.first(second);
    key.first(first);
    key.second(second);
    const auto text = std::string{key.name} + " before " + next.name;
    EXPECT_THAT(best_of({&first, &second}, exchange()), ElementsAre(&first)) << text;
    EXPECT_THAT(best_of({&second, &first}, exchange()), ElementsAre(&first)) << text;
  }
}

TEST(ModelOrder, KeepsAllThatAreEqual) {
  auto one = model_of("one"), other = model_of("other");
  other.conditions.implementation = "another";
  other.conditions.release = "2";
  EXPECT_THAT(best_of({&one, &other}, exchange()), ElementsAre(&one, &other));
  EXPECT_TRUE(best_of({}, exchange()).empty());
}

// A dtype that was not recorded is as near as the nearest of those that could answer, not of those
// that another key has already left behind.
TEST(ModelOrder, PutsAnUnrecordedDtypeBesideTheNearestThatIsLeft) {
  auto unrecorded = model_of("unrecorded"), other = model_of("other"), lent = model_of("lent");
  unrecorded.conditions.dtype = "";
  other.conditions.dtype = "f16";
  lent.provenance = "transferred";
  EXPECT_THAT(best_of({&lent, &unrecorded, &other}, exchange()), ElementsAre(&unrecorded, &other));
}

// What a query names is asked for, and a limit is always something.
TEST(ModelOrder, TakesForSetWhatIsAndWasNotAskedFor) {
  auto query = exchange();
  EXPECT_TRUE(is_set_unasked({{"NCCL_ALGO", "Ring"}, {"NCCL_PROTO", "unset"}}, query));
  EXPECT_FALSE(is_set_unasked({{"NCCL_ALGO", "unset"}, {"power_limit_w", "500"}}, query));
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_FALSE(is_set_unasked({{"NCCL_ALGO", "Ring"}}, query));
}

TEST(ModelOrder, TakesATransferLast) {
  Coefficients both;
  both.models = {synthetic::gemm(synthetic::kOne, 1, 1), synthetic::gemm(synthetic::kOne, 2, 2)};
  both.models[0].provenance = "transferred";
  both.models[1].id += "/imported";
  Query query;
  query.operation = "expert_gemm";
  query.point = {{"m", 64}, {"n", 512}, {"k", 512}};
  EXPECT_EQ(predict(both, query).prediction->provenance, "imported");
}

}  // namespace
}  // namespace moecal::calibration
