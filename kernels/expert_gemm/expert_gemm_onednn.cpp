// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"

namespace moecal::kernels {
namespace {

using dnnl::memory;

std::string version() {
  const auto* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

std::string isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 with BF16";
    default:
      return "instruction set " + std::to_string(static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

memory::data_type onednn_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return memory::data_type::f32;
    case Dtype::bf16:
      return memory::data_type::bf16;
    case Dtype::f16:
      return memory::data_type::f16;
    case Dtype::int8:
      return memory::data_type::s8;
    case Dtype::int32:
      return memory::data_type::s32;
    case Dtype::uint8:
    case Dtype::fp8_e4m3:
    case Dtype::fp8_e5m2:
      break;
  }
  throw Unsupported{"oneDNN " + version() + " has no matmul for " + std::string{to_string(dtype)} +
                    " on CPUs"};
}

// Row-major, of [rows, k] for tokens and [k, columns] for weights.
memory::format_tag stored(bool transposed) {
  return transposed ? memory::format_tag::ba : memory::format_tag::ab;
}

// The weights' format is oneDNN's choice: that is what packing means.
dnnl::matmul::primitive_desc describe(const ExpertGemmProblem& problem,
                                      const dnnl::engine& engine) {
  const auto& [m, n, k] = problem.shape;
  using tag = memory::format_tag;
  const memory::desc a{{m, k}, onednn_type(problem.a), stored(problem.a_is_k_by_m())};
  const memory::desc b{{k, n}, onednn_type(problem.b), tag::any};
  const memory::desc c{{m, n}, onednn_type(problem.c), tag::ab};
  try {
    return {dnnl::matmul::desc{a, b, c}, engine};
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented)
      throw Error{std::string{"oneDNN matmul: "} + error.message};
    throw Unsupported{"oneDNN " + version() + " has no " + type_names(problem) +
                      " matmul for this CPU (" + isa_name() + ")"};
  }
}

memory filled(const PeriodicMatrix& matrix, const memory::desc& layout,
              const dnnl::engine& engine) {
  memory result{layout, engine};
  matrix.data.copy(0, {static_cast<std::byte*>(result.get_data_handle()), matrix.data.size()});
  return result;
}

struct Machine {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

memory pack(const PeriodicMatrix& weights, memory::format_tag tag,
            const dnnl::matmul::primitive_desc& description, Machine& machine) {
  const auto& layout = description.weights_desc();
  memory plain = filled(weights, {layout.dims(), onednn_type(weights.dtype), tag}, machine.engine);
  memory packed{layout, machine.engine};
  dnnl::reorder{plain, packed}.execute(machine.stream, plain, packed);
  machine.stream.wait();
  return packed;
}

// A first call that takes minutes would hold up a sweep before anything could be known: the rate of
// a small product tells beforehand. It is below that of a large one by at most about kMargin.
constexpr ExpertGemmShape kProbe{256, 512, 512};
constexpr double kWorthProbingFlops = 1e10;
constexpr double kLongestCallSeconds = 2.0;
constexpr double kMargin = 2.0;

double seconds_of(ExpertGemm& gemm) {
  const auto start = std::chrono::steady_clock::now();
  gemm.launch(0, nullptr);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double estimated_seconds(const ExpertGemmProblem& problem) {
  ExpertGemmProblem probe = problem;
  probe.shape = kProbe;
  const auto operands = make_expert_gemm_operands(probe, 1);
  const auto gemm = make_expert_gemm_onednn({probe, operands, 1});
  double fastest = seconds_of(*gemm);
  for (int repetition = 0; repetition < 3; ++repetition)
    fastest = std::min(fastest, seconds_of(*gemm));
  return fastest * (expert_gemm_work(problem).flops / expert_gemm_work(probe).flops);
}

void check_duration(const ExpertGemmProblem& problem) {
  if (expert_gemm_work(problem).flops.value() < kWorthProbingFlops) return;
  const double seconds = estimated_seconds(problem);
  if (seconds > kMargin * kLongestCallSeconds)
    throw Unsupported{"one call would take about " + std::to_string(std::lround(seconds)) +
                      " s at the rate of a 256 x 512 x 512 product; points over 2 s a call are "
                      "skipped"};
}

LibraryInfo library_of(const dnnl::matmul::primitive_desc& description) {
  const std::string kernel{description.impl_info_str()};
  return {"oneDNN", version(), kernel + " threads=" + std::to_string(omp_get_max_threads()), 0};
}

class OnednnGemm final : public ExpertGemm {
 public:
  explicit OnednnGemm(const ExpertGemmSetup& setup)
      : problem_{setup.problem},
        description_{describe(setup.problem, machine_.engine)},
        matmul_{description_} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
  }

  void launch(int set, Stream) override {
    matmul_.execute(machine_.stream, sets_[static_cast<std::size_t>(set)]);
    machine_.stream.wait();
  }

  [[nodiscard]] HostMatrix result() const override {
    auto matrix = zero_matrix(problem_.c, {problem_.shape.m, problem_.shape.n});
    std::memcpy(matrix.data.data(), sets_[0].at(DNNL_ARG_DST).get_data_handle(),
                matrix.data.size());
    return matrix;
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].at(DNNL_ARG_DST);
    return {static_cast<std::byte*>(result.get_data_handle()), result.get_desc().get_size()};
  }

  [[nodiscard]] LibraryInfo library() const override { return library_of(description_); }

 private:
  using Arguments = std::unordered_map<int, memory>;

  void add_set(const ExpertGemmOperands& operands) {
    const auto& engine = machine_.engine;
    sets_.push_back({{DNNL_ARG_SRC, filled(operands.a, description_.src_desc(), engine)},
                     {DNNL_ARG_WEIGHTS,
                      pack(operands.b, stored(!operands.b_is_k_by_n), description_, machine_)},
                     {DNNL_ARG_DST, memory{description_.dst_desc(), engine}}});
  }

  ExpertGemmProblem problem_;
  Machine machine_;
  dnnl::matmul::primitive_desc description_;
  dnnl::matmul matmul_;
  std::vector<Arguments> sets_;
};

class OnednnWeights final : public PackedWeights {
 public:
  OnednnWeights(const ExpertGemmProblem& problem, const PeriodicMatrix& weights)
      : problem_{problem},
        description_{describe(problem, machine_->engine)},
        packed_{pack(weights, stored(!problem.b_is_k_by_n()), description_, *machine_)} {}

  [[nodiscard]] PackedProduct product(std::int64_t rows) override {
    problem_.shape.m = rows;
    description_ = describe(problem_, machine_->engine);
    repack();
    return [machine = machine_, description = description_, multiply = dnnl::matmul{description_},
            packed = packed_](const void* a, void* c) {
      const memory from{description.src_desc(), machine->engine, const_cast<void*>(a)};
      const memory to{description.dst_desc(), machine->engine, c};
      multiply.execute(machine->stream,
                       {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, to}});
      machine->stream.wait();
    };
  }

  [[nodiscard]] LibraryInfo library() const override { return library_of(description_); }

 private:
  void repack() {
    if (packed_.get_desc() == description_.weights_desc()) return;
    memory other{description_.weights_desc(), machine_->engine};
    dnnl::reorder{packed_, other}.execute(machine_->stream, packed_, other);
    machine_->stream.wait();
    packed_ = other;
  }

  std::shared_ptr<Machine> machine_ = std::make_shared<Machine>();
  ExpertGemmProblem problem_;
  dnnl::matmul::primitive_desc description_;
  memory packed_;
};

}  // namespace

void check_expert_gemm_onednn(const ExpertGemmProblem& problem) {
  if (problem.scale_mode != "none")
    throw Unsupported{"oneDNN " + version() + " is measured without scales, not with scale mode '" +
                      problem.scale_mode + "'"};
  const dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  (void)describe(problem, engine);
  check_duration(problem);
}

LibraryInfo onednn_library() { return {"oneDNN", version(), "", 0}; }

std::unique_ptr<PackedWeights> make_packed_weights_onednn(const ExpertGemmProblem& problem,
                                                          const PeriodicMatrix& weights) {
  return std::make_unique<OnednnWeights>(problem, weights);
}

std::unique_ptr<ExpertGemm> make_expert_gemm_onednn(const ExpertGemmSetup& setup) {
  return std::make_unique<OnednnGemm>(setup);
}

}  // namespace moecal::kernels
