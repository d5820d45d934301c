// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"
#include "runtime/buffer.hpp"

namespace moecal::kernels {
namespace {

class DeviceBuffers final : public MemoryCopyBuffers {
 public:
  DeviceBuffers(const MemoryCopyShape& shape, int sets) {
    const auto pattern = memory_copy_pattern(shape);
    for (int set = 0; set < sets; ++set)
      sets_.push_back({to_device<std::byte>(pattern), DeviceBuffer{pattern.size()}});
  }
  [[nodiscard]] MemoryCopyTensors tensors(int set) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    return {buffers.source.data(), buffers.target.data()};
  }
  [[nodiscard]] std::vector<std::byte> target(int set) override {
    check(cudaDeviceSynchronize(), "waiting for the copies");
    const auto& target = sets_[static_cast<std::size_t>(set)].target;
    std::vector<std::byte> host(target.size());
    copy_bytes(host.data(), target.data(), host.size());
    return host;
  }

 private:
  struct Set {
    DeviceBuffer source;
    DeviceBuffer target;
  };
  std::vector<Set> sets_;
};

}  // namespace

std::unique_ptr<MemoryCopyBuffers> make_memory_copy_device_buffers(const MemoryCopyShape& shape,
                                                                   int sets) {
  return std::make_unique<DeviceBuffers>(shape, sets);
}

}  // namespace moecal::kernels
