// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/operation_work.hpp"

#include <cmath>
#include <map>
#include <ranges>

#include "calibration/expert_loads.hpp"
#include "calibration/features.hpp"
#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

constexpr double kIndexBytes = 4;   // row maps and expert ids: int32
constexpr double kCountBytes = 8;   // rows of an expert and their offsets: int64
constexpr double kWeightBytes = 4;  // routing weights: f32

Work make_work(double flops, double read, double written) {
  return {Flops{flops}, Bytes{read}, Bytes{written}, Bytes{0}, 0};
}

Work work_of_gemm(const OperationCall& call) {
  return gemm_work(
      {call.number_or("groups", 1), call.number("m"), call.number("n"), call.number("k")},
      element_bytes(call.dtypes));
}

/// A capacity drops rows, and experts without any read no weights.
Work grouped_work(const OperationCall& call, const GroupedInputs& grouped) {
  if (call.routing.capacity_factor == 0) return work_of_gemm(call);
  const auto& [n, k] = grouped.products[0];
  return make_work(2 * grouped.rows * n * k,
                   grouped.rows * k * call.a() + grouped.active * n * k * call.b(),
                   grouped.rows * n * call.c());
}

Work layer_work(const OperationCall& call, const GroupedInputs& grouped) {
  double weights = 0;
  for (const auto& product : grouped.products) weights += product.n * product.k;
  const double row = call.number("hidden") * call.c();
  return make_work(2 * grouped.rows * weights,
                   grouped.active * weights * grouped.weight_size + grouped.tokens * row,
                   grouped.tokens * row);
}

Work work_of_grouped(const OperationCall& call) {
  return work_of_experts(call, grouped_inputs(call));
}

Work copy_work(const OperationCall& call) {
  return make_work(0, call.number("bytes"), call.number("bytes"));
}

Work stream_work(const OperationCall& call) {
  const double bytes = call.number("bytes");
  return make_work(0, bytes * call.number("reads"), bytes * call.number("writes"));
}

/// Four f32 arrays in; three of them and a bf16 one out.
Work adam_work(const OperationCall& call) {
  const double parameters = call.number("parameters");
  return make_work(13 * parameters, 16 * parameters, 14 * parameters);
}

/// Of a row of that many elements, each block of 128 of which has a scale of its own; else 0.
double row_scales(const OperationCall& call, const std::string& elements) {
  if (call.dtypes.scale_mode != "block_1x128") return 0;
  return std::ceil(call.number(elements) / kScaleBlock);
}

double choices_of(const OperationCall& call) {
  return call.number("tokens") * call.number("top_k");
}

/// Choices that a capacity leaves, in expectation.
double kept_choices(const OperationCall& call) {
  if (call.routing.capacity_factor == 0) return choices_of(call);
  const RoutingShape shape{call.whole("tokens"), call.whole("experts"), call.whole("top_k")};
  return busiest_rank_loads(shape, 1, call.routing).rows;
}

Work permute_work(const OperationCall& call) {
  const double row = call.number("hidden") * call.a(), rows = kept_choices(call);
  const double written = rows * call.number("hidden") * call.c();
  const double scales = rows * row_scales(call, "hidden");
  return make_work(0, call.number("tokens") * row + choices_of(call) * kIndexBytes,
                   written + scales * kScaleBytes);
}

Work unpermute_work(const OperationCall& call) {
  const double row = call.number("hidden") * call.a(), rows = kept_choices(call);
  return make_work(2 * rows * call.number("hidden"),
                   rows * row + choices_of(call) * (kIndexBytes + kWeightBytes),
                   call.number("tokens") * row);
}

Work quantize_work(const OperationCall& call) {
  const double tokens = call.number("tokens"), elements = tokens * call.number("hidden");
  const double scales =
      call.dtypes.scale_mode == "block_1x128" ? tokens * row_scales(call, "hidden") : 1;
  return make_work(0, elements * call.a(), elements * call.c() + scales * kScaleBytes);
}

/// Gates and ups are two operands of the result's size.
Work swiglu_work(const OperationCall& call) {
  const double tokens = call.number("tokens"), results = tokens * call.number("inner");
  const double scales = tokens * row_scales(call, "inner");
  return make_work(5 * results, 2 * results * call.a(), results * call.c() + scales * kScaleBytes);
}

/// Causal queries see half of the keys.
double share_of_keys_seen(const OperationCall& call) {
  return call.number("causal") != 0 ? 0.5 : 1;
}

double attention_scores(const OperationCall& call) {
  return call.number("batch") * call.number("heads") * call.number("sequence") *
         call.number("sequence");
}

/// Operands and result once.
Work fused_attention_work(const OperationCall& call) {
  const double vectors = call.number("batch") * call.number("sequence") * call.number("head_size");
  const double queries = call.number("heads") * vectors, keys = call.number("kv_heads") * vectors;
  return make_work(share_of_keys_seen(call) * 4 * attention_scores(call) * call.number("head_size"),
                   call.a() * (queries + 2 * keys), call.a() * queries);
}

/// Unfused: the scores are written and read twice.
Work attention_work(const OperationCall& call) {
  const auto fused = fused_attention_work(call);
  const double scores = call.a() * attention_scores(call);
  return make_work(fused.flops.value(),
                   fused.read.value() + (share_of_keys_seen(call) + 1) * scores,
                   fused.written.value() + 2 * scores);
}

Work gate_work(const OperationCall& call) {
  const double tokens = call.number("tokens"), experts = call.number("experts");
  const double chosen = tokens * call.number("top_k");
  const double written_per_choice = 2 * kIndexBytes + kWeightBytes;  // expert, row, weight
  return make_work(0, tokens * experts * call.a(),
                   chosen * written_per_choice + (2 * experts + 1) * kCountBytes);
}

/// Of a routed exchange (all_to_all_v, dispatch_combine): one rank's rows.
double message_bytes(const OperationCall& call) {
  if (call.point.contains("bytes")) return call.number("bytes");
  return call.number("tokens") * call.number("top_k") * call.number("hidden") * call.a();
}

Work transfer_work(const OperationCall& call) {
  return {Flops{0}, Bytes{0}, Bytes{0}, Bytes{message_bytes(call)}, 1};
}

/// Rows as if each expert had a copy.
Work exchange_work(const OperationCall& call) {
  const auto x = exchange_inputs(call);
  return {Flops{0}, Bytes{0}, Bytes{0}, Bytes{x.tokens * x.top_k * x.row}, 1};
}

Work unknown_work(const OperationCall& call) {
  if (call.point.size() > 1) {
    throw InvalidInput{
        "how the time of '" + call.operation + "' follows from its " +
        std::to_string(call.point.size()) + " numbers (" + join(std::views::keys(call.point)) +
        ") is not known: only an operation of one number can be fitted without that"};
  }
  double elements = 1;
  for (const auto& [name, value] : call.point) elements = call.number(name);
  return make_work(0, elements * (call.dtypes.a.empty() ? 1 : call.a()), 0);
}

/// Times of other calls are no work of their own: what they take counts as if each nanosecond moved
/// a byte.
Work combined_work(const OperationCall& call) {
  return make_work(0, call.number("compute_ns") + call.number("communication_ns"), 0);
}

using WorkOf = Work (*)(const OperationCall&);
const std::map<std::string, WorkOf>& known_work() {
  static const std::map<std::string, WorkOf> kKnown{{"expert_gemm", work_of_gemm},
                                                    {"grouped_gemm", work_of_grouped},
                                                    {"memory_copy", copy_work},
                                                    {"permute", permute_work},
                                                    {"unpermute", unpermute_work},
                                                    {"topk_gate", gate_work},
                                                    {"quantize", quantize_work},
                                                    {"swiglu", swiglu_work},
                                                    {"moe_layer", work_of_grouped},
                                                    {"attention", attention_work},
                                                    {"memory_stream", stream_work},
                                                    {"host_adam", adam_work},
                                                    {"fused_attention", fused_attention_work},
                                                    {"overlap", combined_work}};
  return kKnown;
}

}  // namespace

bool is_fused(const std::string& implementation) { return implementation.ends_with("_fused"); }

std::string kind_of_work(const std::string& operation, const std::string& implementation) {
  return operation == "attention" && is_fused(implementation) ? "fused_attention" : operation;
}

bool has_known_work(const std::string& kind) { return known_work().contains(kind); }

Work work_of_experts(const OperationCall& call, const GroupedInputs& grouped) {
  return call.operation == "moe_layer" ? layer_work(call, grouped) : grouped_work(call, grouped);
}

Work work_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
             const RoutingSpec& routing) {
  const OperationCall call{operation, point, dtypes, routing};
  const auto known = known_work().find(operation);
  if (known != known_work().end()) return known->second(call);
  switch (family_of(operation, point)) {
    case Family::transfer:
      return transfer_work(call);
    case Family::gemm:
      return work_of_gemm(call);
    case Family::exchange:
      return exchange_work(call);
    case Family::grouped:  // both are known above
    case Family::memory_bound:
      break;
  }
  return unknown_work(call);
}

}  // namespace moecal::calibration
