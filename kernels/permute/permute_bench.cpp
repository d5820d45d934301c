// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/permute/permute.hpp"
#include "kernels/routing_bench.hpp"

namespace moecal::bench {
namespace {

struct Permute {
  static constexpr char name[] = "permute";
  using Shape = kernels::PermuteShape;

  struct Pool {
    Pool(const Case& c, const Shape&, Memory::Place) : routing{c}, seed{c.routing.seed} {}
    RoutingPool routing;
    std::uint64_t seed;
  };
  struct Buffers {
    Buffers(const Pool& pool, const Shape& shape, Memory::Place place, std::int64_t draw)
        : tokens{Memory::of(place,
                            uniform_elements(shape.dtype, shape.tokens * shape.hidden, pool.seed))},
          row_of{Memory::of(place, pool.routing.routing(draw).row_of)},
          rows{place, static_cast<std::size_t>(shape.tokens * shape.top_k * shape.hidden *
                                               (shape.to_fp8 ? 1 : size_of(shape.dtype)))},
          scales{place, static_cast<std::size_t>(scale_count(shape)) * sizeof(float)} {}
    [[nodiscard]] kernels::PermuteTensors tensors() const {
      return {tokens.as<void>(), row_of.as<std::int32_t>(), rows.as<void>(), scales.as<float>()};
    }
    Memory tokens, row_of, rows, scales;
  };

  static std::vector<Case> cases(Suite suite) { return routed_cases(row_points(suite)); }
  static Shape shape_of(const Case& c) {
    return {c.point.at("tokens"), c.point.at("hidden"), c.point.at("top_k"),
            parse_dtype(c.dtypes.a), c.dtypes.c != c.dtypes.a};
  }
  static Work work(const Shape& shape) { return permute_work(shape); }
  static void run_cpu(const Shape& shape, const Buffers& buffers) {
    permute_cpu(shape, buffers.tensors());
  }
  static void run_cuda(const Shape& shape, const Buffers& buffers, Stream stream) {
    permute_cuda(shape, buffers.tensors(), stream);
  }
  static void redraw(const Pool& pool, Buffers& buffers, std::int64_t draw) {
    buffers.row_of.assign(pool.routing.routing(draw).row_of);
  }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    const auto tokens = buffers.tokens.to_host<std::byte>();
    const auto row_of = buffers.row_of.to_host<std::int32_t>();
    const auto actual = buffers.rows.to_host<std::byte>();
    const auto scales = buffers.scales.to_host<float>();
    auto expected = actual;  // rows past the last one taken may hold an earlier draw's
    auto expected_scales = scales;
    permute_cpu(shape, {tokens.data(), row_of.data(), expected.data(), expected_scales.data()});
    return {actual == expected && scales == expected_scales ? 0.0 : 1.0, 0.0, "full"};
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_permute() { return std::make_unique<OwnBenchmark<Permute>>(); }

}  // namespace moecal::bench
