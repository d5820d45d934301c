// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/memory.hpp"

namespace moecal::kernels {
namespace {

class OnednnGroups final : public GroupedGemm {
 public:
  explicit OnednnGroups(const GroupedGemmSetup& setup) : problem_{setup.problem} {
    for (int set = 0; set < setup.sets; ++set) {
      add_set(setup.operands);
      redraw(set, group_rows(problem_, set));
    }
  }

  void redraw(int set, const std::vector<std::int64_t>& rows) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    const auto& product = problem_.product;
    buffers.rows = rows;
    buffers.products.clear();
    std::int64_t first = 0;
    for (std::size_t group = 0; group < rows.size(); ++group) {
      if (rows[group] == 0) continue;
      buffers.products.push_back(
          [multiply = buffers.weights[group]->product(rows[group]),
           from = buffers.tokens.as<std::byte>() + first * product.shape.k * size_of(product.a),
           to = buffers.result.as<std::byte>() + first * product.shape.n * size_of(product.c)] {
            multiply(from, to);
          });
      add_kernel(buffers.weights[group]->library().algorithm);
      first += rows[group];
    }
  }

  void launch(int set, Stream) override {
    for (const auto& product : sets_[static_cast<std::size_t>(set)].products) product();
  }

  [[nodiscard]] HostMatrix result() const override {
    auto result = zero_matrix(problem_.product.c, result_shape(problem_, sets_.front().rows));
    const auto* from = sets_.front().result.as<std::byte>();
    result.data.assign(from, from + result.data.size());
    return result;
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    return sets_[static_cast<std::size_t>(set)].result.span();
  }

  [[nodiscard]] LibraryInfo library() const override {
    auto library = onednn_library();
    for (const auto& kernel : kernels_)
      library.algorithm += (library.algorithm.empty() ? "" : " or ") + kernel;
    library.algorithm += " first draw: " + describe_rows(group_rows(problem_, 0));
    return library;
  }

 private:
  struct Set {
    Memory tokens, result;
    std::vector<std::unique_ptr<PackedWeights>> weights;  // of each group
    std::vector<std::int64_t> rows{};
    std::vector<std::function<void()>> products{};  // of the groups that have rows
  };

  void add_kernel(const std::string& kernel) {
    if (std::ranges::find(kernels_, kernel) == kernels_.end()) kernels_.push_back(kernel);
  }

  void add_set(const ExpertGemmOperands& operands) {
    const auto& product = problem_.product;
    const auto bytes =
        static_cast<std::size_t>(operands.a.rows * product.shape.n * size_of(product.c));
    Set set{Memory::of(Memory::Place::host, operands.a.data), {Memory::Place::host, bytes}, {}};
    for (std::int64_t group = 0; group < problem_.groups; ++group)
      set.weights.push_back(make_packed_weights_onednn(
          product, rows_of_matrix(operands.b, group * product.shape.n, product.shape.n)));
    sets_.push_back(std::move(set));
  }

  GroupedGemmProblem problem_;
  std::vector<Set> sets_;
  std::vector<std::string> kernels_;  // of the products of all draws, each once
};

}  // namespace

void check_grouped_gemm_onednn(const GroupedGemmProblem& problem) {
  ExpertGemmProblem as_one = problem.product;
  as_one.shape.m *= problem.groups;
  check_expert_gemm_onednn(as_one);
}

std::unique_ptr<GroupedGemm> make_grouped_gemm_onednn(const GroupedGemmSetup& setup) {
  return std::make_unique<OnednnGroups>(setup);
}

}  // namespace moecal::kernels
