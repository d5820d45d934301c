// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"

namespace moecal::kernels {
namespace {

class HostBuffers final : public MemoryCopyBuffers {
 public:
  HostBuffers(const MemoryCopyShape& shape, int sets)
      : sets_(static_cast<std::size_t>(sets),
              Set{memory_copy_pattern(shape),
                  std::vector<std::byte>(static_cast<std::size_t>(shape.bytes))}) {}
  [[nodiscard]] MemoryCopyTensors tensors(int set) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    return {buffers.source.data(), buffers.target.data()};
  }
  [[nodiscard]] std::vector<std::byte> target(int set) override {
    return sets_[static_cast<std::size_t>(set)].target;
  }

 private:
  struct Set {
    std::vector<std::byte> source;
    std::vector<std::byte> target;
  };
  std::vector<Set> sets_;
};

}  // namespace

std::vector<std::byte> memory_copy_pattern(const MemoryCopyShape& shape) {
  std::vector<std::byte> pattern(static_cast<std::size_t>(shape.bytes));
  for (std::size_t i = 0; i < pattern.size(); ++i)
    pattern[i] = static_cast<std::byte>((i * 2654435761U) >> 13);
  return pattern;
}

std::unique_ptr<MemoryCopyBuffers> make_memory_copy_host_buffers(const MemoryCopyShape& shape,
                                                                 int sets) {
  return std::make_unique<HostBuffers>(shape, sets);
}

}  // namespace moecal::kernels
