// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/measured_source.hpp"

#include <cmath>

#include "calibration/operation_work.hpp"

namespace moecal::planning {
namespace {

using calibration::Query;

constexpr char kOwnAlgorithm[] = "algorithm is the library's own choice";
constexpr char kUnfused[] = "attention as measured is unfused: its scores go through memory";

// A sweep measures at whole sizes; a formula may ask for 9830.4 rows.
std::int64_t whole(double number) { return std::llround(number); }

std::string measured_dtype(const std::string& written) {
  if (written == "fp16") return "f16";
  return written == "fp8" ? "fp8_e4m3" : written;
}

Query query(std::string operation, Point point, const CostCall& call) {
  Query result;
  result.operation = std::move(operation);
  result.any_setting = true;  // a document does not say, and there is nobody to ask
  result.dtype = measured_dtype(call.dtype);
  result.point = std::move(point);
  return result;
}

Query collective(const CostCall& call) {
  Query result = query(call.function == "all_reduce_nvls" ? "all_reduce" : call.function,
                       {{"bytes", whole(call.number("bytes"))}}, call);
  result.group = call.function == "send_recv" ? 2 : static_cast<int>(whole(call.number("group")));
  result.tier = call.tier == "nvlink" ? "intra" : "inter";
  return result;
}

Query gemm(const CostCall& call) {
  Point point{{"m", whole(call.number("m"))},
              {"n", whole(call.number("n"))},
              {"k", whole(call.number("k"))}};
  const bool grouped = call.function == "grouped_gemm" && whole(call.number("groups")) != 1;
  if (grouped) point["groups"] = whole(call.number("groups"));
  return query(grouped ? "grouped_gemm" : "expert_gemm", point, call);
}

// The documents' attention is causal, and their formulas share no heads of keys.
Query attention(const CostCall& call) {
  return query("attention",
               {{"batch", whole(call.number("batch"))},
                {"sequence", whole(call.number("sequence"))},
                {"heads", whole(call.number("heads"))},
                {"kv_heads", whole(call.number("heads"))},
                {"head_size", whole(call.number("head_width"))},
                {"causal", 1}},
               call);
}

std::vector<Query> gate(const CostCall& call) {
  const auto tokens = whole(call.number("tokens")), experts = whole(call.number("experts"));
  const auto hidden = whole(call.number("hidden")), top_k = whole(call.number("top_k"));
  Query selection =
      query("topk_gate", {{"tokens", tokens}, {"experts", experts}, {"top_k", top_k}}, call);
  selection.dtype.clear();  // the logits' type is the router's business
  return {query("expert_gemm", {{"m", tokens}, {"n", experts}, {"k", hidden}}, call), selection};
}

std::vector<Query> queries_of(const CostCall& call) {
  if (!call.tier.empty()) return {collective(call)};
  if (call.function == "gemm" || call.function == "grouped_gemm") return {gemm(call)};
  if (call.function == "gate") return gate(call);
  if (call.function == "permute" || call.function == "unpermute")
    return {query(call.function,
                  {{"tokens", whole(call.number("tokens"))},
                   {"hidden", whole(call.number("hidden"))},
                   {"top_k", whole(call.number("top_k"))}},
                  call)};
  if (call.function == "stream")
    return {query("memory_copy", {{"bytes", whole(call.number("bytes") / 2)}}, call)};
  if (call.function == "attn") return {attention(call)};
  if (call.function == "cpu_adam")
    return {query("host_adam", {{"parameters", whole(call.number("parameters"))}}, call)};
  return {query("host_transfer", {{"bytes", whole(call.number("bytes"))}}, call)};  // h2d, d2h
}

// The documents' payloads are 16-bit and written without a type; a series of another type answers
// where there is none of those. What is missing is said of any type.
calibration::Answer ask(const MeasuredSource::Predict& predict, Query one, bool collective_call) {
  if (!collective_call) return predict(one);
  one.dtype = "bf16";
  if (auto answer = predict(one); answer.prediction) return answer;
  one.dtype.clear();
  return predict(one);
}

}  // namespace

Cost MeasuredSource::cost(const CostCall& call) const {
  if (call.numbers.count("group") > 0 && call.number("group") <= 1)
    return {{{call.function, 0, 0, 0, "", "arithmetic", {}}}, ""};
  Cost cost;
  for (const auto& one : queries_of(call)) {
    const auto answer = ask(predict_, one, !call.tier.empty());
    if (!answer.prediction) return {{}, answer.missing};
    const auto& p = *answer.prediction;
    cost.parts.push_back({one.operation, p.seconds, p.lo, p.hi, p.model_id, p.provenance, p.flags});
    if (call.function == "all_reduce_nvls") cost.parts.back().flags.emplace_back(kOwnAlgorithm);
    if (call.function == "attn" && !calibration::is_fused(p.implementation))
      cost.parts.back().flags.emplace_back(kUnfused);
  }
  return cost;
}

}  // namespace moecal::planning
