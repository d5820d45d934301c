// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "core/narrow_float.hpp"
#include "kernels/routed_shape.hpp"
#include "kernels/unpermute/unpermute.hpp"

namespace moecal::kernels {
namespace {

template <class T>
void combine_rows(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  std::vector<float> sum(static_cast<std::size_t>(shape.hidden));
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (std::int64_t i = token * shape.top_k; i < (token + 1) * shape.top_k; ++i) {
      if (tensors.row_of[i] < 0) continue;
      const T* row = static_cast<const T*>(tensors.rows) + tensors.row_of[i] * shape.hidden;
      for (float& element : sum) element += tensors.weight_of[i] * to_float(*row++);
    }
    std::transform(sum.begin(), sum.end(), static_cast<T*>(tensors.tokens) + token * shape.hidden,
                   [](float element) { return from_float<T>(element); });
  }
}

}  // namespace

Work unpermute_work(const UnpermuteShape& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto choices = tokens * static_cast<double>(shape.top_k);
  const auto hidden = static_cast<double>(shape.hidden);
  const auto row_bytes = hidden * static_cast<double>(size_of(shape.dtype));
  constexpr double kBytesPerChoice = sizeof(std::int32_t) + sizeof(float);
  const double rows = choices - static_cast<double>(shape.dropped);
  return {.flops = Flops{2 * rows * hidden},
          .read = Bytes{rows * row_bytes + choices * kBytesPerChoice},
          .written = Bytes{tokens * row_bytes}};
}

void check_shape(const UnpermuteShape& shape) {
  check_routed_shape("unpermute", shape);
  with_float_type(shape.dtype, [](auto) {});
}

void unpermute_cpu(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  check_shape(shape);
  with_float_type(shape.dtype, [&](auto zero) { combine_rows<decltype(zero)>(shape, tensors); });
}

}  // namespace moecal::kernels
