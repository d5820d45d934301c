// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "kernels/attention/attention.hpp"

namespace moecal::bench {
namespace {

using kernels::AttentionShape;

constexpr char kOnednn[] = "onednn_unfused";
constexpr char kCublaslt[] = "cublaslt_unfused";
constexpr std::uint64_t kSeed = 1;
// A second or a few of a CPU with few cores. GPUs have no such limit but their memory.
constexpr double kMostCpuFlops = 5e10;

AttentionShape shape_of(const Case& c) {
  AttentionShape shape{.batch = c.point.at("batch"),
                       .sequence = c.point.at("sequence"),
                       .heads = c.point.at("heads"),
                       .kv_heads = c.point.at("kv_heads"),
                       .head_size = c.point.at("head_size"),
                       .causal = c.point.at("causal") != 0,
                       .type = parse_dtype(c.dtypes.a)};
  check_shape(shape);
  return shape;
}

class AttentionTrial final : public Trial {
 public:
  AttentionTrial(const Implementation& implementation, const Case& c, int device)
      : on_gpu_{implementation.backend == "cuda"}, shape_{shape_of(c)} {
    check_supported(device);
  }

  [[nodiscard]] Bytes footprint() const override { return attention_memory(shape_); }
  void prepare(int sets) override {
    operands_ = kernels::make_attention_operands(shape_, kSeed);
    attention_ = make({shape_, operands_, sets});
  }
  void launch(int set, Stream stream) override { attention_->launch(set, stream); }
  [[nodiscard]] VerificationResult verify() override {
    return kernels::check_attention_rows(
        shape_, operands_, attention_->result_rows(kernels::attention_rows_to_check(shape_)));
  }
  /// The softmax between two products of up to three kernels each.
  [[nodiscard]] int enqueues() const override { return on_gpu_ ? 7 : 0; }
  [[nodiscard]] std::string filled_with() const override { return kUniformFill; }
  [[nodiscard]] LibraryInfo library() const override { return attention_->library(); }

 private:
  void check_supported(int device) const {
    if constexpr (build::has_cuda)
      if (on_gpu_) return kernels::check_attention_cublaslt(shape_, device);
    kernels::check_attention_onednn(shape_);
  }
  [[nodiscard]] std::unique_ptr<kernels::Attention> make(
      const kernels::AttentionSetup& setup) const {
    if constexpr (build::has_cuda)
      if (on_gpu_) return kernels::make_attention_cublaslt(setup);
    return kernels::make_attention_onednn(setup);
  }

  bool on_gpu_;
  AttentionShape shape_;
  kernels::AttentionOperands operands_;
  std::unique_ptr<kernels::Attention> attention_;
};

Case case_of(const AttentionShape& shape) {
  Case c;
  c.point = {{"batch", shape.batch},         {"sequence", shape.sequence},
             {"heads", shape.heads},         {"kv_heads", shape.kv_heads},
             {"head_size", shape.head_size}, {"causal", shape.causal ? 1 : 0}};
  c.dtypes.a = c.dtypes.b = c.dtypes.c = to_string(shape.type);
  c.dtypes.accumulate = "f32";
  return c;
}

std::vector<AttentionShape> quick_shapes(Dtype type) {
  std::vector<AttentionShape> shapes;
  for (const std::int64_t sequence : {128, 256, 512})
    for (const bool causal : {true, false}) shapes.push_back({1, sequence, 8, 2, 64, causal, type});
  return shapes;
}

/// The documents' layers: of Mixtral with shared and with own heads of keys, of the 10B and the 30B
/// model (all heads, and one device's of eight).
std::vector<AttentionShape> planner_shapes() {
  std::vector<AttentionShape> shapes;
  for (const std::int64_t batch : {1, 2})
    for (const std::int64_t sequence : {128, 256, 512, 2048, 4096, 8192, 16384, 32768})
      for (const std::int64_t kv_heads : {8, 32})
        shapes.push_back({batch, sequence, 32, kv_heads, 128, true, Dtype::bf16});
  for (const std::int64_t sequence : {128, 512, 1024, 4096, 10240})
    shapes.push_back({16, sequence, 16, 16, 32, true, Dtype::f16});
  for (const std::int64_t heads : {2, 16})
    shapes.push_back({32, 1024, heads, heads, 128, true, Dtype::f16});
  return shapes;
}

/// A CPU has neither the time for long sequences nor, often, a 16-bit type.
std::vector<AttentionShape> for_a_cpu(std::vector<AttentionShape> shapes) {
  std::erase_if(shapes, [](const AttentionShape& shape) {
    return attention_work(shape).flops.value() > kMostCpuFlops;
  });
  for (auto& shape : shapes) shape.type = Dtype::f32;
  return shapes;
}

class Attention final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "attention"; }
  [[nodiscard]] Seconds seconds_per_point() const override { return Seconds{0.2}; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int) const override {
    auto shapes = quick_shapes(Dtype::bf16);
    if (suite != Suite::quick)
      for (const auto& shape : planner_shapes()) shapes.push_back(shape);
    if (suite == Suite::full)
      for (const auto& shape : planner_shapes()) {
        shapes.push_back(shape);
        shapes.back().causal = false;
      }
    if (backend != "cuda") shapes = for_a_cpu(std::move(shapes));
    std::vector<Case> cases;
    for (const auto& shape : shapes) cases.push_back(case_of(shape));
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override { return attention_work(shape_of(c)); }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    if constexpr (build::has_cuda) return {{kCublaslt, "cuda"}, {kOnednn, "cpu"}};
    return {{kOnednn, "cpu"}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    return std::make_unique<AttentionTrial>(implementation, c, context.device);
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_attention() { return std::make_unique<Attention>(); }

}  // namespace moecal::bench
