// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/temporary_folder.hpp"
#include "tests/verb_process.hpp"

/// A table of MoE layers as a user takes it from import over fit to predict. The times are of a
/// law, so what predict should say is known.
namespace moecal {
namespace {

using testing::HasSubstr;

/// A layer of experts, of which a rank holds experts / ranks.
struct Layer {
  std::int64_t hidden, inter, top_k, experts, ranks;
};

constexpr Layer kSmall{2048, 768, 8, 128, 8}, kLarge{4096, 1536, 8, 128, 16},
    kFew{4096, 14336, 2, 8, 8}, kAll{2048, 1408, 6, 64, 1};
constexpr Layer kUnseen{4096, 2048, 8, 128, 8};

/// Seconds of the busiest rank where every expert is given the same: a launch, and the slower of
/// arithmetic at 600 TFLOPS and weights at 4 TB/s.
double seconds(const Layer& layer, double tokens) {
  const double rows = tokens * static_cast<double>(layer.top_k) / static_cast<double>(layer.ranks);
  const double held = static_cast<double>(layer.experts) / static_cast<double>(layer.ranks);
  const double weights = 3 * static_cast<double>(layer.hidden * layer.inter);
  const double arithmetic = 2 * rows * weights / 600e12;
  const double memory = 2 * std::min(held, std::max(1.0, rows)) * weights / 4e12;
  return 20e-6 + std::hypot(arithmetic, memory);
}

class MoeLayers : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream table{folder_.path("moe.csv")};
    table << "framework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,"
             "inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";
    for (const auto& layer : {kSmall, kLarge, kFew, kAll})
      for (int tokens = 1; tokens <= 16384; tokens *= 2)
        table << row("moe_flow", "bfloat16", layer, tokens);
    table << row("moe_flow_nongated", "bfloat16", kSmall, 64)
          << row("moe_flow", "w4a16_mxfp4", kSmall, 64);
  }

  [[nodiscard]] VerbOutcome run(const std::string& arguments) const {
    return run_moecal(arguments, folder_.path());
  }

  [[nodiscard]] nlohmann::json predict(const Layer& layer, int tokens) const {
    const auto number = [](const char* name, std::int64_t value) {
      return " " + std::string{name} + "=" + std::to_string(value);
    };
    const auto answer = run(
        "predict m.json --operation moe_layer --json --routing balanced --point" +
        number("tokens", tokens) + number("hidden", layer.hidden) + number("inter", layer.inter) +
        number("top_k", layer.top_k) + number("experts", layer.experts) +
        number("tensor_parallel", 1) + number("expert_parallel", layer.ranks));
    EXPECT_EQ(answer.status, 0) << answer.text;
    return nlohmann::json::parse(answer.text, nullptr, false);
  }

 private:
  static std::string row(const std::string& kernel, const std::string& dtype, const Layer& layer,
                         int tokens) {
    std::string text = "made-up,1.0,NVIDIA H200,moe," + kernel + "," + dtype;
    for (const std::int64_t number : {std::int64_t{tokens}, layer.hidden, layer.inter, layer.top_k,
                                      layer.experts, std::int64_t{1}, layer.ranks})
      text += "," + std::to_string(number);
    return text + ",balanced," + std::to_string(1e3 * seconds(layer, tokens)) + "\n";
  }

  TemporaryFolder folder_;
};

TEST_F(MoeLayers, GoFromATableOverAFitToPredictions) {
  const auto imported = run("import moe.csv --out o.jsonl");
  ASSERT_EQ(imported.status, 0) << imported.text;
  EXPECT_THAT(imported.text, HasSubstr("62 rows read, 60 observations, 0 refused"));
  EXPECT_THAT(imported.text, HasSubstr("not imported: experts without a gate (1 rows)"));
  EXPECT_THAT(imported.text, HasSubstr("not imported: dtype w4a16_mxfp4 (1 rows)"));
  const auto fitted = run("fit o.jsonl --out m.json");
  ASSERT_EQ(fitted.status, 0) << fitted.text;
  EXPECT_THAT(fitted.text, HasSubstr("60 points"));

  // Between the numbers of tokens that were measured, and a layer that was not.
  struct Asked {
    Layer layer;
    int tokens;
    double tolerance;
  };
  for (const auto& [layer, tokens, tolerance] :
       {Asked{kSmall, 3000, 0.10}, Asked{kAll, 24, 0.10}, Asked{kUnseen, 1000, 0.15}}) {
    const auto answer = predict(layer, tokens);
    const double predicted = answer["seconds"], law = seconds(layer, tokens);
    EXPECT_NEAR(predicted / law, 1, tolerance) << tokens << " tokens of " << layer.hidden;
    EXPECT_LE(answer["interval_s"][0], predicted);
    EXPECT_GE(answer["interval_s"][1], predicted);
    EXPECT_EQ(answer["provenance"], "imported");
    EXPECT_THAT(answer["model"].get<std::string>(), HasSubstr("moe_layer/h200-sxm/bf16"));
  }
}

TEST_F(MoeLayers, APredictionWithoutTheLayersNumbersIsRefused) {
  ASSERT_EQ(run("import moe.csv --out o.jsonl").status, 0);
  ASSERT_EQ(run("fit o.jsonl --out m.json").status, 0);
  const auto answer = run("predict m.json --operation moe_layer --point tokens=64 hidden=2048");
  EXPECT_EQ(answer.status, 2);
  EXPECT_THAT(answer.text, HasSubstr("a point of 'moe_layer' needs the number 'inter'"));
}

}  // namespace
}  // namespace moecal
