// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/planned_point.hpp"

#include <sstream>

#include "core/collective.hpp"
#include "core/hash.hpp"

namespace moecal::bench {
namespace {

std::string types_of(const Dtypes& dtypes) {
  std::string text = dtypes.a;
  if (!dtypes.c.empty() && dtypes.c != dtypes.a) text += "_" + dtypes.c;
  if (!dtypes.scale_mode.empty() && dtypes.scale_mode != "none") text += "_" + dtypes.scale_mode;
  if (!dtypes.layout.empty() && dtypes.layout != "TN") text += "_" + dtypes.layout;
  return text;
}

// Which recording: two of them are two points.
std::string routing_of(const RoutingSpec& routing) {
  if (routing.loads.empty()) return routing.distribution;
  std::ostringstream loads;
  for (const double load : routing.loads) loads << load << " ";
  return routing.distribution + ":" + sha256(loads.str()).substr(0, 8);
}

std::string ranks_of(const Ranks& ranks) {
  if (ranks.world == 1) return "";
  return "/g:" + std::to_string(ranks.group) + "/" + ranks.placement +
         "/groups:" + std::to_string(ranks.concurrent_groups);
}

}  // namespace

std::string PlannedPoint::name() const {
  std::string text = benchmark->operation() + "/" + implementation.name;
  for (const auto& [key, value] : c.point) text += "/" + key + ":" + std::to_string(value);
  const auto types = types_of(c.dtypes);
  if (!types.empty()) text += "/" + types;
  if (c.routed) text += "/" + routing_of(c.routing);
  text += ranks_of(c.ranks);
  return text + "/" + std::string{to_string(cache)};
}

bool runs_over_ranks(const Implementation& implementation) {
  return implementation.backend == "mpi" || implementation.backend == "nccl";
}

bool is_in_step(const Benchmark& benchmark) {
  const CollectiveFacts* facts = find_collective(benchmark.operation());
  return facts == nullptr || facts->in_step;
}

bool stays_in_step(const PlannedPoint& point) {
  const bool is_one_collective = is_collective(point.benchmark->operation());
  const bool can_run_ahead = !is_one_collective || !is_in_step(*point.benchmark);
  return point.c.ranks.world == 1 ||
         (!can_run_ahead && point.c.ranks.concurrent_groups == 1 && !is_cuda(point.implementation));
}

bool is_cuda(const Implementation& implementation) {
  return implementation.backend == "cuda" || implementation.backend == "nccl";
}

Machine measured_by(const Implementation& implementation, const Machine& machine) {
  return implementation.of_host && machine.device >= 0 ? read_cpu() : machine;
}

}  // namespace moecal::bench
