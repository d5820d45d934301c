// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/observation.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/call_statistics.hpp"
#include "core/hash.hpp"
#include "core/part_statistics.hpp"
#include "core/statistics.hpp"

namespace moecal {
namespace {

using Json = nlohmann::json;

Json dtypes_json(const Dtypes& d) {
  return {{"a", d.a},
          {"b", d.b},
          {"c", d.c},
          {"accumulate", d.accumulate},
          {"scale_mode", d.scale_mode},
          {"layout", d.layout}};
}

Json routing_json(const RoutingSpec& r) {
  Json json{{"distribution", r.distribution},
            {"seed", r.seed},
            {"exponent", r.exponent},
            {"capacity_factor", r.capacity_factor}};
  if (!r.loads.empty()) json["loads"] = r.loads;
  return json;
}

Json ranks_json(const Ranks& r) {
  return {{"world", r.world},         {"group", r.group},
          {"placement", r.placement}, {"concurrent_groups", r.concurrent_groups},
          {"nodes", r.nodes},         {"tier", r.tier}};
}

Json policy_json(const Policy& p) {
  return {{"cache", p.cache},
          {"graph", p.graph},
          {"warmup", p.warmup},
          {"order_seed", p.order_seed},
          {"stop_rule", p.stop_rule}};
}

Json sample_json(const SampleInfo& s) {
  Json json{{"statistic", s.statistic},
            {"iterations_per_sample", s.iterations_per_sample},
            {"timer", s.timer}};
  if (!s.fill.empty()) json["fill"] = s.fill;
  if (s.buffer_sets > 0) json["buffer_sets"] = s.buffer_sets;
  if (s.buffer_sets > 0) json["touched_sets"] = s.touched_sets;
  if (s.routing_draws > 0) json["routing_draws"] = s.routing_draws;
  if (!s.stopped_by.empty()) json["stopped_by"] = s.stopped_by;
  return json;
}

Json device_json(const DeviceTrace& d) {
  return {{"sm_clock_hz", d.sm_clock_hz},     {"power_w", d.power_w},
          {"temperature_c", d.temperature_c}, {"throttle_reasons", d.throttle_reasons},
          {"power_limited", d.power_limited}, {"energy_j", d.energy_j},
          {"energy_loop_s", d.energy_loop_s}};
}

Json source_json(const Source& s) {
  if (s.kind == "measured") return {{"kind", s.kind}};
  return {
      {"kind", s.kind}, {"tool", s.tool}, {"file", s.file}, {"line", s.line}, {"sha256", s.sha256}};
}

Json host_names(const std::map<int, std::string>& hosts) {
  Json json = Json::object();
  for (const auto& [rank, host] : hosts) json[std::to_string(rank)] = host;
  return json;
}

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// What follows from the samples is written for those who do not compute, and not read back.
void add_statistics(const Observation& o, Json& json) {
  if (const auto rates = collective_rates(o))
    json["rates"] = {{"algbw_bytes_per_s", rates->algbw.value()},
                     {"busbw_bytes_per_s", rates->busbw.value()}};
  if (const auto calls = call_percentiles(o))
    json["call_percentiles"] = {{"p50_s", calls->p50},
                                {"p95_s", number_or_null(calls->p95)},
                                {"p99_s", number_or_null(calls->p99)}};
  if (const auto least = least_parts_over_whole(o)) {
    const auto ratio = parts_over_whole(o);
    json["parts_over_whole"] = number_or_null(ratio);
    if (!ratio) json["least_parts_over_whole"] = *least;
  }
  if (const auto overlap = overlap_figures(o))
    json["overlap"] = {{"gemm_slowdown", overlap->gemm_slowdown},
                       {"all_to_all_slowdown", overlap->all_to_all_slowdown},
                       {"hidden_fraction", overlap->hidden_fraction}};
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  static constexpr std::array<std::string_view, 3> kNames{"measured", "skipped", "failed"};
  return kNames.at(static_cast<std::size_t>(outcome));
}

double Observation::seconds() const {
  std::vector<double> kept;
  for (std::size_t i = 0; i < samples_s.size(); ++i)
    if (i >= flags.throttled.size() || !flags.throttled[i]) kept.push_back(samples_s[i]);
  return median(kept.empty() ? samples_s : kept);
}

// The host may also have waited because the device's queue was full; of what is rarely led at all,
// leaving that out too is the lesser harm.
bool Observation::is_launch_bound() const {
  constexpr double kAboutAsLong = 0.8;
  return sample.timer == kLedTimer && !host_s.empty() && median(host_s) >= kAboutAsLong * seconds();
}

bool is_not_begun(const Observation& observation) {
  return observation.outcome == Outcome::skipped && observation.reason == kNotBegun;
}

// How many launches the warm-up took is found out, not asked for: a resumed run cannot know it.
std::string Observation::key() const {
  Json asked = policy_json(policy);
  asked.erase("warmup");
  Json key{{"operation", operation},        {"implementation", implementation},
           {"dtypes", dtypes_json(dtypes)}, {"point", point},
           {"ranks", ranks_json(ranks)},    {"policy", asked},
           {"environment", environment_id}, {"repetition", repetition}};
  if (routed) key["routing"] = routing_json(routing);
  return key.dump();
}

std::string to_json_line(const Observation& o) {
  Json json{{"schema", kObservationSchema},
            {"run_id", o.run_id},
            {"repetition", o.repetition},
            {"operation", o.operation},
            {"implementation", o.implementation},
            {"backend", o.backend},
            {"dtypes", dtypes_json(o.dtypes)},
            {"point", o.point},
            {"work",
             {{"flops", o.work.flops.value()},
              {"read_bytes", o.work.read.value()},
              {"written_bytes", o.work.written.value()},
              {"sent_bytes", o.work.sent.value()},
              {"messages", o.work.messages}}},
            {"ranks", ranks_json(o.ranks)},
            {"sample", sample_json(o.sample)},
            {"samples_s", o.samples_s},
            {"flags", {{"throttled", o.flags.throttled}, {"outlier", o.flags.outlier}}},
            {"skew_s", o.skew_s},
            {"outcome", {{"kind", to_string(o.outcome)}, {"reason", o.reason}}},
            {"policy", policy_json(o.policy)},
            {"verification",
             {{"max_rel_error", o.verification.max_rel_error},
              {"tolerance", o.verification.tolerance},
              {"method", o.verification.method}}},
            {"library",
             {{"name", o.library.name},
              {"runtime_version", o.library.runtime_version},
              {"algorithm", o.library.algorithm},
              {"workspace_bytes", o.library.workspace_bytes}}},
            {"environment_id", o.environment_id},
            {"commit", o.commit},
            {"source", source_json(o.source)},
            {"started_at", o.started_at}};
  if (o.routed) json["routing"] = routing_json(o.routing);
  if (!o.exchanged.empty())
    json["exchanged"] = {{"sent_bytes", o.exchanged.sent},
                         {"received_bytes", o.exchanged.received}};
  if (!o.host_s.empty()) json["host_s"] = o.host_s;
  if (!o.call_s.empty()) json["call_s"] = o.call_s;
  if (!o.skew_floor_s.empty()) json["skew_floor_s"] = o.skew_floor_s;
  if (!o.device.empty()) json["device"] = device_json(o.device);
  if (!o.transfer_s.empty()) json["transfer_s"] = o.transfer_s;
  if (!o.late_rank.empty()) json["late_rank"] = o.late_rank;
  if (!o.parts_s.empty()) json["parts_s"] = o.parts_s;
  if (!o.parts_cache.empty()) json["parts_cache"] = o.parts_cache;
  if (!o.figures.empty()) json["figures"] = o.figures;
  if (!o.late_hosts.empty()) json["late_hosts"] = host_names(o.late_hosts);
  if (o.source.kind == "measured") add_statistics(o, json);
  return json.dump() + "\n";
}

const Environment& ObservationFile::environment(const std::string& id) const {
  for (const auto& environment : environments)
    if (environment.id() == id) return environment;
  throw InvalidInput{"no environment line has the id '" + id +
                     "'; was the file cut or joined from parts?"};
}

}  // namespace moecal
