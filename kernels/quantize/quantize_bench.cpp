// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/own_bench.hpp"
#include "kernels/row_check.hpp"

namespace moecal::bench {
namespace {

using kernels::QuantizeShape;
using kernels::ScaleGroups;

std::size_t workspace_bytes([[maybe_unused]] const QuantizeShape& shape, Memory::Place place) {
  if constexpr (build::has_cuda)
    if (place == Memory::Place::device) return quantize_cuda_workspace(shape);
  return 0;
}

ScaleGroups groups_of(const std::string& scale_mode) {
  if (scale_mode == "tensor") return ScaleGroups::tensor;
  if (scale_mode == "block_1x128") return ScaleGroups::block_1x128;
  throw InvalidInput{"quantize has the scale modes tensor and block_1x128, not '" + scale_mode +
                     "'"};
}

Case case_of(std::int64_t tokens, std::int64_t hidden, const std::string& dtype,
             const std::string& scale_mode) {
  Case c;
  c.point = {{"tokens", tokens}, {"hidden", hidden}};
  c.dtypes.a = dtype;
  c.dtypes.c = "fp8_e4m3";
  c.dtypes.scale_mode = scale_mode;
  return c;
}

/// A size and its 16-bit type.
struct Activations {
  std::int64_t tokens;
  std::int64_t hidden;
  const char* dtype;
};

std::vector<Activations> activations_of(Suite suite) {
  if (suite == Suite::quick) return {{512, 4096, "bf16"}, {2048, 1024, "bf16"}};
  std::vector<Activations> all{{64, 7168, "bf16"},   {512, 4096, "bf16"},   {4096, 4096, "bf16"},
                               {2048, 1024, "bf16"}, {14336, 7168, "bf16"}, {32768, 2048, "f16"},
                               {2048, 512, "f16"},   {163840, 512, "f16"},  {163840, 1024, "f16"}};
  if (suite == Suite::full)
    for (const std::int64_t hidden : {512, 1024, 2048, 4096, 7168})
      for (const std::int64_t tokens : {1, 128, 16384, 163840})
        all.push_back({tokens, hidden, "bf16"});
  return all;
}

/// The first row that holds the largest magnitude of uniform values; there is one value at least.
std::int64_t row_of_amax(const QuantizeShape& shape, const PeriodicBytes& values) {
  return with_float_type(shape.from, [&](auto zero) {
    std::vector<decltype(zero)> period(values.period() / sizeof zero);
    values.copy(0, std::as_writable_bytes(std::span{period}));
    const auto amax =
        std::ranges::max_element(period, {}, [](auto value) { return std::fabs(to_float(value)); });
    return (amax - period.begin()) / shape.hidden;
  });
}

struct Quantize {
  static constexpr char name[] = "quantize";
  static constexpr PointTimes point_times{Seconds{0.03}, Seconds{0.05}, Seconds{0.13}};
  using Shape = QuantizeShape;

  struct Buffers {
    Buffers(const Case& c, const Shape& shape, Memory::Place place, int)
        : values{place, {shape.from, c.routing.seed}, shape.tokens * shape.hidden},
          quantized{place, static_cast<std::size_t>(shape.tokens * shape.hidden)},
          scales{place, static_cast<std::size_t>(scale_count(shape)) * sizeof(float)},
          workspace{place, workspace_bytes(shape, place)} {}
    [[nodiscard]] kernels::QuantizeTensors tensors() const {
      return {values.memory.as<void>(), quantized.as<void>(), scales.as<float>()};
    }
    UniformInput values;
    Memory quantized, scales, workspace;
  };

  static std::vector<Case> cases(Suite suite) {
    std::vector<Case> cases;
    for (const auto& [tokens, hidden, dtype] : activations_of(suite))
      for (const auto* mode : {"tensor", "block_1x128"})
        cases.push_back(case_of(tokens, hidden, dtype, mode));
    return cases;
  }
  static Shape shape_of(const Case& c) {
    return {c.point.at("tokens"), c.point.at("hidden"), parse_dtype(c.dtypes.a),
            parse_dtype(c.dtypes.c), groups_of(c.dtypes.scale_mode)};
  }
  static Work work(const Shape& shape) { return quantize_work(shape); }
  static void run_cpu(const Shape& shape, const Buffers& buffers) {
    quantize_cpu(shape, buffers.tensors());
  }
  static void run_cuda(const Shape& shape, const Buffers& buffers, Stream stream) {
    quantize_cuda(shape, buffers.tensors(), buffers.workspace.as<void>(), stream);
  }
  static const Memory& result(const Buffers& buffers) { return buffers.quantized; }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    auto rows = rows_to_check(shape.tokens, shape.hidden);
    const auto& all = buffers.values.bytes;
    const bool one_scale = shape.groups == ScaleGroups::tensor;
    // The oracle finds the scale of all in the row that it comes from.
    if (one_scale && shape.tokens > 0)
      if (const auto decisive = row_of_amax(shape, all);
          !std::binary_search(rows.begin(), rows.end(), decisive))
        rows.insert(std::lower_bound(rows.begin(), rows.end(), decisive), decisive);
    const auto values = rows_of(all, rows, shape.hidden * size_of(shape.from));
    const auto quantized = buffers.quantized.rows_to_host(rows, shape.hidden);
    auto scales = buffers.scales.to_host<float>();
    if (!one_scale) scales = columns_of(scales, rows, shape.tokens);
    std::vector<std::byte> expected(quantized.size());
    std::vector<float> expected_scales(scales.size());
    Shape checked = shape;
    checked.tokens = static_cast<std::int64_t>(rows.size());
    quantize_cpu(checked, {values.data(), expected.data(), expected_scales.data()});
    return {quantized == expected && scales == expected_scales ? 0.0 : 1.0, 0.0,
            check_method(rows, shape.tokens)};
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_quantize() { return std::make_unique<OwnBenchmark<Quantize>>(); }

}  // namespace moecal::bench
