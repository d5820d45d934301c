// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/permute/permute_bench.hpp"

#include <numeric>
#include <vector>

#include "kernels/routing_bench.hpp"
#include "kernels/row_check.hpp"

namespace moecal::bench {
namespace {

std::int64_t result_size(const kernels::PermuteShape& shape) {
  return shape.to_fp8 ? 1 : size_of(shape.dtype);
}

/// Of the first rows: the oracle has a place for choices that were dropped too.
std::vector<float> first_scales(const kernels::PermuteShape& shape,
                                const std::vector<float>& scales, std::size_t rows) {
  std::vector<std::int64_t> first(rows);
  std::iota(first.begin(), first.end(), 0);
  return columns_of(scales, first, shape.tokens * shape.top_k);
}

struct Permute {
  static constexpr char name[] = "permute";
  static constexpr PointTimes point_times{Seconds{0.04}, Seconds{0.055}, Seconds{0.13}};
  using Shape = kernels::PermuteShape;

  struct Pool {
    Pool(const Case& c, const Shape&, Memory::Place) : routing{c}, seed{c.routing.seed} {}
    RoutingPool routing;
    std::uint64_t seed;
  };
  struct Buffers {
    Buffers(const Pool& pool, const Shape& shape, Memory::Place place, std::int64_t draw)
        : tokens{place, {shape.dtype, pool.seed}, shape.tokens * shape.hidden},
          row_of{Memory::of(place, pool.routing.routing(draw).row_of)},
          rows{place, static_cast<std::size_t>(shape.tokens * shape.top_k * shape.hidden *
                                               result_size(shape))},
          scales{place, static_cast<std::size_t>(scale_count(shape)) * sizeof(float)} {}
    [[nodiscard]] kernels::PermuteTensors tensors() const {
      return {tokens.memory.as<void>(), row_of.as<std::int32_t>(), rows.as<void>(),
              scales.as<float>()};
    }
    UniformInput tokens;
    Memory row_of, rows, scales;
  };

  static std::vector<Case> cases(Suite suite) { return routed_cases(row_points(suite)); }
  static Shape shape_of(const Case& c) {
    return {c.point.at("tokens"),    c.point.at("hidden"),     c.point.at("top_k"),
            parse_dtype(c.dtypes.a), c.dtypes.c != c.dtypes.a, dropped_choices(c)};
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
  static const Memory& result(const Buffers& buffers) { return buffers.rows; }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    return check_permuted(shape,
                          {buffers.tokens.bytes, buffers.row_of, buffers.rows, buffers.scales});
  }
};

}  // namespace

VerificationResult check_permuted(const kernels::PermuteShape& shape, const Permuted& permuted) {
  const auto checked =
      routed_rows_to_check(permuted.row_of.to_host<std::int32_t>(), shape.top_k, shape.hidden);
  auto of_checked = shape;
  of_checked.tokens = static_cast<std::int64_t>(checked.tokens.size());
  const auto tokens = rows_of(permuted.tokens, checked.tokens, shape.hidden * size_of(shape.dtype));
  const auto rows = permuted.rows.rows_to_host(checked.rows, shape.hidden * result_size(shape));
  const auto scales =
      columns_of(permuted.scales.to_host<float>(), checked.rows, shape.tokens * shape.top_k);
  std::vector<std::byte> expected(rows.size());
  std::vector<float> expected_scales(static_cast<std::size_t>(scale_count(of_checked)));
  permute_cpu(of_checked,
              {tokens.data(), checked.row_of.data(), expected.data(), expected_scales.data()});
  const bool equal =
      rows == expected && scales == first_scales(of_checked, expected_scales, checked.rows.size());
  return {equal ? 0.0 : 1.0, 0.0, check_method(checked.tokens, shape.tokens)};
}

std::unique_ptr<Benchmark> make_permute() { return std::make_unique<OwnBenchmark<Permute>>(); }

}  // namespace moecal::bench
