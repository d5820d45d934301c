// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "core/error.hpp"
#include "layers/moe_layer/layer_buffers.hpp"
#include "layers/moe_layer/moe_layer.hpp"

namespace moecal::layers {
namespace {

/// A product of each expert that has rows, from one buffer into another.
using Products = std::vector<std::function<void()>>;
using Weights = std::vector<std::unique_ptr<kernels::PackedWeights>>;  // of each expert

struct Operands {
  const Weights& weights;
  const std::byte* rows;
  std::byte* results;
};

Weights packed(const kernels::GroupedGemmProblem& problem, const PeriodicMatrix& weights) {
  const auto n = problem.product.shape.n;
  Weights packed;
  for (std::int64_t expert = 0; expert < problem.groups; ++expert)
    packed.push_back(kernels::make_packed_weights_onednn(problem.product,
                                                         rows_of_matrix(weights, expert * n, n)));
  return packed;
}

Products products_of(const kernels::GroupedGemmProblem& problem,
                     const std::vector<std::int64_t>& expert_rows, const Operands& operands) {
  const auto& [m, n, k] = problem.product.shape;
  const std::int64_t size = size_of(problem.product.a);
  Products products;
  std::int64_t first = 0;
  for (std::size_t expert = 0; expert < expert_rows.size(); ++expert) {
    const auto count = expert_rows[expert];
    if (count == 0) continue;
    auto multiply = operands.weights[expert]->product(count);
    products.push_back([multiply = std::move(multiply), from = operands.rows + first * k * size,
                        to = operands.results + first * n * size] { multiply(from, to); });
    first += count;
  }
  return products;
}

void run_all(const Products& products) {
  for (const auto& run : products) run();
}

class LayerOnCpu final : public MoeLayer {
 public:
  explicit LayerOnCpu(const MoeLayerSetup& setup) : problem_{setup.problem} {
    for (std::size_t set = 0; set < setup.routing.size(); ++set)
      sets_.push_back(std::make_unique<Set>(setup, static_cast<int>(set)));
  }

  void launch(int set, Stream) override {
    for (const auto& [name, run] : sets_[static_cast<std::size_t>(set)]->parts) run();
  }

  void redraw(int set, const MoeLayerRouting& routing) override {
    auto& drawn = *sets_[static_cast<std::size_t>(set)];
    drawn.buffers.logits.assign(routing.logits);
    drawn.draw(routing);
  }

  [[nodiscard]] HostMatrix output() const override {
    return {problem_.values, problem_.tokens, problem_.hidden, 1.0F,
            sets_.front()->buffers.output.to_host<std::byte>()};
  }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return sets_[static_cast<std::size_t>(set)]->buffers.output.span();
  }
  [[nodiscard]] GateTable gate_table() const override {
    return sets_.front()->buffers.gate_table();
  }

  [[nodiscard]] std::vector<LayerPart> parts() override {
    std::vector<LayerPart> all;
    for (std::size_t part = 0; part < sets_.front()->parts.size(); ++part)
      all.push_back({sets_.front()->parts[part].name, [this, part](int set, Stream) {
                       sets_[static_cast<std::size_t>(set)]->parts[part].run();
                     }});
    return all;
  }

  [[nodiscard]] LibraryInfo library() const override {
    auto library = kernels::onednn_library();
    library.algorithm = "last draw: " + kernels::describe_rows(sets_.front()->expert_rows);
    return library;
  }

 private:
  struct Part {
    std::string name;
    std::function<void()> run;
  };

  struct Set {
    Set(const MoeLayerSetup& setup, int set)
        : buffers{setup, set, Memory::Place::host},
          shapes{setup.problem, setup.routing.front().capacity},
          first_problem{first_product(setup.problem)},
          second_problem{second_product(setup.problem)},
          gate_up{packed(first_problem, setup.data.gate_up)},
          down{packed(second_problem, setup.data.down)} {
      draw(setup.routing[static_cast<std::size_t>(set)]);
      parts = {
          {"gate", [this] { topk_gate_cpu(shapes.gate, buffers.gate_tensors()); }},
          {"permute", [this] { permute_cpu(shapes.permute, buffers.permute_tensors()); }},
          {"gemm_1", [this] { run_all(first); }},
          {"swiglu", [this] { swiglu_cpu(shapes.swiglu, buffers.swiglu_tensors()); }},
          {"gemm_2", [this] { run_all(second); }},
          {"unpermute", [this] { unpermute_cpu(shapes.unpermute, buffers.unpermute_tensors()); }}};
    }
    Set(const Set&) = delete;
    Set& operator=(const Set&) = delete;

    void draw(const MoeLayerRouting& routing) {
      expert_rows = routing.expert_rows();
      first =
          products_of(first_problem, expert_rows,
                      {gate_up, buffers.rows.as<std::byte>(), buffers.projected.as<std::byte>()});
      second =
          products_of(second_problem, expert_rows,
                      {down, buffers.activated.as<std::byte>(), buffers.results.as<std::byte>()});
    }

    LayerBuffers buffers;
    LayerShapes shapes;
    kernels::GroupedGemmProblem first_problem, second_problem;
    Weights gate_up, down;
    std::vector<std::int64_t> expert_rows;
    Products first, second;
    std::vector<Part> parts;
  };

  MoeLayerProblem problem_;
  std::vector<std::unique_ptr<Set>> sets_;
};

}  // namespace

void check_moe_layer_onednn(const MoeLayerProblem& problem) {
  if (problem.quantizes())
    throw Unsupported{"the layer on the CPU has no FP8: oneDNN has no such product for it"};
  kernels::check_grouped_gemm_onednn(first_product(problem));
  kernels::check_grouped_gemm_onednn(second_product(problem));
}

std::unique_ptr<MoeLayer> make_moe_layer_onednn(const MoeLayerSetup& setup) {
  return std::make_unique<LayerOnCpu>(setup);
}

}  // namespace moecal::layers
