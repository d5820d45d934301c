// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/memory_copy/memory_copy.hpp"

namespace moecal::kernels {

Work memory_copy_work(const MemoryCopyShape& shape) {
  const Bytes bytes{static_cast<double>(shape.bytes)};
  return {.read = bytes, .written = bytes};
}

void memory_copy_cpu(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors) {
  if (shape.bytes > 0)  // memcpy may not be given null pointers even for nothing
    std::memcpy(tensors.target, tensors.source, static_cast<std::size_t>(shape.bytes));
}

}  // namespace moecal::kernels
