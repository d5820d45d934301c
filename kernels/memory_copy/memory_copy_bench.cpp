// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gnu/libc-version.h>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/memory_copy/memory_copy_buffers.hpp"
#include "runtime/device_info.hpp"

namespace moecal::bench {
namespace {

using namespace literals;
using kernels::MemoryCopyShape;

const Implementation kOwn{"own", "cuda"};

class MemoryCopyTrial final : public Trial {
 public:
  MemoryCopyTrial(const MemoryCopyShape& shape, const Implementation& implementation)
      : shape_{shape},
        cuda_{implementation.backend == "cuda"},
        own_{implementation.name == kOwn.name} {
    if (shape.bytes < 1) throw Unsupported{"there is nothing to copy"};
  }
  void launch(int set, Stream stream) override {
    if constexpr (build::has_cuda)
      if (cuda_) {
        const auto copy = own_ ? kernels::memory_copy_cuda : kernels::memory_copy_cuda_runtime;
        return copy(shape_, buffers_->tensors(set), stream);
      }
    kernels::memory_copy_cpu(shape_, buffers_->tensors(set));
  }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{2 * static_cast<double>(shape_.bytes)};
  }
  void prepare(int sets) override {
    if constexpr (build::has_cuda)
      if (cuda_) {
        buffers_ = kernels::make_memory_copy_device_buffers(shape_, sets);
        return;
      }
    buffers_ = kernels::make_memory_copy_host_buffers(shape_, sets);
  }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return {buffers_->tensors(set).target, static_cast<std::size_t>(shape_.bytes)};
  }
  [[nodiscard]] VerificationResult verify() override {
    const bool equal = buffers_->target_holds(0, kernels::memory_copy_pattern(shape_));
    return {equal ? 0.0 : 1.0, 0.0, "full"};
  }
  [[nodiscard]] int enqueues() const override { return cuda_ ? 2 : 0; }
  [[nodiscard]] std::string filled_with() const override { return kUniformFill; }
  [[nodiscard]] LibraryInfo library() const override {
    if (cuda_ && own_) return {"moecal", build::version, "16-byte accesses", 0};
    if (cuda_) return {"cuda_runtime", cuda_runtime_version(), "cudaMemcpyAsync", 0};
    return {"glibc", gnu_get_libc_version(), "memcpy", 0};
  }

 private:
  MemoryCopyShape shape_;
  bool cuda_;
  bool own_;
  std::unique_ptr<kernels::MemoryCopyBuffers> buffers_;
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
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    const std::int64_t factor = suite == Suite::full ? 2 : suite == Suite::planner ? 4 : 8;
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
    std::vector<Implementation> found;
    if (build::has_cuda) found.insert(found.end(), {kOwn, {"cuda_memcpy", "cuda"}});
    found.push_back({"memcpy", "cpu"});
    return found;
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    return std::make_unique<MemoryCopyTrial>(MemoryCopyShape{c.point.at("bytes")}, implementation);
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_memory_copy() { return std::make_unique<MemoryCopy>(); }

}  // namespace moecal::bench
