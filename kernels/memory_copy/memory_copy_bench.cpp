// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gnu/libc-version.h>
#include <algorithm>

#include <vector>

#include "bench/benchmark.hpp"
#include "core/error.hpp"
#include "kernels/memory_copy/memory_copy.hpp"

namespace moecal::bench {
namespace {

using namespace literals;
using kernels::MemoryCopyShape;
using kernels::MemoryCopyTensors;

// Bytes that repeat with no period a block of memory has, so that a misplaced block is seen.
std::byte pattern(std::size_t index) { return static_cast<std::byte>((index * 2654435761U) >> 13); }

class CpuTrial final : public Trial {
 public:
  explicit CpuTrial(const MemoryCopyShape& shape) : shape_{shape} {}

  void launch(int set, Stream) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    kernels::memory_copy_cpu(shape_, {buffers.source.data(), buffers.target.data()});
  }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{2 * static_cast<double>(shape_.bytes)};
  }
  void prepare(int sets) override {
    const auto bytes = static_cast<std::size_t>(shape_.bytes);
    std::vector<std::byte> source(bytes);
    for (std::size_t i = 0; i < bytes; ++i) source[i] = pattern(i);
    sets_.assign(static_cast<std::size_t>(sets), {source, std::vector<std::byte>(bytes)});
  }
  [[nodiscard]] VerificationResult verify() override {
    const bool equal = sets_[0].source == sets_[0].target;
    return {equal ? 0.0 : 1.0, 0.0, "full"};
  }
  [[nodiscard]] LibraryInfo library() const override {
    return {"glibc", gnu_get_libc_version(), "memcpy", 0};
  }

 private:
  struct Buffers {
    std::vector<std::byte> source;
    std::vector<std::byte> target;
  };
  MemoryCopyShape shape_;
  std::vector<Buffers> sets_;
};

Case make_case(std::int64_t bytes) {
  Case c;
  c.point = {{"bytes", bytes}};
  c.dtypes.a = c.dtypes.c = "uint8";
  return c;
}

class MemoryCopy final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "memory_copy"; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, int) const override {
    const std::int64_t factor = suite == Suite::quick ? 16 : suite == Suite::planner ? 4 : 2;
    const std::int64_t largest = suite == Suite::quick ? 64_MiB : 1_GiB;
    std::vector<Case> cases;
    for (std::int64_t bytes = 64_KiB; bytes <= largest; bytes *= factor)
      cases.push_back(make_case(bytes));
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::memory_copy_work({c.point.at("bytes")});
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return {{"memcpy", "cpu"}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation&, const Case& c,
                                                  Context&) const override {
    return std::make_unique<CpuTrial>(MemoryCopyShape{c.point.at("bytes")});
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_memory_copy() { return std::make_unique<MemoryCopy>(); }

}  // namespace moecal::bench
