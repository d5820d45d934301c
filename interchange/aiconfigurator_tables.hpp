// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "interchange/csv_table.hpp"
#include "interchange/import_collector.hpp"

/// The tables of aiconfigurator, one file each (aiconfigurator_<table>.cpp).
namespace moecal::interchange {

/// One kind of table, known by its columns; their order has changed between releases.
struct AiconfiguratorTable {
  std::vector<std::string> columns;
  /// Takes one row; what it throws as InvalidInput refuses the row.
  void (*take)(const CsvRow& row, const Card& card, Collector& collector);
};

[[nodiscard]] AiconfiguratorTable aiconfigurator_collectives();
[[nodiscard]] AiconfiguratorTable aiconfigurator_gemms();
[[nodiscard]] AiconfiguratorTable aiconfigurator_deepep_low_latency();
[[nodiscard]] AiconfiguratorTable aiconfigurator_deepep_normal();
[[nodiscard]] AiconfiguratorTable aiconfigurator_trtllm_alltoall();
[[nodiscard]] AiconfiguratorTable aiconfigurator_moe_layers();

/// What a gemm_dtype or moe_dtype means; nothing if moecal has no word for it.
[[nodiscard]] std::optional<Dtypes> operand_types(const std::string& word);

/// What a distribution means: "power_law_1.2" draws each expert's load from a density x^-1.2 and
/// times the rank with the most rows. Nothing if moecal has no word for it.
[[nodiscard]] std::optional<RoutingSpec> routing_of(const std::string& word);

/// Names the framework and kernel as implementation and library: one kernel of one framework is one
/// way to run an operation, and releases and kernels are not mixed.
void set_kernel(const CsvRow& row, Observation& observation);

/// Column `version`, or unknown.
[[nodiscard]] std::string release_of(const CsvRow& row);

/// The ranks in a column. @throws InvalidInput if they are fewer than `least` or more than any
/// system has.
[[nodiscard]] int ranks_in(const CsvRow& row, const std::string& column, int least);

/// An observation of this row that took so long. @throws InvalidInput if the time is not above 0:
/// `column` is where it stands.
[[nodiscard]] Observation timed_row(const CsvRow& row, const Collector& collector, double seconds,
                                    const std::string& column);

/// Hands over an observation with the environment its row says: ranks are placed on as few nodes as
/// they fit on, if `ranks.nodes` is not set already. @throws InvalidInput if it cannot be.
void take_table_row(const CsvRow& row, const Card& card, Collector& collector,
                    Observation observation);

}  // namespace moecal::interchange
