// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/dtype.hpp"
#include "core/fill.hpp"
#include "runtime/device_slabs.hpp"
#include "runtime/memory.hpp"

/// What the benchmarks of operations with own CUDA kernels share: implementations, data, trial.
namespace moecal::bench {

/// The CPU measurement is the oracle: a plain loop on one thread, not a tuned library.
inline const Implementation kOracleLoop{"oracle_loop", "cpu"};
/// Our own kernels.
inline const Implementation kOwnCuda{"own", "cuda"};

/// Those of this build, for an operation with own CUDA kernels.
[[nodiscard]] std::vector<Implementation> own_implementations();
[[nodiscard]] LibraryInfo own_library();
[[nodiscard]] Memory::Place place_of(const Implementation& implementation);

/// No own operation enqueues more in one launch (topk_gate does).
inline constexpr int kMostKernels = 4;

/// An input of elements uniform in [-1, 1]: what it holds, and where it is read. The same in every
/// buffer set.
struct UniformInput {
  UniformInput(Memory::Place place, const UniformFill& fill, std::int64_t count)
      : bytes{uniform_bytes(fill, count)}, memory{Memory::of(place, bytes)} {}
  PeriodicBytes bytes;
  Memory memory;
};

/// Largest difference between two arrays of a floating-point dtype, over the largest magnitude in
/// `expected`; infinite if they differ in size or one has a NaN.
[[nodiscard]] double relative_error(Dtype dtype, const std::vector<std::byte>& actual,
                                    const std::vector<std::byte>& expected);

/// A part of an operation: what it does, and how it is launched.
template <class Shape, class Buffers>
struct OwnPart {
  std::string name;
  Work (*work)(const Shape&);
  void (*run)(const Shape&, const Buffers&, Stream);
};

template <class Operation>
concept HasPool = requires {
  typename Operation::Pool;
};

/// One case of an operation with own kernels. An Operation is a struct with static members
///
///   name                                      the operation's word in records
///   cases(suite)                              its sweep
///   shape_of(case)                            a Shape; check_shape(Shape) refuses impossible ones
///   work(shape)
///   run_cpu(shape, buffers), run_cuda(shape, buffers, stream)
///   result(buffers)                           the Memory whose first bytes every run writes
///   verify(shape, buffers)                    what the last run left, against the oracle
///
/// and a struct Buffers{case, shape, place, draw}: the tensors of one buffer set, of the routing
/// draw of that number where it routes. It may also have
///
///   redraw(case, buffers, draw)               another draw, in place; else Buffers are made anew
///   implementations()                         other than own_implementations()
///   Pool{case, shape, place}                  what all sets' draws come from: Buffers and redraw
///                                             take it instead of the case
///   leads(shape)                              Benchmark::leads, else those that move 256 MiB
///   choose(implementation, shape&)            what an implementation changes in the shape
///   point_times                               Benchmark::point_times
///   cuda_parts()                              OwnPart, timed apart
///   fill                                      other than kUniformFill
template <class Operation>
class OwnTrial final : public Trial {
 public:
  OwnTrial(const Case& c, const Implementation& implementation)
      : case_{c}, shape_{Operation::shape_of(c)}, place_{place_of(implementation)} {
    if constexpr (requires { Operation::choose(implementation, shape_); })
      Operation::choose(implementation, shape_);
    check_shape(shape_);
  }
  /// Of the largest part, where there are parts: with the whole's it might find its own bytes
  /// again.
  [[nodiscard]] Bytes footprint() const override {
    Bytes largest{0};
    if constexpr (build::has_cuda && requires { Operation::cuda_parts(); })
      for (const auto& part : Operation::cuda_parts())
        largest = std::max(largest, moved(part.work(shape_)));
    const Bytes touched = moved(Operation::work(shape_));
    return largest > Bytes{0} ? std::min(largest, touched) : touched;
  }
  /// Rows that a capacity drops have their place all the same.
  [[nodiscard]] Bytes allocated() const override {
    auto whole = shape_;
    if constexpr (requires { whole.dropped; }) whole.dropped = 0;
    return moved(Operation::work(whole));
  }
  void prepare(int sets) override {
    if constexpr (HasPool<Operation>) pool_.emplace(case_, shape_, place_);
    if constexpr (build::has_cuda) {
      constexpr int kMany = 1000;
      const device_slabs::Sharing sharing{sets > kMany};
      return make_sets(sets);
    }
    make_sets(sets);
  }
  void launch(int set, Stream stream) override {
    const auto& buffers = sets_[static_cast<std::size_t>(set)];
    if (place_ == Memory::Place::host) return Operation::run_cpu(shape_, buffers);
    if constexpr (build::has_cuda) Operation::run_cuda(shape_, buffers, stream);
  }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return Operation::result(sets_[static_cast<std::size_t>(set)]).span();
  }
  [[nodiscard]] VerificationResult verify() override {
    return Operation::verify(shape_, sets_.front());
  }
  [[nodiscard]] LibraryInfo library() const override { return own_library(); }
  [[nodiscard]] std::string filled_with() const override {
    if constexpr (requires { Operation::fill; }) return Operation::fill;
    return kUniformFill;
  }
  [[nodiscard]] int enqueues() const override {
    return place_ == Memory::Place::device ? kMostKernels : 0;
  }
  [[nodiscard]] std::vector<Part> parts() override {
    std::vector<Part> parts;
    if constexpr (build::has_cuda && requires { Operation::cuda_parts(); })
      if (place_ == Memory::Place::device)
        for (const auto& part : Operation::cuda_parts())
          parts.push_back({.name = part.name,
                           .launch =
                               [this, run = part.run](int set, Stream stream) {
                                 run(shape_, sets_[static_cast<std::size_t>(set)], stream);
                               },
                           .work = part.work(shape_)});
    return parts;
  }
  [[nodiscard]] bool redraw(int set, std::int64_t draw) override {
    if (!case_.routed) return false;
    using Buffers = typename Operation::Buffers;
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    if constexpr (requires { Operation::redraw(source(), buffers, draw); })
      Operation::redraw(source(), buffers, draw);
    else
      buffers = Buffers{source(), shape_, place_, static_cast<int>(draw)};
    return true;
  }

 private:
  template <class Other>
  struct PoolOf {
    using Type = std::monostate;
  };
  template <HasPool Other>
  struct PoolOf<Other> {
    using Type = typename Other::Pool;
  };
  void make_sets(int sets) {
    for (int set = 0; set < sets; ++set) sets_.emplace_back(source(), shape_, place_, set);
  }
  [[nodiscard]] static Bytes moved(const Work& work) { return work.read + work.written; }
  [[nodiscard]] const auto& source() const {
    if constexpr (HasPool<Operation>)
      return *pool_;
    else
      return case_;
  }

  Case case_;
  decltype(Operation::shape_of(Case{})) shape_;
  Memory::Place place_;
  std::optional<typename PoolOf<Operation>::Type> pool_;
  std::vector<typename Operation::Buffers> sets_;
};

template <class Operation>
class OwnBenchmark final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return Operation::name; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    return Operation::cases(suite);
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return Operation::work(Operation::shape_of(c));
  }
  [[nodiscard]] bool leads(const Case& c) const override {
    const auto shape = Operation::shape_of(c);
    if constexpr (requires { Operation::leads(shape); }) return Operation::leads(shape);
    constexpr Bytes kOutOfAnyCache{256.0 * (1 << 20)};
    const auto work = Operation::work(shape);
    return work.read + work.written >= kOutOfAnyCache;
  }
  [[nodiscard]] PointTimes point_times() const override {
    if constexpr (requires { Operation::point_times; }) return Operation::point_times;
    return Benchmark::point_times();
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    if constexpr (requires { Operation::implementations(); }) return Operation::implementations();
    return own_implementations();
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    return std::make_unique<OwnTrial<Operation>>(c, implementation);
  }
};

}  // namespace moecal::bench
