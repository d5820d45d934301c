// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/call_floor.hpp"

#include "calibration/features.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/prediction_draft.hpp"
#include "calibration/routing_conditions.hpp"
#include "core/collective.hpp"

namespace moecal::planning {
namespace {

using calibration::Query;
using MaybeFloor = std::optional<CallFloor>;

/// Whose bytes and FLOPs are the card's own and follow from the point alone. Not so: a host's
/// memory (host_adam), times of other calls (overlap), and what a routing decides.
bool has_own_work(const std::string& operation) {
  return calibration::has_known_work(operation) && operation != "host_adam" &&
         operation != "overlap" && !calibration::takes_routing(operation);
}

MaybeFloor floor_of_work(const Card& card, const Query& query,
                         const calibration::Conditions& conditions) {
  if (!has_own_work(query.operation)) return std::nullopt;
  const auto dtypes = calibration::dtypes_asked(conditions, query);
  const auto work =
      calibration::work_of(calibration::kind_of_work(query.operation, conditions.implementation),
                           query.point, dtypes, calibration::spec_of(conditions.routing));
  CallFloor floor;
  const auto peak = card.bounding_peak(dtypes.a);
  if (peak && query.operation == "expert_gemm")
    floor = {work.flops.value() / (kNominalTolerance * peak->rate.value()),
             "nominal peak of " + peak->of};
  const double bytes = work.read.value() + work.written.value();
  if (card.memory_bandwidth && card.last_level_cache &&
      bytes > kOutOfCache * card.last_level_cache->value.value()) {
    const double seconds = bytes / (kNominalTolerance * card.memory_bandwidth->value.value());
    if (seconds > floor.seconds) floor = {seconds, "nominal memory bandwidth"};
  }
  return floor.seconds > 0 ? MaybeFloor{floor} : std::nullopt;
}

/// Bytes that a rank's own link must carry, of a group in one node.
double bytes_of_a_link(const Query& query) {
  const auto bytes = static_cast<double>(query.point.at("bytes"));
  const int ranks = query.operation == "send_recv" ? 2 : query.group;
  return query.operation == "all_reduce" ? bytes : bytes * bus_factor(query.operation, ranks);
}

/// The same of a rank's share of its node's network.
double bytes_of_a_share(const Query& query) {
  const auto bytes = static_cast<double>(query.point.at("bytes"));
  const double others = 1 - 1.0 / query.nodes;
  const double ranks_of_a_node = static_cast<double>(query.group) / query.nodes;
  if (query.operation == "all_to_all") return bytes * others;
  if (query.operation == "send_recv") return bytes;
  return bytes * (has_blocks(query.operation) ? others : 1) / ranks_of_a_node;
}

MaybeFloor floor_of_collective(const Card& card, const Query& query) {
  if (!query.point.contains("bytes") || query.group < 2) return std::nullopt;
  if (query.tier == "intra") {
    const auto rate = card.link_rate(query.group);
    if (!rate) return std::nullopt;
    return CallFloor{bytes_of_a_link(query) / (kNominalTolerance * rate->value()),
                     "nominal rate of the link between devices"};
  }
  if (query.nodes < 2 || !card.nic.rate) return std::nullopt;
  return CallFloor{bytes_of_a_share(query) / (kNominalTolerance * card.nic.rate->value.value()),
                   "nominal rate of the network"};
}

}  // namespace

MaybeFloor call_floor(const Card& card, const Query& query,
                      const calibration::Conditions& conditions) {
  return is_collective(query.operation) ? floor_of_collective(card, query)
                                        : floor_of_work(card, query, conditions);
}

}  // namespace moecal::planning
