// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_aiconfigurator.hpp"

#include <algorithm>

#include "interchange/aiconfigurator_tables.hpp"

namespace moecal::interchange {
namespace {

const std::vector<AiconfiguratorTable>& tables() {
  static const std::vector<AiconfiguratorTable> kTables{
      aiconfigurator_deepep_low_latency(), aiconfigurator_deepep_normal(),
      aiconfigurator_trtllm_alltoall(), aiconfigurator_collectives(), aiconfigurator_gemms()};
  return kTables;
}

void take_rows(const CsvTable& csv, const AiconfiguratorTable& table, Collector& collector) {
  if (!csv.has("version")) collector.note("the table names no release: library version 'unknown'");
  csv.for_each(
      [&](const CsvRow& row) {
        const auto& card = collector.card_of(row.text("device"), row.line());
        collector.row(row.line(), [&] { table.take(row, card, collector); });
      },
      [&](int line, const std::string& reason) {
        collector.row(line, [&] { throw InvalidInput{reason}; });
      });
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  Collector collector{file, options, "aiconfigurator"};
  for (const auto& table : tables()) {
    const auto csv = CsvTable::find(file.text, table.columns);
    if (!csv) continue;
    take_rows(*csv, table, collector);
    return collector.finish();
  }
  throw InvalidInput{file.path + ": has the columns of no aiconfigurator table that moecal reads"};
}

bool recognises(const std::string& text) {
  return std::any_of(tables().begin(), tables().end(), [&text](const auto& table) {
    return CsvTable::find(text, table.columns).has_value();
  });
}

/// A group larger than a node spans several.
void place(Ranks& ranks, const Card& card) {
  ranks.world = ranks.group;
  if (card.devices_per_node && ranks.nodes == 1) {
    const int per_node = card.devices_per_node->value;
    ranks.nodes = (ranks.group + per_node - 1) / per_node;
  }
  ranks.tier = ranks.nodes > 1 ? "inter" : "intra";
}

}  // namespace

std::string release_of(const CsvRow& row) {
  return row.text("version").empty() ? "unknown" : row.text("version");
}

Observation timed_row(const CsvRow& row, const Collector& collector, double seconds,
                      const std::string& column) {
  if (!(seconds > 0)) throw InvalidInput{"column '" + column + "' is not above 0"};
  auto o = collector.start(row.line());
  o.samples_s = {seconds};
  return o;
}

void take_table_row(const CsvRow& row, const Card& card, Collector& collector, Observation o) {
  place(o.ranks, card);
  auto e = collector.environment(card, (o.ranks.group + o.ranks.nodes - 1) / o.ranks.nodes);
  e.device_name = row.text("device");
  e.libraries[o.library.name] = o.library.runtime_version;
  if (const auto limit = row.text("power_limit"); !limit.empty())
    e.settings["power_limit_watts"] = limit;
  collector.take(std::move(o), e, card);
}

Format aiconfigurator_format() {
  return {"aiconfigurator", "NCCL and GEMM tables of aiconfigurator, as CSV", recognises, read};
}

}  // namespace moecal::interchange
