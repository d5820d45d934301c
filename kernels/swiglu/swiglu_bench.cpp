// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/swiglu/swiglu.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/parallel.hpp"
#include "kernels/own_bench.hpp"
#include "kernels/row_check.hpp"

namespace moecal::bench {
namespace {

/// A size and its types.
struct Activations {
  std::int64_t tokens;
  std::int64_t inner;
  const char* from;
};

Case case_of(const Activations& size, bool to_fp8) {
  Case c;
  c.point = {{"tokens", size.tokens}, {"inner", size.inner}};
  c.dtypes.a = size.from;
  c.dtypes.c = to_fp8 ? "fp8_e4m3" : size.from;
  if (to_fp8) c.dtypes.scale_mode = "block_1x128";
  return c;
}

std::vector<Activations> activations_of(Suite suite) {
  if (suite == Suite::quick) return {{512, 2048, "bf16"}, {2048, 1024, "bf16"}};
  std::vector<Activations> all{{64, 14336, "bf16"},  {512, 14336, "bf16"}, {8192, 14336, "bf16"},
                               {2156, 1024, "bf16"}, {4096, 7168, "bf16"}, {8192, 7168, "bf16"},
                               {2048, 1024, "f16"},  {20480, 1024, "f16"}, {163840, 1024, "f16"}};
  if (suite == Suite::full)
    for (const std::int64_t inner : {512, 1024, 2048, 4096, 7168})
      for (const std::int64_t tokens : {1, 128, 16384, 163840})
        all.push_back({tokens, inner, "bf16"});
  return all;
}

struct Swiglu {
  static constexpr char name[] = "swiglu";
  static constexpr PointTimes point_times{Seconds{0.02}, Seconds{0.05}, Seconds{0.12}};
  using Shape = kernels::SwigluShape;

  struct Buffers {
    Buffers(const Case& c, const Shape& shape, Memory::Place place, int)
        : gate_up{place, {shape.from, c.routing.seed}, shape.tokens * 2 * shape.inner},
          activated{place,
                    static_cast<std::size_t>(shape.tokens * shape.inner * size_of(shape.to))},
          scales{place, static_cast<std::size_t>(scale_count(shape)) * sizeof(float)} {}
    [[nodiscard]] kernels::SwigluTensors tensors() const {
      return {gate_up.memory.as<void>(), activated.as<void>(), scales.as<float>()};
    }
    UniformInput gate_up;
    Memory activated, scales;
  };

  static std::vector<Case> cases(Suite suite) {
    std::vector<Case> cases;
    for (const auto& size : activations_of(suite))
      for (const bool to_fp8 : {false, true}) cases.push_back(case_of(size, to_fp8));
    return cases;
  }
  static Shape shape_of(const Case& c) {
    return {c.point.at("tokens"), c.point.at("inner"), parse_dtype(c.dtypes.a),
            parse_dtype(c.dtypes.c)};
  }
  static Work work(const Shape& shape) { return swiglu_work(shape); }
  static void run_cpu(const Shape& shape, const Buffers& buffers) {
    swiglu_cpu(shape, buffers.tensors());
  }
  static void run_cuda(const Shape& shape, const Buffers& buffers, Stream stream) {
    swiglu_cuda(shape, buffers.tensors(), stream);
  }
  static const Memory& result(const Buffers& buffers) { return buffers.activated; }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    const auto rows = rows_to_check(shape.tokens, shape.inner);
    const auto method = check_method(rows, shape.tokens);
    const auto gate_up =
        rows_of(buffers.gate_up.bytes, rows, 2 * shape.inner * size_of(shape.from));
    const auto actual = buffers.activated.rows_to_host(rows, shape.inner * size_of(shape.to));
    const auto scales = columns_of(buffers.scales.to_host<float>(), rows, shape.tokens);
    std::vector<std::byte> expected(actual.size());
    std::vector<float> expected_scales(scales.size());
    expect(shape, static_cast<std::int64_t>(rows.size()),
           {gate_up.data(), expected.data(), expected_scales.data()});
    // A last bit of exp can move a result across a rounding boundary.
    if (shape.to != Dtype::fp8_e4m3)
      return {relative_error(shape.to, actual, expected),
              shape.to == Dtype::bf16  ? 0x1p-7
              : shape.to == Dtype::f16 ? 0x1p-10
                                       : 0x1p-20,
              method};
    const double steps = largest_step(actual, expected);
    const bool same_scales = nearly_equal(scales, expected_scales);
    return {same_scales ? steps : 255, 1, method};
  }

  /// What swiglu_cpu gives of so many rows.
  static void expect(const Shape& shape, std::int64_t rows, const kernels::SwigluTensors& all) {
    for_each_stretch(rows, kRowsAtOnce, [&](RowStretch stretch) {
      Shape part = shape;
      part.tokens = stretch.count;
      const auto blocks = scale_count(part) / std::max<std::int64_t>(1, part.tokens);
      std::vector<float> scales(static_cast<std::size_t>(scale_count(part)));
      swiglu_cpu(part, {static_cast<const std::byte*>(all.gate_up) +
                            stretch.first * 2 * shape.inner * size_of(shape.from),
                        static_cast<std::byte*>(all.activated) +
                            stretch.first * shape.inner * size_of(shape.to),
                        scales.data()});
      for (std::int64_t block = 0; block < blocks; ++block)  // [blocks, rows]
        std::copy_n(scales.begin() + block * stretch.count, stretch.count,
                    all.scales + block * rows + stretch.first);
    });
  }

  /// FP8 numbers of one sign are ordered as their bits are.
  static double largest_step(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
    int largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
      largest =
          std::max(largest, std::abs(std::to_integer<int>(a[i]) - std::to_integer<int>(b[i])));
    return largest;
  }
  static bool nearly_equal(const std::vector<float>& a, const std::vector<float>& b) {
    return std::equal(a.begin(), a.end(), b.begin(),
                      [](float x, float y) { return std::abs(x - y) <= 0x1p-20F * y; });
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_swiglu() { return std::make_unique<OwnBenchmark<Swiglu>>(); }

}  // namespace moecal::bench
