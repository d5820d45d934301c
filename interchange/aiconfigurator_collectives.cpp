// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/dtype.hpp"
#include "interchange/aiconfigurator_tables.hpp"
#include "interchange/collective_facts.hpp"

namespace moecal::interchange {
namespace {

void take(const CsvRow& row, const Card& card, Collector& collector) {
  const auto word = collective_word(row.text("op_name"));
  if (word.empty()) return collector.leave_out("operation " + row.text("op_name"));
  const auto dtype = dtype_word(row.text("nccl_dtype"));
  if (!dtype) return collector.leave_out("dtype " + row.text("nccl_dtype"));
  const auto elements = row.count("message_size");  // elements, in spite of its name
  auto o = timed_row(row, collector, row.number("latency") / 1e3, "latency");
  o.operation = word;
  o.implementation = "nccl";
  o.backend = "nccl";
  o.dtypes = {*dtype, "", "", "", "", ""};
  o.point = {{"bytes", elements * size_of(parse_dtype(*dtype))}};
  o.ranks.group = ranks_in(row, "num_gpus", 2);
  o.work = collective_work(word, Bytes{static_cast<double>(o.point["bytes"])}, o.ranks.group);
  o.library = {"nccl", release_of(row), "unknown", 0};
  take_table_row(row, card, collector, std::move(o));
}

}  // namespace

AiconfiguratorTable aiconfigurator_collectives() {
  return {{"nccl_dtype", "num_gpus", "message_size", "op_name", "latency"}, take};
}

}  // namespace moecal::interchange
