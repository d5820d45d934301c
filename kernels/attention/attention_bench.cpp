// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/attention_cudnn.hpp"

namespace moecal::bench {
namespace {

using kernels::AttentionShape;

constexpr char kOnednn[] = "onednn_unfused";
constexpr char kCublaslt[] = "cublaslt_unfused";
constexpr char kCudnn[] = "cudnn_fused";
constexpr std::uint64_t kSeed = 1;
// A second or a few of a CPU with few cores. GPUs have no such limit but their memory.
constexpr double kMostCpuFlops = 5e10;
constexpr Bytes kMostOfPlanner{40e9};  // half of a card of 80 GB

/// cuDNN's plans of a device, made when they are first wanted and kept for points to come: those of
/// a cold and of a warm cache share them.
struct CudnnPlannerOf {
  int device = -1;
  std::unique_ptr<kernels::CudnnPlanner> planner;
  [[nodiscard]] kernels::CudnnPlanner& get() {
    if constexpr (build::has_cudnn)
      if (!planner) planner = kernels::make_attention_planner(device);
    return *planner;
  }
};

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

Bytes footprint_of(const std::string& implementation, const AttentionShape& shape) {
  if (implementation != kCudnn) return attention_memory(shape);
  const auto work = fused_attention_work(shape);
  return work.read + work.written;
}

class AttentionTrial final : public Trial {
 public:
  AttentionTrial(std::string implementation, const AttentionShape& shape, CudnnPlannerOf& planner)
      : implementation_{std::move(implementation)}, shape_{shape}, planner_{planner} {
    check_supported();
  }

  [[nodiscard]] Bytes footprint() const override { return footprint_of(implementation_, shape_); }
  void prepare(int sets) override {
    operands_ = kernels::make_attention_operands(shape_, kSeed);
    attention_ = make({shape_, operands_, sets});
  }
  void launch(int set, Stream stream) override { attention_->launch(set, stream); }
  [[nodiscard]] std::span<std::byte> written(int set) override { return attention_->written(set); }
  [[nodiscard]] VerificationResult verify() override {
    return kernels::check_attention_rows(
        shape_, operands_, attention_->result_rows(kernels::attention_rows_to_check(shape_)));
  }
  /// Fused, a kernel and what clears and adds up around it; else the softmax between two products
  /// of up to three kernels each.
  [[nodiscard]] int enqueues() const override {
    if (implementation_ == kCudnn) return 3;
    return implementation_ == kCublaslt ? 7 : 0;
  }
  [[nodiscard]] std::string filled_with() const override { return kUniformFill; }
  [[nodiscard]] LibraryInfo library() const override { return attention_->library(); }

 private:
  void check_supported() const {
    if constexpr (build::has_cudnn)
      if (implementation_ == kCudnn) return (void)planner_.get().graph_of(shape_);
    if constexpr (build::has_cuda)
      if (implementation_ == kCublaslt)
        return kernels::check_attention_cublaslt(shape_, planner_.device);
    kernels::check_attention_onednn(shape_);
  }
  [[nodiscard]] std::unique_ptr<kernels::Attention> make(
      const kernels::AttentionSetup& setup) const {
    if constexpr (build::has_cudnn)
      if (implementation_ == kCudnn) return kernels::make_attention_cudnn(setup, planner_.get());
    if constexpr (build::has_cuda)
      if (implementation_ == kCublaslt) return kernels::make_attention_cublaslt(setup);
    return kernels::make_attention_onednn(setup);
  }

  std::string implementation_;
  AttentionShape shape_;
  CudnnPlannerOf& planner_;
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

constexpr std::int64_t kQuickHeads = 8;
std::vector<AttentionShape> quick_shapes(Dtype type) {
  std::vector<AttentionShape> shapes;
  for (const std::int64_t sequence : {128, 256, 512})
    for (const bool causal : {true, false})
      shapes.push_back({1, sequence, kQuickHeads, 2, 64, causal, type});
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
  [[nodiscard]] PointTimes point_times() const override {
    return {Seconds{0.05}, Seconds{0.23}, Seconds{0.44}};
  }
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
  [[nodiscard]] Work work_by(const Implementation& implementation, const Case& c) const override {
    return implementation.name == kCudnn ? fused_attention_work(shape_of(c)) : work(c);
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> all;
    if constexpr (build::has_cudnn) all.push_back({kCudnn, "cuda", Suite::planner});
    if constexpr (build::has_cuda) all.push_back({kCublaslt, "cuda"});
    all.push_back({kOnednn, "cpu"});
    return all;
  }
  /// cuDNN compiles each plan that is tried, which takes longer than to measure it: in the
  /// planner's suite fewer batches and sequences, and heads of keys of one's own once. There too,
  /// scores of tens of gigabytes, which only cards of much memory hold, are not written: one such
  /// point takes seconds.
  [[nodiscard]] bool measures(const Implementation& implementation, const Case& c,
                              Suite suite) const override {
    if (suite == Suite::full) return true;
    const auto shape = shape_of(c);
    if (implementation.name != kCudnn) return attention_memory(shape) <= kMostOfPlanner;
    if (shape.heads == kQuickHeads || shape.batch == 2) return false;
    if (shape.batch > 2) return shape.sequence >= 1024;
    if (shape.heads == shape.kv_heads) return shape.sequence == 2048;
    const std::array<std::int64_t, 3> sequences{512, 4096, 32768};
    return std::ranges::find(sequences, shape.sequence) != sequences.end();
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    planner_.device = context.device;
    return std::make_unique<AttentionTrial>(implementation.name, shape_of(c), planner_);
  }

 private:
  mutable CudnnPlannerOf planner_;
};

}  // namespace

std::unique_ptr<Benchmark> make_attention() { return std::make_unique<Attention>(); }

}  // namespace moecal::bench
