// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "kernels/grouped_gemm/cublaslt_groups.hpp"
#include "layers/moe_layer/layer_buffers.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "runtime/cuda_graph.hpp"
#include "runtime/device_fill.hpp"

namespace moecal::layers {
namespace {

using kernels::CublasLtGroups;
using kernels::CublasLtLanes;

constexpr Memory::Place kDevice = Memory::Place::device;
// Calls of a part in one graph: the launch of the graph is a small part of their time.
constexpr int kCallsPerGraph = 16;
constexpr char kFirstProduct[] = "gemm_1";
constexpr char kSecondProduct[] = "gemm_2";

/// What all buffer sets share.
struct Machine {
  explicit Machine(const MoeLayerSetup& setup)
      : gate_up_scales{Memory::of(
            kDevice, arrange_weight_scales(first_product(setup.problem), setup.data.gate_up,
                                           setup.data.gate_up_scales))},
        down_scales{
            Memory::of(kDevice, arrange_weight_scales(second_product(setup.problem),
                                                      setup.data.down, setup.data.down_scales))} {}
  CublasLtLanes lanes;
  Memory gate_up_scales, down_scales;
};

struct Part {
  std::string name;
  std::function<void(Stream)> enqueue;
};

class Set {
 public:
  Set(const MoeLayerSetup& setup, int set, Machine& machine)
      : buffers_{setup, set, kDevice},
        shapes_{setup.problem, setup.routing.front().capacity},
        gate_workspace_{kDevice, topk_gate_cuda_workspace(shapes_.gate)},
        quantize_workspace_{kDevice, std::max(quantize_cuda_workspace(shapes_.first_quantize),
                                              quantize_cuda_workspace(shapes_.second_quantize))},
        problem_{setup.problem},
        machine_{machine},
        parts_{parts(setup.problem.quantizes())} {
    plan(setup.routing[static_cast<std::size_t>(set)]);
  }
  Set(const Set&) = delete;
  Set& operator=(const Set&) = delete;

  /// Runs every step once, and the graph, so that no sample loads a kernel, chooses an algorithm or
  /// uploads a graph. What that leaves in the cache is not what a launch leaves: all results are
  /// written over again.
  void redraw(const MoeLayerRouting& routing) {
    buffers_.logits.assign(routing.logits);
    plan(routing);
  }
  void launch(Stream stream) const { graph_->launch(stream); }
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] const LayerBuffers& buffers() const { return buffers_; }
  [[nodiscard]] std::string description() const {
    const auto multiple = kernels::token_multiple(problem_.scale_mode);
    return "last draw: " + kernels::describe_rows(expert_rows_, multiple) +
           " largest: " + first_->algorithm();
  }

 private:
  // Kernels are loaded at their first launch, which a capture does not allow. The products'
  // algorithms are chosen on what the steps before them left: zeros would draw less power.
  void plan(const MoeLayerRouting& routing) {
    expert_rows_ = routing.expert_rows();
    graph_.reset();
    const CudaStream stream;
    for (const auto& part : parts_) {
      if (part.name == kFirstProduct) first_.emplace(make_first());
      if (part.name == kSecondProduct) second_.emplace(make_second());
      part.enqueue(stream.get());
      stream.synchronize();
    }
    graph_.emplace(CudaGraph::capture([this](Stream capturing) { enqueue(capturing); }));
    graph_->launch(stream.get());  // the first uploads it: not in a batch that is held
    stream.synchronize();
    forget();
  }
  // What a launch is to leave: without it nobody is chosen and the output is no number. What lies
  // between is cleared, as rows that a capacity drops have to be.
  void forget() const {
    const auto& b = buffers_;
    for (const auto* memory :
         {&b.expert_of, &b.weight_of, &b.counts, &b.offsets, &b.row_of, &b.results, &b.output})
      mark_unwritten(memory->as<void>(), memory->bytes());
    for (const auto* memory : {&b.rows, &b.first_scales, &b.projected, &b.activated,
                               &b.second_scales, &b.quantized_rows, &b.quantized_activated})
      fill_device(memory->as<void>(), memory->bytes(), 0);
  }
  [[nodiscard]] CublasLtGroups make_first() const {
    return {first_product(problem_),
            expert_rows_,
            {buffers_.gate_up.as<void>(), operand(buffers_.quantized_rows, buffers_.rows),
             buffers_.projected.as<void>()},
            {machine_.gate_up_scales.as<float>(), buffers_.first_scales.as<float>()},
            machine_.lanes};
  }
  [[nodiscard]] CublasLtGroups make_second() const {
    return {second_product(problem_),
            expert_rows_,
            {buffers_.down.as<void>(), operand(buffers_.quantized_activated, buffers_.activated),
             buffers_.results.as<void>()},
            {machine_.down_scales.as<float>(), buffers_.second_scales.as<float>()},
            machine_.lanes};
  }
  [[nodiscard]] const void* operand(const Memory& quantized, const Memory& values) const {
    return (problem_.quantizes() ? quantized : values).as<void>();
  }

  void enqueue(Stream stream) const {
    for (const auto& part : parts_) part.enqueue(stream);
  }

  [[nodiscard]] std::vector<Part> parts(bool quantizes) {
    std::vector<Part> all;
    all.push_back({"gate", [this](Stream stream) {
                     topk_gate_cuda(shapes_.gate, buffers_.gate_tensors(),
                                    gate_workspace_.as<void>(), stream);
                   }});
    all.push_back({"permute", [this](Stream stream) {
                     permute_cuda(shapes_.permute, buffers_.permute_tensors(), stream);
                   }});
    if (quantizes)
      all.push_back({"quantize_1", [this](Stream stream) {
                       quantize_cuda(shapes_.first_quantize, buffers_.first_quantize_tensors(),
                                     quantize_workspace_.as<void>(), stream);
                     }});
    all.push_back({kFirstProduct, [this](Stream stream) { first_->enqueue(stream); }});
    all.push_back({"swiglu", [this](Stream stream) {
                     swiglu_cuda(shapes_.swiglu, buffers_.swiglu_tensors(), stream);
                   }});
    if (quantizes)
      all.push_back({"quantize_2", [this](Stream stream) {
                       quantize_cuda(shapes_.second_quantize, buffers_.second_quantize_tensors(),
                                     quantize_workspace_.as<void>(), stream);
                     }});
    all.push_back({kSecondProduct, [this](Stream stream) { second_->enqueue(stream); }});
    all.push_back({"unpermute", [this](Stream stream) {
                     unpermute_cuda(shapes_.unpermute, buffers_.unpermute_tensors(), stream);
                   }});
    return all;
  }

  LayerBuffers buffers_;
  LayerShapes shapes_;
  std::vector<std::int64_t> expert_rows_;
  Memory gate_workspace_, quantize_workspace_;
  MoeLayerProblem problem_;
  Machine& machine_;
  std::vector<Part> parts_;
  std::optional<CublasLtGroups> first_, second_;  // made when their operands are there
  std::optional<CudaGraph> graph_;                // made when the parts ran
};

class LayerOnGpu final : public MoeLayer {
 public:
  explicit LayerOnGpu(const MoeLayerSetup& setup) : problem_{setup.problem}, machine_{setup} {
    for (std::size_t set = 0; set < setup.routing.size(); ++set)
      sets_.push_back(std::make_unique<Set>(setup, static_cast<int>(set), machine_));
  }

  void launch(int set, Stream stream) override {
    sets_[static_cast<std::size_t>(set)]->launch(stream);
  }

  void redraw(int set, const MoeLayerRouting& routing) override {
    sets_[static_cast<std::size_t>(set)]->redraw(routing);
  }

  [[nodiscard]] HostMatrix output() const override {
    return {problem_.values, problem_.tokens, problem_.hidden, 1.0F,
            sets_.front()->buffers().output.to_host<std::byte>()};
  }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return sets_[static_cast<std::size_t>(set)]->buffers().output.span();
  }
  [[nodiscard]] GateTable gate_table() const override {
    return sets_.front()->buffers().gate_table();
  }

  [[nodiscard]] std::vector<LayerPart> parts() override {
    // A step needs what the ones before it leave, also on a set that was only just drawn.
    const CudaStream first_stream;
    for (const auto& set : sets_) set->launch(first_stream.get());
    first_stream.synchronize();
    std::vector<LayerPart> all;
    for (std::size_t part = 0; part < sets_.front()->parts().size(); ++part) {
      const auto graph = std::make_shared<const CudaGraph>(capture(part));
      all.push_back({sets_.front()->parts()[part].name,
                     [graph](int, Stream stream) { graph->launch(stream); }, kCallsPerGraph,
                     std::min(kCallsPerGraph, static_cast<int>(sets_.size()))});
    }
    return all;
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"moecal+cuBLASLt", kernels::cublaslt_version(), "graph " + sets_.front()->description(),
            static_cast<std::int64_t>(CublasLtLanes::kWorkspaceBytes)};
  }

 private:
  [[nodiscard]] CudaGraph capture(std::size_t part) const {
    return CudaGraph::capture([&](Stream stream) {
      for (int call = 0; call < kCallsPerGraph; ++call)
        sets_[static_cast<std::size_t>(call) % sets_.size()]->parts()[part].enqueue(stream);
    });
  }

  MoeLayerProblem problem_;
  Machine machine_;
  std::vector<std::unique_ptr<Set>> sets_;
};

}  // namespace

void check_moe_layer_cublaslt(const MoeLayerProblem& problem, int device) {
  check_grouped_gemm_cublaslt(first_product(problem), device);
  check_grouped_gemm_cublaslt(second_product(problem), device);
}

std::unique_ptr<MoeLayer> make_moe_layer_cublaslt(const MoeLayerSetup& setup) {
  return std::make_unique<LayerOnGpu>(setup);
}

}  // namespace moecal::layers
