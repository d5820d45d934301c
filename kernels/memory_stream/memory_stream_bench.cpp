// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/benchmark.hpp"
#include "kernels/memory_stream/memory_stream.hpp"
#include "kernels/own_bench.hpp"

namespace moecal::bench {
namespace {

using namespace literals;
using kernels::MemoryStreamShape;

// Sums of 4096 numbers in [-1, 1], added in another order.
constexpr double kSumTolerance = 1e-4;

struct Buffers {
  Buffers(const MemoryStreamShape& shape, Memory::Place place)
      : first{filled(place, shape, shape.reads > 0, 1)},
        second{filled(place, shape, shape.reads > 1, 2)},
        target{place,
               static_cast<std::size_t>(shape.writes > 0 ? shape.bytes : 4 * stream_sums(shape))} {}
  static Memory filled(Memory::Place place, const MemoryStreamShape& shape, bool used,
                       std::uint64_t seed) {
    return Memory::of(place, uniform_elements(Dtype::f32, used ? shape.bytes / 4 : 0, seed));
  }
  [[nodiscard]] kernels::MemoryStreamTensors tensors() const {
    return {first.as<float>(), second.as<float>(), target.as<float>()};
  }
  Memory first, second, target;
};

class MemoryStreamTrial final : public Trial {
 public:
  MemoryStreamTrial(const MemoryStreamShape& shape, Memory::Place place)
      : shape_{shape}, place_{place} {
    check_shape(shape);
    if (shape.bytes < 1) throw Unsupported{"there is nothing to stream"};
  }
  void launch(int set, Stream stream) override {
    const auto tensors = sets_[static_cast<std::size_t>(set)].tensors();
    if constexpr (build::has_cuda)
      if (place_ == Memory::Place::device) return memory_stream_cuda(shape_, tensors, stream);
    memory_stream_cpu(shape_, tensors);
  }
  [[nodiscard]] Bytes footprint() const override {
    const auto work = memory_stream_work(shape_);
    return work.read + work.written;
  }
  void prepare(int sets) override {
    for (int set = 0; set < sets; ++set) sets_.emplace_back(shape_, place_);
  }
  [[nodiscard]] VerificationResult verify() override {
    const auto& set = sets_.front();
    const auto first = set.first.to_host<float>(), second = set.second.to_host<float>();
    const auto actual = set.target.to_host<std::byte>();
    std::vector<float> expected(actual.size() / sizeof(float));
    memory_stream_cpu(shape_, {first.data(), second.data(), expected.data()});
    const Memory held = Memory::of(Memory::Place::host, expected);
    return {relative_error(Dtype::f32, actual, held.to_host<std::byte>()), kSumTolerance, "full"};
  }
  [[nodiscard]] LibraryInfo library() const override { return own_library(); }
  [[nodiscard]] int enqueues() const override {
    return place_ == Memory::Place::device ? kMostKernels : 0;
  }
  [[nodiscard]] std::string filled_with() const override { return kUniformFill; }

 private:
  MemoryStreamShape shape_;
  Memory::Place place_;
  std::vector<Buffers> sets_;
};

MemoryStreamShape shape_of(const Case& c) {
  return {c.point.at("bytes"), c.point.at("reads"), c.point.at("writes")};
}

class MemoryStream final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "memory_stream"; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    const std::int64_t factor = suite == Suite::full ? 4 : 16;
    const std::int64_t largest = suite == Suite::quick ? 16_MiB : 1_GiB;
    std::vector<Case> cases;
    for (const auto& [reads, writes] : {std::pair{1, 0}, std::pair{0, 1}, std::pair{2, 1}})
      for (std::int64_t bytes = 1_MiB; bytes <= largest; bytes *= factor) {
        Case c;
        c.point = {{"bytes", bytes}, {"reads", reads}, {"writes", writes}};
        c.dtypes.a = c.dtypes.c = "f32";
        cases.push_back(c);
      }
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    check_shape(shape_of(c));
    return memory_stream_work(shape_of(c));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return own_implementations();
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    return std::make_unique<MemoryStreamTrial>(shape_of(c), place_of(implementation));
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_memory_stream() { return std::make_unique<MemoryStream>(); }

}  // namespace moecal::bench
