// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "interchange/aiconfigurator_tables.hpp"
#include "interchange/launch.hpp"
#include "interchange/moe_exchange.hpp"

/// The tables of what sends tokens to their experts and back: operations moe_dispatch and
/// moe_combine over {tokens of a rank, hidden, experts, top_k}, and moe_prepare where it is timed.
namespace moecal::interchange {
namespace {

constexpr double kBandwidthSlack = 0.01;

ExchangeShape shape_of(const CsvRow& row, const std::string& tokens, const std::string& top_k) {
  return {row.count(tokens), row.count("hidden_size"), row.count("num_experts"), row.count(top_k)};
}

/// A row is of whole nodes: their devices are the ranks.
int ranks_of_nodes(const CsvRow& row, const Card& card) {
  if (!card.devices_per_node)
    throw InvalidInput{"how many devices a node of " + card.id + " has is not known"};
  const auto ranks = std::int64_t{ranks_in(row, "node_num", 1)} * card.devices_per_node->value;
  if (ranks > kMostRanks)
    throw InvalidInput{"column 'node_num' is '" + row.text("node_num") + "', or " +
                       std::to_string(ranks) + " ranks: no system has those"};
  return static_cast<int>(ranks);
}

/// The release is that of the framework that DeepEP was timed in; its own is not said.
LibraryInfo library_of(const CsvRow& row) {
  const auto framework = slug(row.text("framework"));
  return {framework.empty() ? "deepep" : framework, release_of(row), "unknown", 0};
}

/// What the two observations of one row share.
struct Half {
  std::string operation, implementation, dtype;
  double seconds = 0;
  std::string column;  // where the time stands
};

void take_half(const CsvRow& row, const Card& card, Collector& collector, const Half& half,
               const ExchangeShape& shape) {
  auto o = timed_row(row, collector, half.seconds, half.column);
  o.operation = half.operation;
  o.implementation = half.implementation;
  o.backend = "cuda";
  o.dtypes = {half.dtype, "", "", "", "", ""};
  o.point = shape.point();
  o.ranks.group = ranks_of_nodes(row, card);
  o.ranks.nodes = static_cast<int>(row.count("node_num"));
  o.library = library_of(row);
  take_table_row(row, card, collector, std::move(o));
}

/// @throws InvalidInput if the printed rate is not what the shape's rows come to in that time.
void require_bandwidth(const CsvRow& row, const std::string& side, double bytes) {
  const double printed = row.number(side + "_bandwidth_gbps");
  const double found = bytes / row.number(side + "_avg_t_us") / 1e3;
  if (!(std::abs(printed - found) <= kBandwidthSlack * found))
    throw InvalidInput{"column '" + side + "_bandwidth_gbps' is " + std::to_string(printed) +
                       ", but the shape's rows come to " + std::to_string(found)};
}

/// FP8 is sent, bf16 comes back: the printed rates say so, and are held to it.
void take_low_latency(const CsvRow& row, const Card& card, Collector& collector) {
  const auto shape = shape_of(row, "num_token", "num_topk");
  const double rows = static_cast<double>(shape.tokens) * static_cast<double>(shape.top_k);
  require_bandwidth(row, "dispatch", rows * bytes_of_fp8_row(shape.hidden));
  require_bandwidth(row, "combine", rows * bytes_of_bf16_row(shape.hidden));
  take_half(row, card, collector,
            {"moe_dispatch", "deepep-ll", "fp8_e4m3", row.number("dispatch_avg_t_us") / 1e6,
             "dispatch_avg_t_us"},
            shape);
  take_half(row, card, collector,
            {"moe_combine", "deepep-ll", "bf16", row.number("combine_avg_t_us") / 1e6,
             "combine_avg_t_us"},
            shape);
}

/// The time of telling the counts (0 where nothing is told) and that of sending.
double normal_us(const CsvRow& row, const std::string& side) {
  const auto notify = side + "_notify_us", transmit = side + "_transmit_us";
  if (row.number(notify) < 0)
    throw InvalidInput{"column '" + notify + "' is '" + row.text(notify) + "', below 0"};
  if (!(row.number(transmit) > 0)) throw InvalidInput{"column '" + transmit + "' is not above 0"};
  return row.number(notify) + row.number(transmit);
}

/// The number of multiprocessors given to it makes another implementation.
void take_normal(const CsvRow& row, const Card& card, Collector& collector) {
  const auto shape = shape_of(row, "num_token", "num_topk");
  collector.note("the table does not say in which type the normal mode sends: none is recorded");
  for (const std::string side : {"dispatch", "combine"})
    take_half(row, card, collector,
              {"moe_" + side, "deepep-normal-" + std::to_string(row.count(side + "_sms")) + "sms",
               "", normal_us(row, side) / 1e6, side + "_transmit_us"},
              shape);
}

std::string exchange_dtype(const std::string& word) {
  if (word == "bfloat16") return "bf16";
  if (word == "float16") return "f16";
  return word == "fp8" || word == "fp8_block" ? "fp8_e4m3" : "";
}

void take_trtllm(const CsvRow& row, const Card& card, Collector& collector) {
  const auto name = row.text("op_name");
  if (name != "alltoall_prepare" && name != "alltoall_dispatch" && name != "alltoall_combine")
    return collector.leave_out("operation " + name);
  const auto dtype = exchange_dtype(row.text("moe_dtype"));
  if (dtype.empty()) return collector.leave_out("dtype " + row.text("moe_dtype"));
  const auto routing = routing_of(row.text("distribution"));
  if (!routing)
    throw InvalidInput{"column 'distribution' is '" + row.text("distribution") +
                       "', which moecal has no word for"};
  auto o = timed_row(row, collector, row.number("latency") / 1e3, "latency");
  o.operation = "moe_" + name.substr(std::string{"alltoall_"}.size());
  const auto kernel = slug(row.text("kernel_source"));
  o.implementation = kernel.empty() ? "trtllm-alltoall" : "trtllm-" + kernel;
  o.backend = "cuda";
  o.dtypes = {dtype, "", "", "", "", ""};
  o.point = shape_of(row, "num_tokens", "topk").point();
  o.routing = *routing;
  o.routed = true;
  o.ranks.group = ranks_in(row, "moe_ep_size", 1);
  o.library = {"trtllm", release_of(row), "unknown", 0};
  take_table_row(row, card, collector, std::move(o));
}

}  // namespace

AiconfiguratorTable aiconfigurator_deepep_low_latency() {
  return {{"node_num", "hidden_size", "num_token", "num_topk", "num_experts", "combine_avg_t_us",
           "dispatch_avg_t_us"},
          take_low_latency};
}

AiconfiguratorTable aiconfigurator_deepep_normal() {
  return {{"node_num", "hidden_size", "num_token", "num_topk", "num_experts", "dispatch_sms",
           "dispatch_transmit_us", "combine_transmit_us"},
          take_normal};
}

AiconfiguratorTable aiconfigurator_trtllm_alltoall() {
  return {{"op_name", "moe_dtype", "num_tokens", "hidden_size", "topk", "num_experts",
           "moe_ep_size", "distribution", "latency"},
          take_trtllm};
}

}  // namespace moecal::interchange
