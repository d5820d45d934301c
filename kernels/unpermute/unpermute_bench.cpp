// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/unpermute/unpermute_bench.hpp"

#include <vector>

#include "core/parallel.hpp"
#include "kernels/routing_bench.hpp"
#include "kernels/row_check.hpp"

namespace moecal::bench {
namespace {

/// [tokens, top_k] of those tokens.
std::vector<float> weights_of(const std::vector<float>& all,
                              const std::vector<std::int64_t>& tokens, std::int64_t top_k) {
  std::vector<float> chosen;
  for (const auto token : tokens)
    chosen.insert(chosen.end(), all.begin() + token * top_k, all.begin() + (token + 1) * top_k);
  return chosen;
}

struct Unpermute {
  static constexpr char name[] = "unpermute";
  static constexpr PointTimes point_times{Seconds{0.03}, Seconds{0.045}, Seconds{0.12}};
  using Shape = kernels::UnpermuteShape;

  struct Pool {
    Pool(const Case& c, const Shape&, Memory::Place) : routing{c}, seed{c.routing.seed} {}
    RoutingPool routing;
    std::uint64_t seed;
  };
  struct Buffers {
    Buffers(const Pool& pool, const Shape& shape, Memory::Place place, std::int64_t draw)
        : Buffers{pool.routing.routing(draw), pool.seed, shape, place} {}
    Buffers(const SetRouting& routing, std::uint64_t seed, const Shape& shape, Memory::Place place)
        : rows{place, {shape.dtype, seed}, shape.tokens * shape.top_k * shape.hidden},
          row_of{Memory::of(place, routing.row_of)},
          weight_of{Memory::of(place, routing.draw.weight_of)},
          tokens{place,
                 static_cast<std::size_t>(shape.tokens * shape.hidden * size_of(shape.dtype))} {}
    [[nodiscard]] kernels::UnpermuteTensors tensors() const {
      return {rows.memory.as<void>(), row_of.as<std::int32_t>(), weight_of.as<float>(),
              tokens.as<void>()};
    }
    UniformInput rows;
    Memory row_of, weight_of, tokens;
  };

  /// permute's, without those of dtypes that have no arithmetic: experts return 16-bit rows.
  static std::vector<Case> cases(Suite suite) {
    auto points = row_points(suite);
    std::erase_if(points,
                  [](const auto& point) { return point.dtype == "fp8_e4m3" || point.to_fp8; });
    return routed_cases(points);
  }
  static Shape shape_of(const Case& c) {
    return {c.point.at("tokens"), c.point.at("hidden"), c.point.at("top_k"),
            parse_dtype(c.dtypes.a), dropped_choices(c)};
  }
  static Work work(const Shape& shape) { return unpermute_work(shape); }
  static void run_cpu(const Shape& shape, const Buffers& buffers) {
    unpermute_cpu(shape, buffers.tensors());
  }
  static void run_cuda(const Shape& shape, const Buffers& buffers, Stream stream) {
    unpermute_cuda(shape, buffers.tensors(), stream);
  }
  static void redraw(const Pool& pool, Buffers& buffers, std::int64_t draw) {
    const auto routing = pool.routing.routing(draw);
    buffers.row_of.assign(routing.row_of);
    buffers.weight_of.assign(routing.draw.weight_of);
  }
  static const Memory& result(const Buffers& buffers) { return buffers.tokens; }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    return check_unpermuted(
        shape, {buffers.rows.bytes, buffers.row_of, buffers.weight_of, buffers.tokens});
  }
};

}  // namespace

VerificationResult check_unpermuted(const kernels::UnpermuteShape& shape,
                                    const Unpermuted& unpermuted) {
  const auto checked =
      routed_rows_to_check(unpermuted.row_of.to_host<std::int32_t>(), shape.top_k, shape.hidden);
  auto of_checked = shape;
  of_checked.tokens = static_cast<std::int64_t>(checked.tokens.size());
  const auto row_bytes = shape.hidden * size_of(shape.dtype);
  const auto rows = rows_of(unpermuted.rows, checked.rows, row_bytes);
  const auto weight_of =
      weights_of(unpermuted.weight_of.to_host<float>(), checked.tokens, shape.top_k);
  const auto actual = unpermuted.tokens.rows_to_host(checked.tokens, row_bytes);
  std::vector<std::byte> expected(actual.size());
  for_each_stretch(of_checked.tokens, kRowsAtOnce, [&](RowStretch stretch) {
    auto part = of_checked;
    part.tokens = stretch.count;
    const auto choice = stretch.first * shape.top_k;
    unpermute_cpu(part, {rows.data(), checked.row_of.data() + choice, weight_of.data() + choice,
                         expected.data() + stretch.first * row_bytes});
  });
  // A fused multiply-add can move a result across a rounding boundary: a unit in the last place.
  const double tolerance = shape.dtype == Dtype::bf16  ? 0x1p-7
                           : shape.dtype == Dtype::f16 ? 0x1p-10
                                                       : 0x1p-20;
  return {relative_error(shape.dtype, actual, expected), tolerance,
          check_method(checked.tokens, shape.tokens)};
}

std::unique_ptr<Benchmark> make_unpermute() { return std::make_unique<OwnBenchmark<Unpermute>>(); }

}  // namespace moecal::bench
