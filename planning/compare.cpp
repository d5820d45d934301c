// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/compare.hpp"

#include <algorithm>
#include <array>

#include "calibration/features.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/routing_conditions.hpp"
#include "planning/check.hpp"
#include "planning/propagate.hpp"

namespace moecal::planning {
namespace {

using calibration::Query;

// (n, k) of the documents' expert GEMMs, gate and up fused: b200-8gpu and megatron-guide,
// moe30b-128gpu, ep64-tp2-128gpu, moe10b-16gpu.
constexpr std::array<std::pair<int, int>, 6> kWeights{
    {{28672, 4096}, {4096, 14336}, {14336, 2048}, {2048, 7168}, {2048, 1024}, {1024, 512}}};
constexpr std::array<int, 4> kRows{16, 256, 2048, 16384};

Query gemm(const std::string& dtype, int m, std::pair<int, int> weights) {
  Query query;
  query.operation = "expert_gemm";
  query.dtype = dtype;
  query.point = {{"m", m}, {"n", weights.first}, {"k", weights.second}};
  return query;
}

Query collective(const std::string& operation, int group, std::int64_t bytes) {
  Query query;
  query.operation = operation;
  query.dtype = "f16";
  query.group = group;
  query.point = {{"bytes", bytes}};
  return query;
}

/// Over two nodes, with every device of both.
Query between_nodes(const std::string& operation, std::int64_t bytes) {
  auto query = collective(operation, 16, bytes);
  query.tier = "inter";
  query.nodes = 2;
  return query;
}

/// Layers of the documents' models and of one with many small experts, spread over 8 ranks.
constexpr std::array<std::array<int, 4>, 2> kLayers{// hidden, inter, experts, top_k
                                                    {{4096, 14336, 8, 2}, {2048, 768, 128, 8}}};

Query layer(const std::string& dtype, int tokens, const std::array<int, 4>& model) {
  Query query;
  query.operation = "moe_layer";
  query.dtype = dtype;
  query.routing = "balanced";
  query.point = {{"tokens", tokens},    {"hidden", model[0]}, {"inter", model[1]},
                 {"experts", model[2]}, {"top_k", model[3]},  {"tensor_parallel", 1},
                 {"expert_parallel", 8}};
  return query;
}

Query exchange(const std::string& operation, int tokens) {
  Query query;
  query.operation = operation;
  query.group = 8;
  query.point = {{"tokens", tokens}, {"hidden", 7168}, {"experts", 256}, {"top_k", 8}};
  return query;
}

Query copy(std::int64_t bytes) {
  Query query;
  query.operation = "memory_copy";
  query.point = {{"bytes", bytes}};
  return query;
}

/// Why a call of a card has no model, where the attempt to transfer one says.
std::string why_not_transferred(const ComparedCard& card, const Query& query) {
  for (const auto& each : card.left_out) {
    const auto& c = each.conditions;
    if (each.operation == query.operation && c.group == query.group && c.tier == query.tier &&
        (query.dtype.empty() || c.dtype == query.dtype))
      return each.reason;
  }
  const auto& own = card.models.models;
  if (std::ranges::any_of(own, [&](const calibration::Model& model) {
        return model.operation == query.operation && model.conditions.tier == query.tier;
      }))
    return "";  // measured otherwise: what is missing is said better by the models
  for (const auto& each : card.unmeasured)
    if (each.operation == query.operation && each.conditions.tier == query.tier)
      return each.series + ": " + each.reason;
  return card.no_transfer;
}

ComparedSide side(const ComparedCard& card, const Query& query, double bytes) {
  ComparedSide side;
  side.fits = !card.card.memory || bytes <= card.card.memory->value.value();
  auto own = query;
  own.card = card.card.id;
  own.any_setting = true;  // a table of many calls has nobody to ask
  auto answer = calibration::predict(card.models, own);
  side.prediction = std::move(answer.prediction);
  side.missing = std::move(answer.missing);
  if (side.prediction) return side;
  if (const auto reason = why_not_transferred(card, query); !reason.empty()) side.missing = reason;
  return side;
}

Cost cost_of(const ComparedSide& side, const Query& query) {
  const auto& p = *side.prediction;
  return {{{query.operation, p.seconds, p.lo, p.hi, p.model_id, p.provenance, p.flags}}, ""};
}

double bytes_of_unit(const std::string& unit) {
  if (unit == "GB") return 1e9;
  if (unit == "MB") return 1e6;
  return unit == "MiB" ? 1048576 : unit == "GiB" ? 1073741824 : 0;
}

/// Not a limit, and not what a capacity leaves.
bool states_an_amount(const Claim& claim) {
  const bool of_capacity =
      std::any_of(claim.parameters.begin(), claim.parameters.end(),
                  [](const Parameter& parameter) { return parameter.name == "cap"; });
  const auto& comparator = claim.comparison.comparator;
  return !of_capacity && (comparator == "=" || comparator == "~");
}

void add_ratio(ComparedCall& call, const ComparedCard& first, const ComparedCard& other) {
  const auto mine = draw_cost(cost_of(call.first, call.query), "compared", first.card.id);
  auto ratios = draw_cost(cost_of(call.other, call.query), "compared", other.card.id);
  for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] /= mine[i];
  call.interval = interval_of(ratios);
  if (!call.interval) return;
  call.ratio = call.other.prediction->seconds / call.first.prediction->seconds;
  call.standing = call.interval->lo > 1   ? Standing::faster
                  : call.interval->hi < 1 ? Standing::slower
                                          : Standing::undecided;
}

}  // namespace

std::string_view to_string(Standing standing) {
  switch (standing) {
    case Standing::faster:
      return "faster";
    case Standing::slower:
      return "slower";
    case Standing::undecided:
      return "undecided";
    case Standing::does_not_fit:
      return "does not fit";
    case Standing::unknown:
      break;
  }
  return "unknown";
}

std::vector<Query> planning_calls() {
  constexpr std::int64_t kKibi = 1024, kMebi = 1024 * kKibi;
  std::vector<Query> calls;
  for (const char* dtype : {"bf16", "fp8_e4m3"})
    for (const auto& weights : kWeights)
      for (const int m : kRows) calls.push_back(gemm(dtype, m, weights));
  for (const char* operation : {"all_reduce", "all_to_all", "all_gather", "reduce_scatter"})
    for (const int group : {2, 4, 8})
      for (const auto bytes : {64 * kKibi, 4 * kMebi, 64 * kMebi, 1024 * kMebi})
        calls.push_back(collective(operation, group, bytes));
  for (const char* operation : {"all_reduce", "all_to_all", "all_gather", "reduce_scatter"})
    for (const auto bytes : {4 * kMebi, 64 * kMebi, 1024 * kMebi})
      calls.push_back(between_nodes(operation, bytes));
  for (const auto bytes : {kMebi, 1024 * kMebi}) calls.push_back(copy(bytes));
  for (const char* dtype : {"bf16", "fp8_e4m3"})
    for (const auto& model : kLayers)
      for (const int tokens : {64, 1024, 16384}) calls.push_back(layer(dtype, tokens, model));
  for (const char* operation : {"moe_dispatch", "moe_combine"})
    for (const int tokens : {128, 1024, 8192}) calls.push_back(exchange(operation, tokens));
  return calls;
}

double device_bytes(const Query& query) {
  if (!query.point.contains("bytes") || !calibration::is_call_of_system(query.operation)) {
    const auto dtype = query.dtype.empty() ? std::string{"f32"} : query.dtype;
    const auto routing = calibration::spec_of(calibration::routing_asked(query.operation, query));
    const auto work =
        calibration::work_of(query.operation, query.point, {dtype, dtype, "", "", "", ""}, routing);
    // Of an exchange with experts what is sent, and as much that comes.
    return work.read.value() + work.written.value() + 2 * work.sent.value();
  }
  const auto bytes = static_cast<double>(query.point.at("bytes"));
  const bool in_place = query.operation == "all_reduce" || query.operation == "broadcast";
  if (query.operation == "all_gather" || query.operation == "reduce_scatter")
    return bytes * (1 + 1.0 / query.group);
  return in_place || query.operation == "send_recv" ? bytes : 2 * bytes;
}

std::vector<MemoryDemand> memory_demands(const ClaimSet& set) {
  std::vector<MemoryDemand> demands;
  for (const auto& document : set.documents)
    for (const auto& claim : document.claims) {
      const double unit = bytes_of_unit(claim.unit);
      if (claim.kind != "memory" || unit == 0 || !states_an_amount(claim)) continue;
      const auto result = check_claim(set, document, claim, nullptr);
      if (result.main.value)
        demands.push_back({claim.id, claim.quantity, *result.main.value * unit});
    }
  return demands;
}

ComparedCall compare_call(const ComparedCard& first, const ComparedCard& other,
                          const Query& query) {
  ComparedCall call;
  call.query = query;
  call.device_bytes = device_bytes(query);
  call.first = side(first, query, call.device_bytes);
  call.other = side(other, query, call.device_bytes);
  if (!call.first.fits || !call.other.fits)
    call.standing = Standing::does_not_fit;
  else if (call.first.prediction && call.other.prediction)
    add_ratio(call, first, other);
  return call;
}

}  // namespace moecal::planning
