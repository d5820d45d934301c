// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace moecal::kernels {
namespace {

using Sizes = std::vector<std::int64_t>;
using Families = std::vector<std::string>;

// The weights of one layer: n output by k input features.
struct Weights {
  std::int64_t n = 0;
  std::int64_t k = 0;
};

class Sweep {
 public:
  void add(const ExpertGemmShape& shape, const Families& families) {
    for (const auto& family : families) add({shape, expert_gemm_dtypes(family)});
  }
  void add(const ExpertGemmPoint& point) {
    const auto same = [&](const ExpertGemmPoint& other) {
      return other.shape == point.shape && other.dtypes == point.dtypes;
    };
    if (std::none_of(points_.begin(), points_.end(), same)) points_.push_back(point);
  }
  void add_forward(const Sizes& rows, const std::vector<Weights>& layers,
                   const Families& families) {
    for (const auto& [n, k] : layers)
      for (const auto m : rows) add({m, n, k}, families);
  }
  // Forward, gradient of the input and gradient of the weights (the rows are summed over).
  void add_training(const Sizes& rows, const std::vector<Weights>& layers,
                    const Families& families) {
    add_forward(rows, layers, families);
    for (const auto& [n, k] : layers)
      for (const auto m : rows) {
        for (const auto& family : families) {
          add({{m, k, n}, expert_gemm_gradient_dtypes(family, "NN")});
          add({{n, k, m}, expert_gemm_gradient_dtypes(family, "NT")});
        }
      }
  }
  [[nodiscard]] std::vector<ExpertGemmPoint> take() { return std::move(points_); }

 private:
  std::vector<ExpertGemmPoint> points_;
};

// Rows of the experts' products: the planner's tell how a time grows and where tiles fill a card;
// all are those that the documents name.
struct ExpertRows {
  Sizes mixtral, moe10b, moe30b;
};
const ExpertRows kPlannerRows{
    {16, 64, 256, 1024, 8192}, {256, 1228, 4096, 9830, 24576, 81920}, {512, 4096}};
const ExpertRows kAllRows{
    {16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
    {256, 307, 1024, 1228, 2048, 2457, 4096, 8192, 9830, 20480, 24576, 32768, 81920},
    {512, 1024, 4096}};

// GPUs do nothing of the documents in f32; CPUs often have nothing else.
Families with_f32(Families families, bool for_gpus) {
  if (!for_gpus) families.push_back("f32");
  return families;
}

void add_experts(Sweep& sweep, const ExpertRows& rows, bool for_gpus) {
  sweep.add_training(rows.mixtral, {{28672, 4096}, {4096, 14336}}, {"bf16", "fp8_e4m3"});
  sweep.add_forward(rows.moe10b, {{1024, 512}, {2048, 512}, {512, 1024}},
                    with_f32({"f16", "int8", "fp8_e4m3"}, for_gpus));
  sweep.add_forward(rows.moe30b,
                    {{7168, 2048},
                     {2048, 7168},
                     {896, 2048},
                     {2048, 896},
                     {14336, 1024},
                     {1024, 14336},
                     {3584, 4096},
                     {4096, 3584}},
                    {"f16", "bf16"});
}

void add_mixtral(Sweep& sweep) {
  sweep.add_training({256, 512, 1024, 4096}, {{6144, 4096}, {4096, 4096}, {32000, 4096}}, {"bf16"});
  for (const std::int64_t tp : {2, 4, 8})
    sweep.add_forward({1024, 8192}, {{28672 / tp, 4096}, {4096, 14336 / tp}}, {"bf16"});
}

void add_ep64(Sweep& sweep, bool for_gpus) {
  const auto families = with_f32({"fp8_e4m3", "bf16"}, for_gpus);
  sweep.add({131072, 2048, 1024}, families);
  sweep.add_forward({2048, 4096, 2156}, {{2048, 1024}, {1024, 2048}}, families);
  sweep.add({131072, 1024, 512}, families);
}

void add_moe10b(Sweep& sweep) {
  sweep.add_forward({2048, 8192, 16384, 65536, 163840}, {{1536, 512}, {512, 512}}, {"f16"});
}

// Rows of dense layers' products. What lies between the fit says: the planner measures each weight
// at a few rows and at many, and its neighbours at others.
const std::vector<Sizes> kPlannerDenseRows{{256, 2048}, {512, 4096}, {1024, 16384}};
const std::vector<Sizes> kAllDenseRows{{256, 512, 1024, 2048, 4096, 16384}};

// The four products of a dense layer of hidden size h, split over tp devices.
void add_tensor_parallel(Sweep& sweep, const std::vector<Sizes>& rows) {
  std::size_t turn = 0;
  for (const std::int64_t h : {1024, 2048, 4096, 8192})
    for (const std::int64_t tp : {1, 2, 4, 8, 16})
      for (const auto& weights :
           {Weights{3 * h / tp, h}, {h, h / tp}, {4 * h / tp, h}, {h, 4 * h / tp}})
        sweep.add_forward(rows[turn++ % rows.size()], {weights}, {"bf16"});
}

// The router's product: one output column per expert.
void add_routers(Sweep& sweep) {
  sweep.add_forward({256, 512, 4096}, {{8, 4096}}, {"bf16"});
  sweep.add_forward({2048, 8192, 16384, 65536, 163840}, {{16, 512}}, {"f16"});
  sweep.add_forward({2048, 4096, 32768, 131072}, {{64, 1024}, {64, 2048}}, {"fp8_e4m3", "f16"});
}

void add_peak(Sweep& sweep) {
  for (const auto& shape : std::vector<ExpertGemmShape>{
           {8192, 8192, 8192}, {16384, 8192, 4096}, {16384, 512, 512}, {16384, 1024, 512}})
    sweep.add(shape, {"fp8_e4m3", "bf16", "f16", "int8"});
}

// Gradients in FP16: of the layer whose products the documents train in it.
void add_f16_training(Sweep& sweep) {
  sweep.add_training({1024, 4096, 16384}, {{2048, 512}, {512, 1024}}, {"f16"});
}

// What else the cards' tensor cores have beside the documents' types.
const Families kScaled{"fp8_e4m3/outer_vector", "fp8_e4m3/block_1x128", "fp8_e4m3/block_128x128",
                       "fp8_e4m3/mx", "int8/tensor"};
Dtypes fp8_to_f16() {
  auto dtypes = expert_gemm_dtypes("fp8_e4m3");
  dtypes.c = "f16";
  return dtypes;
}

// Of each of them one shape, at few rows and at many: without a point a fit knows nothing of it.
void add_one_of_each_variant(Sweep& sweep) {
  const Weights down{4096, 14336};
  for (const std::int64_t rows : {16, 4096}) {
    sweep.add_forward({rows}, {down}, kScaled);
    sweep.add({{rows, down.n, down.k}, fp8_to_f16()});
    sweep.add({{rows, down.k, down.n}, expert_gemm_gradient_dtypes("f16", "NN")});
    sweep.add({{down.n, down.k, rows}, expert_gemm_gradient_dtypes("f16", "NT")});
  }
}

// At the documents' expert shapes: scales per block, int8 results, FP8 to f16, and FP8 gradients
// without transposed copies.
void add_variants(Sweep& sweep) {
  const std::vector<Weights> experts{{28672, 4096}, {4096, 14336}, {2048, 1024}, {1024, 2048}};
  sweep.add_forward({16, 256, 4096}, experts, kScaled);
  const auto gradient = [](const std::string& family, const std::string& layout) {
    auto dtypes = expert_gemm_dtypes(family);
    dtypes.a = "fp8_e5m2";
    dtypes.layout = layout;
    return dtypes;
  };
  for (const auto& [n, k] : experts) {
    const std::int64_t rows = 4096;
    sweep.add({{rows, n, k}, fp8_to_f16()});
    for (const auto* family : {"fp8_e4m3", "fp8_e4m3/mx"}) {
      sweep.add({{rows, k, n}, gradient(family, "NN")});
      sweep.add({{n, k, rows}, gradient(family, "NT")});
    }
  }
}

Sweep planner(bool for_gpus) {
  Sweep sweep;
  add_experts(sweep, kPlannerRows, for_gpus);
  add_mixtral(sweep);
  add_ep64(sweep, for_gpus);
  add_moe10b(sweep);
  add_tensor_parallel(sweep, kPlannerDenseRows);
  add_routers(sweep);
  add_peak(sweep);
  if (for_gpus) add_one_of_each_variant(sweep);
  return sweep;
}

}  // namespace

Dtypes expert_gemm_dtypes(const std::string& family) {
  if (const auto slash = family.find('/'); slash != std::string::npos) {
    auto dtypes = expert_gemm_dtypes(family.substr(0, slash));
    dtypes.scale_mode = family.substr(slash + 1);
    if (dtypes.a == "int8") dtypes.c = "int8";
    return dtypes;
  }
  if (family == "f32" || family == "f16" || family == "bf16")
    return {family, family, family, "f32", "none", "TN"};
  if (family == "int8") return {"int8", "int8", "int32", "int32", "none", "TN"};
  if (family == "fp8_e4m3") return {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", "TN"};
  throw InvalidInput{"expert_gemm has no types '" + family +
                     "'; known: f32 f16 bf16 int8 fp8_e4m3"};
}

Dtypes expert_gemm_gradient_dtypes(const std::string& family, const std::string& layout) {
  auto dtypes = expert_gemm_dtypes(family);
  if (family == "fp8_e4m3")
    dtypes.a = "fp8_e5m2";
  else
    dtypes.layout = layout;
  return dtypes;
}

std::vector<ExpertGemmPoint> quick_sweep(bool for_gpus) {
  Sweep sweep;
  if (!for_gpus) {
    sweep.add_forward({1, 16, 64, 256}, {{1024, 512}, {512, 1024}, {2048, 1024}},
                      {"f32", "bf16", "int8"});
    return sweep.take();
  }
  // Small products, a layer's, and what a card does at best.
  const Families families{"fp8_e4m3", "bf16"};
  sweep.add_forward({16, 2048}, {{2048, 1024}, {1024, 2048}}, families);
  sweep.add_forward({64, 4096}, {{28672, 4096}, {4096, 14336}}, families);
  sweep.add({8192, 8192, 8192}, families);
  sweep.add({256, 2048, 1024}, {"f16", "int8"});
  return sweep.take();
}

std::vector<ExpertGemmPoint> planner_sweep(bool for_gpus) { return planner(for_gpus).take(); }

std::vector<ExpertGemmPoint> full_sweep(bool for_gpus) {
  Sweep sweep = planner(for_gpus);
  add_experts(sweep, kAllRows, for_gpus);
  add_tensor_parallel(sweep, kAllDenseRows);
  add_variants(sweep);
  add_f16_training(sweep);
  // DeepSeek-V3 (routed experts 2048 x 7168), Qwen3-235B-A22B (1536 x 4096), gpt-oss-120b (2880 x
  // 2880): gate and up fused, then down.
  sweep.add_forward(
      {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
      {{4096, 7168}, {7168, 2048}, {3072, 4096}, {4096, 1536}, {5760, 2880}, {2880, 2880}},
      with_f32({"f16", "bf16", "int8", "fp8_e4m3"}, for_gpus));
  return sweep.take();
}

}  // namespace moecal::kernels
