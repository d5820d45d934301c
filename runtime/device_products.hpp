// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "runtime/stream.hpp"

namespace moecal {

/// Enqueues products that load the tensor cores and nothing else: about a millisecond where 500
/// TFLOP/s are done. `sums` [1], on the device, is not written. device_products_cuda.cu, or a
/// test's double.
void enqueue_products(float* sums, Stream stream);

}  // namespace moecal
