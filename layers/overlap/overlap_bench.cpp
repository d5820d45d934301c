// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/overlap/overlap.hpp"

#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/group_link_bench.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "runtime/memory.hpp"

namespace moecal::bench {
namespace {

using namespace layers;
using collectives::CollectiveShape;
using collectives::GroupLink;
using collectives::GroupSpec;
using collectives::LaunchGroups;
using kernels::ExpertGemmProblem;

constexpr std::uint64_t kSeed = 1;

/// What is computed and what is exchanged beside it: the GEMM's sizes, and the bytes of one rank's
/// send buffer.
struct Pair {
  std::int64_t m, n, k, bytes;
};

/// From much more of the one to much more of the other: only so do both slowdowns show.
std::vector<Pair> pairs_of(Suite suite, bool for_gpus) {
  const std::int64_t width = for_gpus ? 4096 : 512;
  const std::int64_t unit = for_gpus ? std::int64_t{1} << 20 : std::int64_t{1} << 16;
  std::vector<std::int64_t> tokens{width / 8, width};
  std::vector<std::int64_t> bytes{unit, 16 * unit};
  if (suite != Suite::quick) {
    tokens = {width / 16, width / 4, width, 4 * width};
    bytes = {unit, 4 * unit, 16 * unit, 64 * unit};
  }
  std::vector<Pair> pairs;
  for (const auto m : tokens)
    for (const auto sent : bytes) pairs.push_back({m, width, width, sent});
  return pairs;
}

ExpertGemmProblem problem_of(const Case& c) {
  return kernels::expert_gemm_problem(
      {{"m", c.point.at("m")}, {"n", c.point.at("n")}, {"k", c.point.at("k")}}, c.dtypes);
}

CollectiveShape exchange_of(const Case& c) {
  return {c.point.at("bytes"), parse_dtype(c.dtypes.a), c.ranks.group};
}

class OverlapTrial final : public Trial {
 public:
  OverlapTrial(const Case& c, const GroupLink& group)
      : problem_{problem_of(c)}, exchange_{exchange_of(c)}, group_{group} {
    if constexpr (build::has_cuda)
      if (group_.device >= 0) kernels::check_expert_gemm_cublaslt(problem_, group_.device);
    if (group_.device < 0) kernels::check_expert_gemm_onednn(problem_);
  }

  void prepare(int) override {
    if (!takes_part()) return;
    operands_ = kernels::make_expert_gemm_operands(problem_, kSeed);
    make_gemm();
    std::vector<std::byte> sent(static_cast<std::size_t>(exchange_.bytes));
    all_to_all_fill(exchange_, group_.where.rank_in_group, sent);
    send_ = Memory::of(place(), sent);
    receive_ = Memory{place(), sent.size()};
    const OverlapWork work{[this](Stream stream) { gemm_->launch(0, stream); },
                           [this](Stream stream) { exchange(stream); }};
    if constexpr (build::has_cuda)
      if (group_.device >= 0) overlap_ = make_overlap_cuda(work);
    if (group_.device < 0) overlap_ = make_overlap_cpu(work);
  }
  void launch(int, Stream stream) override { overlap_->launch_both(stream); }
  [[nodiscard]] std::vector<Part> parts() override {
    const auto both = [this](int, Stream stream) { overlap_->launch_both_timed(stream); };
    return {{"gemm", [this](int, Stream stream) { overlap_->launch_compute(stream); }},
            {"all_to_all", [this](int, Stream stream) { overlap_->launch_communicate(stream); }},
            {"gemm_beside", both, [this] { return overlap_->take_times().compute; }},
            {"all_to_all_beside", both, [this] { return overlap_->take_times().communicate; }}};
  }
  void check_progress(Seconds waited) override { group_.check_progress("overlap", waited); }
  [[nodiscard]] std::string filled_with() const override {
    return std::string{bench::kUniformFill} + "; sent: pattern of rank and index";
  }
  [[nodiscard]] Bytes footprint() const override {
    if (!takes_part()) return Bytes{0};
    const Work gemm = expert_gemm_work(problem_);
    return gemm.read + gemm.written + Bytes{2.0 * static_cast<double>(exchange_.bytes)};
  }
  [[nodiscard]] VerificationResult verify() override {
    if (!takes_part()) return {0, 0, "none"};
    // What an earlier launch left would pass for what this one brings.
    receive_.assign(std::vector<std::byte>(receive_.bytes(), collectives::kStale));
    group_.call_once("overlap", [this](Stream stream) { launch(0, stream); });
    const auto received = receive_.to_host<std::byte>();
    if (all_to_all_error(exchange_, group_.where.rank_in_group, received) != 0)
      return {1, 0, "pattern"};
    return kernels::check_product(problem_, operands_, gemm_->result());
  }
  [[nodiscard]] LibraryInfo library() const override { return group_.library(); }
  [[nodiscard]] bool takes_part() const override { return group_.where.takes_part; }
  [[nodiscard]] int group() const override { return group_.where.index; }

 private:
  [[nodiscard]] Memory::Place place() const {
    return group_.device < 0 ? Memory::Place::host : Memory::Place::device;
  }
  void make_gemm() {
    const kernels::ExpertGemmSetup setup{problem_, operands_, 1};
    if constexpr (build::has_cuda)
      if (group_.device >= 0) gemm_ = make_expert_gemm_cublaslt(setup);
    if (group_.device < 0) gemm_ = make_expert_gemm_onednn(setup);
  }
  void exchange(Stream stream) {
    const collectives::CollectiveTensors tensors{send_.as<std::byte>(), receive_.as<std::byte>()};
    if constexpr (build::has_mpi)
      if (group_.mpi != nullptr) return all_to_all_mpi(exchange_, tensors, *group_.mpi);
    if constexpr (build::has_nccl)
      all_to_all_nccl_send_recv(exchange_, tensors, group_.nccl, stream);
  }

  ExpertGemmProblem problem_;
  CollectiveShape exchange_;
  GroupLink group_;
  kernels::ExpertGemmOperands operands_;
  std::unique_ptr<kernels::ExpertGemm> gemm_;
  Memory send_{Memory::Place::host, 0};
  Memory receive_{Memory::Place::host, 0};
  std::unique_ptr<Overlap> overlap_;  // last: its thread uses the others
};

class OverlapBenchmark final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "overlap"; }
  void meet(ControlPlane& world) override { groups_->meet(world); }

  /// In groups of all ranks only: what a pair is beside depends little on who the peers are.
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string& backend,
                                        int world) const override {
    std::vector<Case> cases;
    if (world < 2) return cases;
    const GroupSpec whole{world, world, collectives::Placement::contiguous, false};
    const Ranks ranks = to_ranks(whole, groups_->nodes(world));
    const bool for_gpus = backend == "nccl";
    for (const Pair& pair : pairs_of(suite, for_gpus)) {
      Case c;
      c.dtypes.a = c.dtypes.b = c.dtypes.c = for_gpus ? "bf16" : "f32";
      c.dtypes.accumulate = "f32";
      c.dtypes.scale_mode = "none";
      const std::int64_t block = world * size_of(parse_dtype(c.dtypes.a));
      c.point = {
          {"m", pair.m}, {"n", pair.n}, {"k", pair.k}, {"bytes", pair.bytes - pair.bytes % block}};
      c.ranks = ranks;
      cases.push_back(c);
    }
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    Work work = expert_gemm_work(problem_of(c));
    const Work exchanged = all_to_all_work(exchange_of(c));
    work.read = work.read + exchanged.read;
    work.written = work.written + exchanged.written;
    work.sent = exchanged.sent;
    work.messages = exchanged.messages;
    return work;
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if constexpr (build::has_nccl) found.push_back({"cublaslt_nccl", "nccl"});
    if constexpr (build::has_mpi) found.push_back({"onednn_ompi", "mpi"});
    return found;
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    const GroupLink group = connect(*groups_, implementation, c.ranks, context);
    if constexpr (build::has_mpi)
      if (group.mpi != nullptr) collectives::all_to_all_check_mpi(exchange_of(c));
    return std::make_unique<OverlapTrial>(c, group);
  }

 private:
  std::unique_ptr<LaunchGroups> groups_ = std::make_unique<LaunchGroups>();
};

}  // namespace

std::unique_ptr<Benchmark> make_overlap() { return std::make_unique<OverlapBenchmark>(); }

}  // namespace moecal::bench
