// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/element.cuh"
#include "kernels/row_grid.cuh"
#include "kernels/unpermute/unpermute.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

// Rows a thread reads before it adds the first of them up: hides the latency of device memory.
constexpr int kRowsInFlight = 4;

template <class T>
struct Combination {
  const T* rows;               // [rows, hidden]
  const std::int32_t* row_of;  // [token_count, top_k]
  const float* weight_of;      // [token_count, top_k]
  T* tokens;                   // [token_count, hidden]
  std::int64_t token_count;
  std::int64_t hidden;
  int top_k;
};

/// Adds choices [first, first + kRowsInFlight) of a token to `sum`, for elements from `column` on.
/// Those that are dropped or do not exist count as 0.
template <class T, int kCount>
__device__ void add_choices(const Combination<T>& view, std::int64_t token, int first,
                            std::int64_t column, float (&sum)[kCount]) {
  float weight[kRowsInFlight];
  float values[kRowsInFlight][kCount] = {};
#pragma unroll
  for (int i = 0; i < kRowsInFlight; ++i) {
    const bool exists = first + i < view.top_k;
    const std::int64_t choice = token * view.top_k + (exists ? first + i : first);
    const std::int64_t row = exists ? view.row_of[choice] : -1;
    weight[i] = row < 0 ? 0.0F : view.weight_of[choice];
    if (row >= 0) load_floats<kCount>(view.rows + row * view.hidden + column, values[i]);
  }
#pragma unroll
  for (int i = 0; i < kRowsInFlight; ++i)
#pragma unroll
    for (int element = 0; element < kCount; ++element)
      sum[element] += weight[i] * values[i][element];
}

// One row of threads per token, kCount neighbouring elements per thread and step.
template <class T, int kCount>
__global__ void __launch_bounds__(kRowBlockThreads) combine_rows(Combination<T> view) {
  const std::int64_t token = row_of_thread();
  if (token >= view.token_count) return;
  const std::int64_t stride = std::int64_t{blockDim.x} * kCount;
  for (std::int64_t column = std::int64_t{threadIdx.x} * kCount; column < view.hidden;
       column += stride) {
    float sum[kCount] = {};
    for (int first = 0; first < view.top_k; first += kRowsInFlight)
      add_choices(view, token, first, column, sum);
    store_floats<kCount>(view.tokens + token * view.hidden + column, sum);
  }
}

template <class T, int kCount>
void launch_combine_rows(const Combination<T>& view, Stream stream) {
  const auto [grid, block] = row_grid(view.token_count, (view.hidden + kCount - 1) / kCount, 1);
  launch({.what = "combine rows", .grid = grid, .block = block, .stream = stream},
         combine_rows<T, kCount>, view);
}

/// True if every row starts at a multiple of 16 bytes.
template <class T>
bool is_aligned(const Combination<T>& view) {
  const auto row_bytes = static_cast<std::uintptr_t>(view.hidden) * sizeof(T);
  return (row_bytes | reinterpret_cast<std::uintptr_t>(view.rows) |
          reinterpret_cast<std::uintptr_t>(view.tokens)) %
             16 ==
         0;
}

}  // namespace

void unpermute_cuda(const UnpermuteShape& shape, const UnpermuteTensors& tensors, Stream stream) {
  check_shape(shape);
  if (shape.tokens == 0 || shape.hidden == 0) return;
  with_float_type(shape.dtype, [&](auto zero) {
    using T = DeviceType<decltype(zero)>;
    const Combination<T> view{
        static_cast<const T*>(tensors.rows), tensors.row_of, tensors.weight_of,
        static_cast<T*>(tensors.tokens),     shape.tokens,   shape.hidden,
        static_cast<int>(shape.top_k)};
    if (is_aligned(view))
      launch_combine_rows<T, kElementsPer16Bytes<T>>(view, stream);
    else
      launch_combine_rows<T, 1>(view, stream);
  });
}

}  // namespace moecal::kernels
