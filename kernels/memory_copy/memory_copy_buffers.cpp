// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"

#include <vector>

#include "core/fill.hpp"

namespace moecal::kernels {
namespace {

class HostBuffers final : public MemoryCopyBuffers {
 public:
  HostBuffers(const MemoryCopyShape& shape, int sets)
      : sets_(static_cast<std::size_t>(sets),
              Set{memory_copy_pattern(shape).whole(),
                  std::vector<std::byte>(static_cast<std::size_t>(shape.bytes))}) {}
  [[nodiscard]] MemoryCopyTensors tensors(int set) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    return {buffers.source.data(), buffers.target.data()};
  }
  [[nodiscard]] bool target_holds(int set, const PeriodicBytes& bytes) override {
    return bytes.equals(0, sets_[static_cast<std::size_t>(set)].target);
  }

 private:
  struct Set {
    std::vector<std::byte> source;
    std::vector<std::byte> target;
  };
  std::vector<Set> sets_;
};

}  // namespace

PeriodicBytes memory_copy_pattern(const MemoryCopyShape& shape) {
  return uniform_bytes({Dtype::bf16}, (shape.bytes + 1) / 2)
      .part(0, static_cast<std::size_t>(shape.bytes));
}

std::unique_ptr<MemoryCopyBuffers> make_memory_copy_host_buffers(const MemoryCopyShape& shape,
                                                                 int sets) {
  return std::make_unique<HostBuffers>(shape, sets);
}

}  // namespace moecal::kernels
