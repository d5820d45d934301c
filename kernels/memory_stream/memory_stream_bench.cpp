// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/benchmark.hpp"
#include "kernels/memory_stream/memory_stream.hpp"
#include "kernels/own_bench.hpp"
#include "kernels/row_check.hpp"

namespace moecal::bench {
namespace {

using namespace literals;
using kernels::MemoryStreamShape;

// Sums of 4096 numbers in [-1, 1], added in another order.
constexpr double kSumTolerance = 1e-4;

constexpr auto kRowBytes = kernels::kStreamBlockElements * static_cast<std::int64_t>(sizeof(float));

struct Buffers {
  Buffers(const MemoryStreamShape& shape, Memory::Place place)
      : first{place, {Dtype::f32, 1}, shape.reads > 0 ? shape.bytes / 4 : 0},
        second{place, {Dtype::f32, 2}, shape.reads > 1 ? shape.bytes / 4 : 0},
        target{place,
               static_cast<std::size_t>(shape.writes > 0 ? shape.bytes : 4 * stream_sums(shape))} {}
  [[nodiscard]] kernels::MemoryStreamTensors tensors() const {
    return {first.memory.as<float>(), second.memory.as<float>(), target.as<float>()};
  }
  UniformInput first, second;
  Memory target;
};

const float* floats(const std::vector<std::byte>& bytes) {
  return reinterpret_cast<const float*>(bytes.data());
}

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
  /// Of a read, its sums.
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return sets_[static_cast<std::size_t>(set)].target.span();
  }
  /// Rows are the blocks that have a sum.
  [[nodiscard]] VerificationResult verify() override {
    const auto& set = sets_.front();
    const auto rows = rows_to_check(stream_sums(shape_), kernels::kStreamBlockElements);
    const auto first = rows_of(set.first.bytes, rows, kRowBytes);
    const auto second = rows_of(set.second.bytes, rows, kRowBytes);
    const auto actual =
        set.target.rows_to_host(rows, shape_.writes > 0 ? kRowBytes : sizeof(float));
    std::vector<std::byte> expected(actual.size());
    auto of_rows = shape_;
    of_rows.bytes = static_cast<std::int64_t>(shape_.writes > 0 ? actual.size() : first.size());
    memory_stream_cpu(of_rows,
                      {floats(first), floats(second), reinterpret_cast<float*>(expected.data())});
    return {relative_error(Dtype::f32, actual, expected), kSumTolerance,
            check_method(rows, stream_sums(shape_))};
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
