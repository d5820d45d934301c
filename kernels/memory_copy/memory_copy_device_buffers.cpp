// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"
#include "runtime/buffer.hpp"
#include "runtime/device_fill.hpp"

namespace moecal::kernels {
namespace {

class DeviceBuffers final : public MemoryCopyBuffers {
 public:
  DeviceBuffers(const MemoryCopyShape& shape, int sets) {
    const auto pattern = memory_copy_pattern(shape);
    for (int set = 0; set < sets; ++set) {
      const auto& added = sets_.emplace_back(to_device(pattern), DeviceBuffer{pattern.size()});
      // The memory may be that of a point before, whose target held the same pattern.
      mark_unwritten(added.target.data(), added.target.size());
    }
  }
  [[nodiscard]] MemoryCopyTensors tensors(int set) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    return {buffers.source.data(), buffers.target.data()};
  }
  [[nodiscard]] bool target_holds(int set, const PeriodicBytes& bytes) override {
    return device_memory::holds(sets_[static_cast<std::size_t>(set)].target.data(), bytes);
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
