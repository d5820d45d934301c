// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/formats.hpp"
#include "interchange/import_collector.hpp"
#include "interchange/json_rows.hpp"

/// Metrics of the benchmarks of nccl_m2n, of NCCL's extensions (JSON):
///   {"schema": "nccl_m2n.benchmark.metrics", "schema_version": 1, "benchmark": "reshard_bench",
///    "world_size": 8, "iterations": 3,
///    "metrics": [{"name": "time", "type": "samples", "unit": "ms", "values": [1.5, 1.6, 1.5]}]}
/// Senders and receivers are different sets of ranks: no operation of moecal's. Each metric is a
/// row and left out; what is none is refused.
namespace moecal::interchange {
namespace {

constexpr char kSchema[] = "\"nccl_m2n.benchmark.metrics\"";

void take(const JsonReader& metric, Collector& collector) {
  const auto name = metric.require<std::string>("name");
  if (!metric.has("values")) metric.fail("values", "is missing: metric '" + name + "' has none");
  collector.leave_out("operation nccl_m2n is not one of moecal's");
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  Collector collector{file, options, "nccl_m2n"};
  const auto document = foreign_document(file);
  const auto metrics = document.find("metrics");
  if (metrics == document.end() || !metrics->is_array())
    throw InvalidInput{file.path + ": 'metrics' is missing or no list"};
  for (const auto& metric : *metrics) {
    const int line = metric.is_object() ? line_of(metric) : line_of(document);
    collector.row(line, [&] {
      if (!metric.is_object())
        throw InvalidInput{"'metrics' holds something that is not an object"};
      take(JsonReader{metric, {file.path, line}}, collector);
    });
  }
  return collector.finish();
}

bool recognises(const std::string& text) { return is_json_with(text, {kSchema, "\"metrics\""}); }

}  // namespace

Format nccl_m2n_format() {
  return {"nccl-m2n", "metrics of NCCL's nccl_m2n (JSON): recognised, each listed as left out",
          recognises, read};
}

}  // namespace moecal::interchange
