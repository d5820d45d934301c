// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/routing_bench.hpp"
#include "kernels/unpermute/unpermute.hpp"

namespace moecal::bench {
namespace {

struct Unpermute {
  static constexpr char name[] = "unpermute";
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
        : rows{Memory::of(
              place,
              uniform_elements(shape.dtype, shape.tokens * shape.top_k * shape.hidden, seed))},
          row_of{Memory::of(place, routing.row_of)},
          weight_of{Memory::of(place, routing.draw.weight_of)},
          tokens{place,
                 static_cast<std::size_t>(shape.tokens * shape.hidden * size_of(shape.dtype))} {}
    [[nodiscard]] kernels::UnpermuteTensors tensors() const {
      return {rows.as<void>(), row_of.as<std::int32_t>(), weight_of.as<float>(), tokens.as<void>()};
    }
    Memory rows, row_of, weight_of, tokens;
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
            parse_dtype(c.dtypes.a)};
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
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    const auto rows = buffers.rows.to_host<std::byte>();
    const auto row_of = buffers.row_of.to_host<std::int32_t>();
    const auto weight_of = buffers.weight_of.to_host<float>();
    const auto actual = buffers.tokens.to_host<std::byte>();
    std::vector<std::byte> expected(actual.size());
    unpermute_cpu(shape, {rows.data(), row_of.data(), weight_of.data(), expected.data()});
    // A fused multiply-add can move a result across a rounding boundary: a unit in the last place.
    const double tolerance = shape.dtype == Dtype::bf16  ? 0x1p-7
                             : shape.dtype == Dtype::f16 ? 0x1p-10
                                                         : 0x1p-20;
    return {relative_error(shape.dtype, actual, expected), tolerance, "full"};
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_unpermute() { return std::make_unique<OwnBenchmark<Unpermute>>(); }

}  // namespace moecal::bench
