// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/routing_bench.hpp"
#include "layers/moe_layer/layer_buffers.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "runtime/hold_words.hpp"

namespace moecal::bench {
namespace {

using layers::MoeLayerProblem;
using layers::MoeLayerRouting;

constexpr char kCublaslt[] = "cublaslt_graph";
constexpr char kOnednn[] = "onednn";
constexpr char kBlocks[] = "fp8_e4m3/block_128x128";
constexpr std::uint64_t kSeed = 1;
constexpr int kOwnSteps = 6;  // beside the products: gate, permute, quantize, swiglu, unpermute

MoeLayerProblem problem_of(const Case& c) {
  return layers::moe_layer_problem(c.point, c.dtypes, c.routing);
}

/// Without logits, which only a run needs.
MoeLayerRouting counted_routing(const Case& c, std::int64_t draw) {
  SetRouting routing{c, draw};
  return {std::move(routing.draw), routing.capacity, {}};
}

MoeLayerRouting routing_of(const Case& c, std::int64_t draw) {
  auto routing = counted_routing(c, draw);
  routing.logits = gate_logits(problem_of(c).values, routing.draw);
  return routing;
}

class MoeLayerTrial final : public Trial {
 public:
  MoeLayerTrial(std::string implementation, const Case& c, int device)
      : implementation_{std::move(implementation)},
        case_{c},
        problem_{problem_of(c)},
        padding_{kernels::token_multiple(problem_.scale_mode)} {
    check_supported(device);
  }

  [[nodiscard]] Bytes footprint() const override {
    const auto work = layers::moe_layer_work(problem_, counted_routing(case_, 0));
    return work.read + work.written + layers::bytes_between(problem_);
  }
  /// Also the weights of experts that no row chooses.
  [[nodiscard]] Bytes allocated() const override {
    const auto& p = problem_;
    const std::int64_t weights = 3 * p.experts * p.inter * p.hidden * size_of(p.operands);
    const std::int64_t tokens = 2 * p.tokens * p.hidden * size_of(p.values);  // and the output
    return Bytes{static_cast<double>(weights + tokens)} + layers::bytes_between(p);
  }
  void prepare(int sets) override {
    data_ = layers::make_moe_layer_data(problem_, kSeed);
    for (int set = 0; set < sets; ++set) routing_.push_back(routing_of(case_, set));
    layer_ = make({problem_, data_, routing_});
    for (const auto& routing : routing_) padding_.add(routing.expert_rows());
  }
  void launch(int set, Stream stream) override { layer_->launch(set, stream); }
  [[nodiscard]] bool redraw(int set, std::int64_t draw) override {
    auto& routing = routing_[static_cast<std::size_t>(set)];
    routing = routing_of(case_, draw);
    layer_->redraw(set, routing);
    padding_.add(routing.expert_rows());
    return true;
  }
  [[nodiscard]] std::span<std::byte> written(int set) override { return layer_->written(set); }
  [[nodiscard]] VerificationResult verify() override {
    auto result = layers::check_moe_layer(problem_, data_, routing_.front(), layer_->output());
    if (layer_->gate_table().counts != routing_.front().draw.counts) result.max_rel_error = 1;
    return result;
  }
  [[nodiscard]] int enqueues() const override {
    if (implementation_ != kCublaslt) return 0;
    return enqueued_by_graph(kOwnSteps * kMostKernels +
                             2 * kernels::enqueued_by_cublaslt(problem_.experts));
  }
  [[nodiscard]] std::string filled_with() const override {
    return std::string{kUniformFill} + ", logits of the chosen from 2 on";
  }
  [[nodiscard]] LibraryInfo library() const override {
    auto library = layer_->library();
    library.algorithm += " " + padding_.describe();
    return library;
  }
  [[nodiscard]] std::vector<Part> parts() override {
    std::vector<Part> parts;
    const auto works = layers::step_works(problem_, routing_.front());
    for (auto& part : layer_->parts())
      parts.push_back({.name = part.name,
                       .launch = part.launch,
                       .calls = part.calls,
                       .enqueues = enqueued_by_graph(part.calls * enqueued_by(part.name)),
                       .work = works.at(part.name),
                       .sets = part.sets});
    return parts;
  }

 private:
  [[nodiscard]] int enqueued_by(const std::string& step) const {
    if (implementation_ != kCublaslt) return 0;
    return step.starts_with("gemm") ? kernels::enqueued_by_cublaslt(problem_.experts)
                                    : kMostKernels;
  }
  void check_supported([[maybe_unused]] int device) const {
    if constexpr (build::has_cuda)
      if (implementation_ == kCublaslt) return layers::check_moe_layer_cublaslt(problem_, device);
    layers::check_moe_layer_onednn(problem_);
  }
  [[nodiscard]] std::unique_ptr<layers::MoeLayer> make(const layers::MoeLayerSetup& setup) const {
    if constexpr (build::has_cuda)
      if (implementation_ == kCublaslt) return layers::make_moe_layer_cublaslt(setup);
    return layers::make_moe_layer_onednn(setup);
  }

  std::string implementation_;
  Case case_;
  MoeLayerProblem problem_;
  layers::MoeLayerData data_;
  std::vector<MoeLayerRouting> routing_;
  kernels::PaddingRange padding_;
  std::unique_ptr<layers::MoeLayer> layer_;
};

struct Layer {
  std::int64_t hidden, inter, experts, top_k;
  std::vector<std::int64_t> tokens;
  std::vector<std::string> families;
};

void append(std::vector<Case>& cases, const Layer& layer) {
  for (const auto tokens : layer.tokens)
    for (const auto& family : layer.families) {
      Case c;
      c.point = {{"tokens", tokens},         {"hidden", layer.hidden}, {"inter", layer.inter},
                 {"experts", layer.experts}, {"top_k", layer.top_k},   {"tensor_parallel", 1},
                 {"expert_parallel", 1}};
      c.dtypes = kernels::expert_gemm_dtypes(family);
      c.routed = true;
      cases.push_back(c);
    }
}

class MoeLayerBenchmark final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "moe_layer"; }
  [[nodiscard]] PointTimes point_times() const override {
    return {Seconds{0.2}, Seconds{0.3}, Seconds{0.43}};
  }
  /// The documents' layers, with the experts that one device holds.
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int) const override {
    std::vector<Case> cases;
    // CPUs often have nothing but f32, which GPUs are not for.
    std::vector<std::string> families{"bf16"};
    if (backend != "cuda") families.push_back("f32");
    append(cases, {256, 512, 8, 2, {64, 512}, families});
    if (suite == Suite::quick) return cases;
    append(cases, {512, 1024, 16, 2, {2048, 16384}, {"bf16", "fp8_e4m3"}});
    append(cases, {1024, 2048, 64, 2, {2048}, {"bf16", "fp8_e4m3", kBlocks}});
    append(cases, {4096, 14336, 8, 2, {512, 4096}, {"bf16", "fp8_e4m3", kBlocks}});
    if (suite == Suite::planner) return cases;
    append(cases, {2048, 3584, 64, 2, {1, 64, 1024, 8192}, {"bf16", "fp8_e4m3"}});
    append(cases, {4096, 1536, 128, 8, {1, 64, 1024, 8192}, {"bf16", "fp8_e4m3"}});
    append(cases, {7168, 2048, 32, 8, {1, 64, 1024, 8192}, {"bf16", "fp8_e4m3", kBlocks}});
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return layers::moe_layer_work(problem_of(c), counted_routing(c, 0));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    if constexpr (build::has_cuda)
      return {{.name = kCublaslt, .backend = "cuda", .graph = "cuda_graph"}, {kOnednn, "cpu"}};
    return {{kOnednn, "cpu"}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    return std::make_unique<MoeLayerTrial>(implementation.name, c, context.device);
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_moe_layer() { return std::make_unique<MoeLayerBenchmark>(); }

}  // namespace moecal::bench
