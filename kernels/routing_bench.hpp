// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/dtype.hpp"
#include "core/routing.hpp"
#include "runtime/memory.hpp"

/// What the benchmarks of topk_gate, permute and unpermute share: their points, data and places.
namespace moecal::bench {

/// The CPU measurement is the oracle: a plain loop on one thread, not a tuned library.
inline const Implementation kOracleLoop{"oracle_loop", "cpu"};
/// Our own kernels.
inline const Implementation kOwnCuda{"own", "cuda"};

/// Those of this build, for an operation with own CUDA kernels.
[[nodiscard]] std::vector<Implementation> own_implementations();
[[nodiscard]] LibraryInfo own_library();
[[nodiscard]] Memory::Place place_of(const Implementation& implementation);

/// What names a routed point; hidden is 0 where the operation has none.
struct RoutedPoint {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::string dtype;
  double capacity_factor = 0;
};

[[nodiscard]] Case routed_case(const RoutedPoint& point);
/// The points of permute and unpermute: the documents' layers, and around them.
[[nodiscard]] std::vector<RoutedPoint> row_points(Suite suite);

/// The points of topk_gate: the documents' routers, and around them.
[[nodiscard]] std::vector<RoutedPoint> gate_points(Suite suite);

/// The routing of one buffer set: its table is drawn anew for every set.
struct SetRouting {
  SetRouting(const Case& c, int set);
  RoutingDraw draw;
  std::int64_t capacity;             // rows an expert takes at most; 0: no limit
  std::vector<std::int32_t> row_of;  // [tokens, top_k]
};

/// `count` elements of `dtype` as bytes, uniform in [-1, 1]; fp8: any finite values.
[[nodiscard]] std::vector<std::byte> uniform_elements(Dtype dtype, std::int64_t count,
                                                      std::uint64_t seed);

/// Logits [tokens, experts] of `dtype` whose top_k and weights are the draw's: the chosen experts
/// have the logarithm of their weight, moved above the others' uniform [-1, 1].
[[nodiscard]] std::vector<std::byte> gate_logits(Dtype dtype, const RoutingDraw& draw);

/// Largest difference between two arrays of a floating-point dtype, over the largest magnitude in
/// `expected`; infinite if they differ in size or one has a NaN.
[[nodiscard]] double relative_error(Dtype dtype, const std::vector<std::byte>& actual,
                                    const std::vector<std::byte>& expected);

/// One case of a routed operation. An Operation is a struct with static members
///
///   name                                      the operation's word in records
///   points(suite)                             its sweep
///   shape_of(case)                            a Shape; check_shape(Shape) refuses impossible ones
///   work(shape)
///   run_cpu(shape, buffers), run_cuda(shape, buffers, stream)
///   verify(shape, buffers)                    what the last run left, against the oracle
///
/// and a struct Buffers{case, shape, place, set}: the tensors of one buffer set.
template <class Operation>
class RoutedTrial final : public Trial {
 public:
  RoutedTrial(const Case& c, Memory::Place place)
      : case_{c}, shape_{Operation::shape_of(c)}, place_{place} {
    check_shape(shape_);
  }
  [[nodiscard]] Bytes footprint() const override {
    const auto work = Operation::work(shape_);
    return work.read + work.written;
  }
  void prepare(int sets) override {
    for (int set = 0; set < sets; ++set) sets_.emplace_back(case_, shape_, place_, set);
  }
  void launch(int set, Stream stream) override {
    const auto& buffers = sets_[static_cast<std::size_t>(set)];
    if (place_ == Memory::Place::host) return Operation::run_cpu(shape_, buffers);
    if constexpr (build::has_cuda) Operation::run_cuda(shape_, buffers, stream);
  }
  [[nodiscard]] VerificationResult verify() override {
    return Operation::verify(shape_, sets_.front());
  }
  [[nodiscard]] LibraryInfo library() const override { return own_library(); }

 private:
  Case case_;
  decltype(Operation::shape_of(Case{})) shape_;
  Memory::Place place_;
  std::vector<typename Operation::Buffers> sets_;
};

template <class Operation>
class RoutedBenchmark final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return Operation::name; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    std::vector<Case> cases;
    for (const auto& point : Operation::points(suite)) cases.push_back(routed_case(point));
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return Operation::work(Operation::shape_of(c));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return own_implementations();
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    return std::make_unique<RoutedTrial<Operation>>(c, place_of(implementation));
  }
};

}  // namespace moecal::bench
