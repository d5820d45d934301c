// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "kernels/grouped_gemm/grouped_gemm.hpp"

namespace moecal::kernels {
namespace {

class OnednnGroups final : public GroupedGemm {
 public:
  explicit OnednnGroups(const GroupedGemmSetup& setup) : problem_{setup.problem} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup, group_rows(problem_, set));
  }

  void launch(int set, Stream stream) override {
    for (const auto& product : sets_[static_cast<std::size_t>(set)]) product->launch(0, stream);
  }

  [[nodiscard]] HostMatrix result() const override {
    HostMatrix all{problem_.product.c, 0, problem_.product.shape.n, 1.0F, {}};
    for (const auto& product : sets_.front()) {
      const auto part = product->result();
      all.rows += part.rows;
      all.data.insert(all.data.end(), part.data.begin(), part.data.end());
    }
    return all;
  }

  [[nodiscard]] LibraryInfo library() const override {
    auto library = sets_.front().front()->library();
    library.algorithm += " " + describe_rows(group_rows(problem_, 0));
    return library;
  }

 private:
  using Products = std::vector<std::unique_ptr<ExpertGemm>>;

  void add_set(const GroupedGemmSetup& setup, const std::vector<std::int64_t>& rows) {
    Products products;
    for (std::int64_t group = 0; group < problem_.groups; ++group) {
      if (rows[static_cast<std::size_t>(group)] == 0) continue;
      const auto product = group_problem(problem_, rows, group);
      const auto operands = group_operands(problem_, setup.operands, rows, group);
      products.push_back(make_expert_gemm_onednn({product, operands, 1}));
    }
    sets_.push_back(std::move(products));
  }

  GroupedGemmProblem problem_;
  std::vector<Products> sets_;
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
