// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/collective_bench.hpp"
#include "core/build.hpp"

namespace moecal::bench {
namespace {

using namespace collectives;

struct Layer {
  std::int64_t tokens, hidden, experts, top_k;
};

std::vector<Layer> layers_of(Suite suite) {
  if (suite == Suite::quick) return {{64, 1024, 64, 2}, {1024, 1024, 64, 2}};
  // The planning documents' layers; tokens are one rank's.
  std::vector<Layer> layers{{512, 4096, 8, 2},
                            {4096, 4096, 8, 2},
                            {2048, 1024, 64, 2},
                            {8192, 512, 16, 2},
                            {4096, 2048, 64, 2}};
  if (suite == Suite::full)
    for (const std::int64_t tokens : {1, 16, 128, 1024, 8192})
      for (const std::int64_t top_k : {1, 4, 8}) layers.push_back({tokens, 7168, 256, top_k});
  return layers;
}

std::vector<std::string> distributions_of(Suite suite) {
  if (suite == Suite::full) return {"balanced", "uniform", "power_law"};
  return {"balanced", "power_law"};
}

/// Where planner does not look closely (collective_bench.cpp): one small and one large exchange.
bool is_left_out(Suite suite, const GroupSpec& spec, const Layer& layer,
                 const std::string& distribution) {
  if (suite != Suite::planner || is_contiguous_alone(spec)) return false;
  const bool kept = (layer.tokens == 512 || layer.tokens == 2048) && distribution == "power_law";
  return !kept;
}

std::vector<Case> cases_of(Suite suite, const GroupSpec& spec) {
  std::vector<Case> cases;
  for (const Layer& layer : layers_of(suite)) {
    if (layer.experts % spec.group != 0) continue;
    for (const auto& distribution : distributions_of(suite)) {
      if (is_left_out(suite, spec, layer, distribution)) continue;
      Case c;
      c.point = {{"tokens", layer.tokens},
                 {"hidden", layer.hidden},
                 {"experts", layer.experts},
                 {"top_k", layer.top_k}};
      c.routing.distribution = distribution;
      c.routed = true;
      cases.push_back(c);
    }
  }
  return cases;
}

CollectiveShape shape_of(const Case& c) {
  const Dtype dtype = parse_dtype(c.dtypes.a);
  const std::int64_t rows = c.point.at("tokens") * c.point.at("top_k");
  return {rows * c.point.at("hidden") * size_of(dtype), dtype, c.ranks.group};
}

RoutedExchange route(const Case& c) {
  return draw_exchange({c.point.at("tokens"), c.point.at("experts"), c.point.at("top_k")},
                       c.routing, c.ranks.group,
                       c.point.at("hidden") * size_of(parse_dtype(c.dtypes.a)));
}

}  // namespace

std::unique_ptr<Benchmark> make_all_to_all_v() {
  CollectiveOperation operation{
      .name = "all_to_all_v",
      .dtypes = {Dtype::bf16},  // bytes travel as they are: one payload stands for all
      .full_dtypes = {Dtype::fp8_e4m3, Dtype::f16, Dtype::f32},
      .planner_bytes = {},
      .cases = cases_of,
      .shape = shape_of,
      .route = route,
      .buffers = all_to_all_v_buffers,
      .work = all_to_all_v_work,
      .fill = all_to_all_v_fill,
      .error = all_to_all_v_error};
  if constexpr (build::has_mpi)
    operation.mpi = {{"ompi", all_to_all_v_check_mpi, all_to_all_v_mpi}};
  if constexpr (build::has_nccl) operation.nccl = {{"nccl_send_recv", all_to_all_v_nccl}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
