// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/hold_words.hpp"

namespace moecal::bench {
namespace {

using kernels::GroupedGemmProblem;

constexpr char kOnednn[] = "onednn_loop";
constexpr char kCublas[] = "cublas_grouped";
constexpr char kCublaslt[] = "cublaslt_streams";
constexpr std::uint64_t kSeed = 1;
// Of a library's one call for all groups: it may copy their sizes and add up parts of products.
constexpr int kMostOfOneCall = 8;

void check_supported(const std::string& implementation, const GroupedGemmProblem& problem,
                     int device) {
  if constexpr (build::has_cuda) {
    if (implementation == kCublas) return kernels::check_grouped_gemm_cublas(problem, device);
    if (implementation == kCublaslt) return kernels::check_grouped_gemm_cublaslt(problem, device);
  }
  if constexpr (build::has_cutlass)
    if (implementation != kOnednn)
      return kernels::check_grouped_gemm_cutlass(implementation, problem, device);
  return kernels::check_grouped_gemm_onednn(problem);
}

std::unique_ptr<kernels::GroupedGemm> make(const std::string& implementation,
                                           const kernels::GroupedGemmSetup& setup) {
  if constexpr (build::has_cuda) {
    if (implementation == kCublas) return kernels::make_grouped_gemm_cublas(setup);
    if (implementation == kCublaslt) return kernels::make_grouped_gemm_cublaslt(setup);
  }
  if constexpr (build::has_cutlass)
    if (implementation != kOnednn) return kernels::make_grouped_gemm_cutlass(implementation, setup);
  return kernels::make_grouped_gemm_onednn(setup);
}

class GroupedGemmTrial final : public Trial {
 public:
  GroupedGemmTrial(std::string implementation, GroupedGemmProblem problem, int device)
      : implementation_{std::move(implementation)},
        problem_{std::move(problem)},
        padding_{kernels::token_multiple(problem_.product.scale_mode)} {
    check_supported(implementation_, problem_, device);
  }

  [[nodiscard]] Bytes footprint() const override {
    const auto work = kernels::grouped_gemm_work(problem_);
    return work.read + work.written;
  }
  void prepare(int sets) override {
    operands_ = kernels::make_grouped_gemm_operands(problem_, kSeed);
    gemm_ = make(implementation_, {problem_, operands_, sets});
    for (int set = 0; set < sets; ++set) padding_.add(kernels::group_rows(problem_, set));
    first_rows_ = kernels::group_rows(problem_, 0);
  }
  void launch(int set, Stream stream) override { gemm_->launch(set, stream); }
  [[nodiscard]] std::span<std::byte> written(int set) override { return gemm_->written(set); }
  [[nodiscard]] VerificationResult verify() override {
    const auto checked = kernels::grouped_rows_to_check(problem_, first_rows_);
    return kernels::check_grouped_product_rows(problem_, operands_, first_rows_,
                                               gemm_->result_rows(checked));
  }
  [[nodiscard]] bool redraw(int set, std::int64_t draw) override {
    if (problem_.routing.distribution == "balanced") return false;  // all draws are alike
    const auto rows = kernels::group_rows(problem_, draw);
    gemm_->redraw(set, rows);
    padding_.add(rows);
    if (set == 0) first_rows_ = rows;
    return true;
  }
  [[nodiscard]] LibraryInfo library() const override {
    auto library = gemm_->library();
    library.algorithm += " " + padding_.describe();
    return library;
  }
  [[nodiscard]] int enqueues() const override {
    if (implementation_ == kOnednn) return 0;
    return implementation_ == kCublaslt
               ? enqueued_by_graph(kernels::enqueued_by_cublaslt(problem_.groups))
               : kMostOfOneCall;
  }
  [[nodiscard]] std::string filled_with() const override {
    if (operands_.a_scales.empty()) return kUniformFill;
    return std::string{kUniformFill} + ", times a scale per block";
  }

 private:
  std::string implementation_;
  GroupedGemmProblem problem_;
  kernels::ExpertGemmOperands operands_;
  std::vector<std::int64_t> first_rows_;  // of the draw that set 0 has
  kernels::PaddingRange padding_;
  std::unique_ptr<kernels::GroupedGemm> gemm_;
};

/// n and k of one expert's products, how many experts, and their mean rows.
struct Layer {
  std::int64_t n;
  std::int64_t k;
  std::vector<std::int64_t> groups;
  std::vector<std::int64_t> rows;
  std::vector<std::string> families;
};

void append(std::vector<Case>& cases, const Layer& layer, const std::string& distribution) {
  for (const auto groups : layer.groups)
    for (const auto m : layer.rows)
      for (const auto& family : layer.families) {
        Case c;
        c.point = {{"groups", groups}, {"m", m}, {"n", layer.n}, {"k", layer.k}};
        c.dtypes = kernels::expert_gemm_dtypes(family);
        c.routed = true;
        c.routing.distribution = distribution;
        cases.push_back(c);
      }
}

std::vector<Case> quick_cases() {
  std::vector<Case> cases;
  append(cases, {1024, 512, {4}, {256}, {"f32", "f16", "bf16"}}, "uniform");
  append(cases, {2048, 1024, {8}, {64}, {"f32", "bf16"}}, "power_law");
  return cases;
}

// Scales per block as cards have them: Hopper's, Blackwell's. The other card skips them.
constexpr char kHopperBlocks[] = "fp8_e4m3/block_128x128";
constexpr char kBlackwellBlocks[] = "fp8_e4m3/mx";

/// The documents' layers as their ranks hold them: how much a group more, a row more and a skewed
/// draw cost. What one group costs alone is expert_gemm's.
std::vector<Case> planner_cases() {
  std::vector<Case> cases = quick_cases();
  append(cases, {28672, 4096, {2, 4}, {128, 4096}, {"bf16", "fp8_e4m3"}}, "uniform");
  append(cases, {4096, 14336, {4}, {128, 2048}, {"bf16", "fp8_e4m3"}}, "uniform");
  append(cases, {7168, 4096, {8}, {1024}, {"bf16"}}, "uniform");
  append(cases, {2048, 512, {4}, {256, 4096, 24576}, {"f16", "fp8_e4m3"}}, "uniform");
  append(cases, {512, 1024, {4}, {4096}, {"f16", "fp8_e4m3"}}, "uniform");
  append(cases, {7168, 2048, {2, 64}, {512}, {"bf16"}}, "uniform");
  append(cases, {2048, 1024, {64}, {512, 2048}, {"bf16"}}, "power_law");
  const std::vector<std::string> blocks{kHopperBlocks, kBlackwellBlocks};
  append(cases, {28672, 4096, {4}, {512, 4096}, blocks}, "uniform");
  append(cases, {4096, 14336, {4}, {2048}, blocks}, "uniform");
  return cases;
}

std::vector<Case> full_cases() {
  std::vector<Case> cases = planner_cases();
  const std::vector<std::string> families{"bf16", "fp8_e4m3", kHopperBlocks, kBlackwellBlocks};
  for (const auto* distribution : {"balanced", "power_law"}) {
    append(cases, {4096, 7168, {32}, {4, 32, 256, 1024}, families}, distribution);
    append(cases, {7168, 2048, {256}, {1, 16, 128}, families}, distribution);
    append(cases, {3072, 4096, {128}, {8, 64, 512}, {"bf16", "fp8_e4m3"}}, distribution);
  }
  append(cases, {4096, 7168, {32}, {256}, {"fp8_e4m3/outer_vector", "fp8_e4m3/block_1x128"}},
         "power_law");
  return cases;
}

class GroupedGemm final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "grouped_gemm"; }
  [[nodiscard]] PointTimes point_times() const override {
    // What the library loads at the start is shared by few points of quick, fewer without
    // CUTLASS's.
    constexpr double kOfQuick = build::has_cutlass ? 0.04 : 0.055;
    return {Seconds{kOfQuick}, Seconds{0.08}, Seconds{0.175}};
  }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int) const override {
    auto cases = suite == Suite::quick     ? quick_cases()
                 : suite == Suite::planner ? planner_cases()
                                           : full_cases();
    // CPUs often have nothing but f32, which GPUs are not for.
    if (backend == "cuda") std::erase_if(cases, [](const Case& c) { return c.dtypes.a == "f32"; });
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::grouped_gemm_work(problem_of(c));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if constexpr (build::has_cuda)
      found = {{kCublas, "cuda"}, {.name = kCublaslt, .backend = "cuda", .graph = "cuda_graph"}};
    if constexpr (build::has_cutlass)
      for (const auto& name : kernels::cutlass_implementations()) found.push_back({name, "cuda"});
    found.push_back({kOnednn, "cpu"});
    return found;
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    return std::make_unique<GroupedGemmTrial>(implementation.name, problem_of(c), context.device);
  }

 private:
  static GroupedGemmProblem problem_of(const Case& c) {
    return kernels::grouped_gemm_problem(c.point, c.dtypes, c.routing);
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_grouped_gemm() { return std::make_unique<GroupedGemm>(); }

}  // namespace moecal::bench
