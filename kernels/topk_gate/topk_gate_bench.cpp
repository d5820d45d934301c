// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "kernels/routing_bench.hpp"
#include "kernels/row_check.hpp"
#include "kernels/topk_gate/topk_gate.hpp"

namespace moecal::bench {
namespace {

// exp on the device is within 2 units in the last place.
constexpr double kWeightTolerance = 0x1p-20;

constexpr char kSigmoid[] = "_sigmoid";

std::size_t workspace_bytes([[maybe_unused]] const kernels::TopkGateShape& shape,
                            Memory::Place place) {
  if constexpr (build::has_cuda)
    if (place == Memory::Place::device) return topk_gate_cuda_workspace(shape);
  return 0;
}

template <class T>
bool equal(const Memory& actual, const Memory& expected) {
  return actual.to_host<T>() == expected.to_host<T>();
}

struct TopkGate {
  static constexpr char name[] = "topk_gate";
  static constexpr PointTimes point_times{Seconds{0.12}, Seconds{0.18}, Seconds{0.19}};
  using Shape = kernels::TopkGateShape;

  struct Pool {
    Pool(const Case& c, const Shape& of_sets, Memory::Place of)
        : routing{c},
          shape{of_sets},
          place{of},
          logits{Memory::of(place, routing.resamples() ? gate_logits(shape.dtype, routing.rows())
                                                       : std::vector<std::byte>{})} {}
    RoutingPool routing;
    Shape shape;
    Memory::Place place;
    Memory logits;  // of routing.rows()
  };
  struct Buffers {
    Buffers(const Pool& pool, const Shape& shape, Memory::Place place, std::int64_t draw)
        : Buffers{Memory{place, static_cast<std::size_t>(shape.tokens * shape.experts) *
                                    size_of(shape.dtype)},
                  shape, place} {
      redraw(pool, *this, draw);
    }
    Buffers(Memory filled_logits, const Shape& shape, Memory::Place place)
        : sources{place, static_cast<std::size_t>(shape.tokens) * sizeof(std::int32_t)},
          logits{std::move(filled_logits)},
          expert_of{place, choices(shape) * sizeof(std::int32_t)},
          weight_of{place, choices(shape) * sizeof(float)},
          row_of{place, choices(shape) * sizeof(std::int32_t)},
          counts{place, static_cast<std::size_t>(shape.experts) * sizeof(std::int64_t)},
          offsets{place, static_cast<std::size_t>(shape.experts + 1) * sizeof(std::int64_t)},
          workspace{place, workspace_bytes(shape, place)} {}
    static std::size_t choices(const Shape& shape) {
      return static_cast<std::size_t>(shape.tokens * shape.top_k);
    }
    [[nodiscard]] kernels::TopkGateTensors tensors() const {
      return {logits.as<void>(),         expert_of.as<std::int32_t>(), weight_of.as<float>(),
              counts.as<std::int64_t>(), offsets.as<std::int64_t>(),   row_of.as<std::int32_t>()};
    }
    Memory sources;  // of each token's logits, in the pool
    Memory logits, expert_of, weight_of, row_of, counts, offsets, workspace;
  };

  static std::vector<Case> cases(Suite suite) { return routed_cases(gate_points(suite)); }
  static Shape shape_of(const Case& c) {
    const RoutingShape routing{c.point.at("tokens"), c.point.at("experts"), c.point.at("top_k")};
    return {routing.tokens, routing.experts, routing.top_k,
            expert_capacity(routing, c.routing.capacity_factor), parse_dtype(c.dtypes.a)};
  }
  /// Beside the softmax, which the documents' routers have, the suite `full` measures sigmoids.
  static std::vector<Implementation> implementations() {
    auto all = own_implementations();
    for (const auto& own : own_implementations())
      all.push_back({own.name + kSigmoid, own.backend, Suite::full});
    return all;
  }
  static void choose(const Implementation& implementation, Shape& shape) {
    if (implementation.name.ends_with(kSigmoid)) shape.scores = kernels::GateScores::sigmoid;
  }
  static Work work(const Shape& shape) { return topk_gate_work(shape); }
  static void run_cpu(const Shape& shape, const Buffers& buffers) {
    topk_gate_cpu(shape, buffers.tensors());
  }
  static void run_cuda(const Shape& shape, const Buffers& buffers, Stream stream) {
    topk_gate_cuda(shape, buffers.tensors(), buffers.workspace.as<void>(), stream);
  }
  /// What is to be held against reading the logits once (memory_stream), and what comes after it.
  static std::vector<OwnPart<Shape, Buffers>> cuda_parts() {
    return {{"choose_experts", kernels::choose_experts_work,
             [](const Shape& shape, const Buffers& buffers, Stream stream) {
               choose_experts_cuda(shape, buffers.tensors(), stream);
             }},
            {"sort_choices", kernels::sort_choices_work,
             [](const Shape& shape, const Buffers& buffers, Stream stream) {
               sort_choices_cuda(shape, buffers.tensors(), buffers.workspace.as<void>(), stream);
             }}};
  }
  static constexpr char fill[] = "logits uniform [-1, 1], those of the chosen from 2 on";
  static void redraw(const Pool& pool, Buffers& buffers, std::int64_t draw) {
    const auto& shape = pool.shape;
    if (!pool.routing.resamples())
      return buffers.logits.assign(gate_logits(shape.dtype, pool.routing.routing(draw).draw));
    buffers.sources.assign(pool.routing.sources(draw));
    const kernels::GatheredRows rows{.rows = shape.tokens,
                                     .row_bytes = shape.experts * size_of(shape.dtype),
                                     .from = pool.logits.as<void>(),
                                     .sources = buffers.sources.as<std::int32_t>(),
                                     .to = buffers.logits.as<void>()};
    if (pool.place == Memory::Place::host) return kernels::gather_rows_cpu(rows);
    if constexpr (build::has_cuda) kernels::gather_rows_cuda(rows);
  }
  /// Those that are held against reading the logits once.
  static bool leads(const Shape& shape) {
    constexpr std::int64_t kOutOfCache = std::int64_t{32} << 20;
    return shape.tokens * shape.experts * size_of(shape.dtype) >= kOutOfCache;
  }
  /// What topk_gate_cpu gives.
  static void expect(const Shape& shape, const kernels::TopkGateTensors& all) {
    for_each_stretch(shape.tokens, kRowsAtOnce, [&](RowStretch stretch) {
      auto part = shape;
      part.tokens = stretch.count;
      const auto choice = stretch.first * shape.top_k;
      auto of_part = all;
      of_part.logits = static_cast<const std::byte*>(all.logits) +
                       stretch.first * shape.experts * size_of(shape.dtype);
      of_part.expert_of += choice;
      of_part.weight_of += choice;
      choose_experts_cpu(part, of_part);
    });
    sort_choices_cpu(shape, all);
  }
  /// What a launch writes first: row_of follows from whatever expert_of holds, so it would be
  /// written though no expert was chosen.
  static const Memory& result(const Buffers& buffers) { return buffers.expert_of; }
  static VerificationResult verify(const Shape& shape, const Buffers& buffers) {
    const auto host = Memory::Place::host;
    const Buffers expected{Memory::of(host, buffers.logits.to_host<std::byte>()), shape, host};
    expect(shape, expected.tensors());
    const bool same_table = equal<std::int32_t>(buffers.expert_of, expected.expert_of) &&
                            equal<std::int64_t>(buffers.counts, expected.counts) &&
                            equal<std::int64_t>(buffers.offsets, expected.offsets) &&
                            equal<std::int32_t>(buffers.row_of, expected.row_of);
    const double weight_error = relative_error(Dtype::f32, buffers.weight_of.to_host<std::byte>(),
                                               expected.weight_of.to_host<std::byte>());
    return {same_table ? weight_error : 1.0, kWeightTolerance, "full"};
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_topk_gate() { return std::make_unique<OwnBenchmark<TopkGate>>(); }

}  // namespace moecal::bench
