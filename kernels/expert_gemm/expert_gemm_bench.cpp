// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/expert_gemm/product_check.hpp"

namespace moecal::bench {
namespace {

using kernels::ExpertGemmProblem;

constexpr char kOnednn[] = "onednn_packed";
constexpr char kCublaslt[] = "cublaslt";
constexpr std::uint64_t kSeed = 1;

void check_supported(const std::string& implementation, const ExpertGemmProblem& problem,
                     int device) {
  if constexpr (build::has_cuda)
    if (implementation == kCublaslt) return kernels::check_expert_gemm_cublaslt(problem, device);
  return kernels::check_expert_gemm_onednn(problem);
}

std::unique_ptr<kernels::ExpertGemm> make(const std::string& implementation,
                                          const kernels::ExpertGemmSetup& setup) {
  if constexpr (build::has_cuda)
    if (implementation == kCublaslt) return kernels::make_expert_gemm_cublaslt(setup);
  return kernels::make_expert_gemm_onednn(setup);
}

class ExpertGemmTrial final : public Trial {
 public:
  ExpertGemmTrial(std::string implementation, const ExpertGemmProblem& problem, int device)
      : implementation_{std::move(implementation)}, problem_{problem} {
    check_supported(implementation_, problem_, device);
  }

  [[nodiscard]] Bytes footprint() const override {
    const auto work = kernels::expert_gemm_work(problem_);
    return work.read + work.written;
  }
  void prepare(int sets) override {
    operands_ = kernels::make_expert_gemm_operands(problem_, kSeed);
    gemm_ = make(implementation_, {problem_, operands_, sets});
  }
  void launch(int set, Stream stream) override { gemm_->launch(set, stream); }
  [[nodiscard]] std::span<std::byte> written(int set) override { return gemm_->written(set); }
  [[nodiscard]] VerificationResult verify() override {
    return kernels::check_product_rows(problem_, operands_,
                                       gemm_->result_rows(kernels::rows_to_check(problem_)));
  }
  /// A split-K product is a kernel that clears, one that multiplies and one that adds up.
  [[nodiscard]] int enqueues() const override { return implementation_ == kCublaslt ? 3 : 0; }
  [[nodiscard]] std::string filled_with() const override {
    if (operands_.a_scales.empty()) return kUniformFill;
    return std::string{kUniformFill} + ", times a scale per block";
  }
  [[nodiscard]] LibraryInfo library() const override { return gemm_->library(); }

 private:
  std::string implementation_;
  ExpertGemmProblem problem_;
  kernels::ExpertGemmOperands operands_;
  std::unique_ptr<kernels::ExpertGemm> gemm_;
};

class ExpertGemm final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "expert_gemm"; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int) const override {
    std::vector<Case> cases;
    for (const auto& [shape, dtypes] : points(suite, backend == "cuda")) {
      Case c;
      c.point = {{"m", shape.m}, {"n", shape.n}, {"k", shape.k}};
      c.dtypes = dtypes;
      cases.push_back(c);
    }
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::expert_gemm_work(kernels::expert_gemm_problem(c.point, c.dtypes));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if (build::has_cuda) found.push_back({kCublaslt, "cuda"});
    found.push_back({kOnednn, "cpu"});
    return found;
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    const auto problem = kernels::expert_gemm_problem(c.point, c.dtypes);
    return std::make_unique<ExpertGemmTrial>(implementation.name, problem, context.device);
  }

 private:
  static std::vector<kernels::ExpertGemmPoint> points(Suite suite, bool for_gpus) {
    if (suite == Suite::quick) return kernels::quick_sweep(for_gpus);
    return suite == Suite::planner ? kernels::planner_sweep(for_gpus)
                                   : kernels::full_sweep(for_gpus);
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_expert_gemm() { return std::make_unique<ExpertGemm>(); }

}  // namespace moecal::bench
