// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"

#include <span>

#include "core/hash.hpp"
#include "core/narrow_float.hpp"

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
  constexpr std::size_t kPeriod = 1'048'573;  // a prime
  std::vector<BFloat16> numbers(static_cast<std::size_t>(shape.bytes + 1) / 2);
  const auto uniform = [](std::size_t i) { return 0x1p-63 * static_cast<double>(mix(i)) - 1; };
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] =
        i < kPeriod ? from_float<BFloat16>(static_cast<float>(uniform(i))) : numbers[i - kPeriod];
  const auto bytes = std::as_bytes(std::span{numbers});
  return {bytes.begin(), bytes.begin() + shape.bytes};
}

std::unique_ptr<MemoryCopyBuffers> make_memory_copy_host_buffers(const MemoryCopyShape& shape,
                                                                 int sets) {
  return std::make_unique<HostBuffers>(shape, sets);
}

}  // namespace moecal::kernels
