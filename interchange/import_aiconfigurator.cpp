// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "interchange/aiconfigurator_tables.hpp"
#include "interchange/formats.hpp"
#include "interchange/launch.hpp"
#include "interchange/printed_number.hpp"

namespace moecal::interchange {
namespace {

const std::vector<AiconfiguratorTable>& tables() {
  // A table of layers has all columns of a table of exchanges, and more: it is asked first.
  static const std::vector<AiconfiguratorTable> kTables{
      aiconfigurator_moe_layers(),    aiconfigurator_deepep_low_latency(),
      aiconfigurator_deepep_normal(), aiconfigurator_trtllm_alltoall(),
      aiconfigurator_collectives(),   aiconfigurator_gemms()};
  return kTables;
}

/// The cards of a table's rows. One that is not known is wrong with its own rows only, and told
/// once; without a device's name, or against --card, every row is wrong.
class RowCards {
 public:
  explicit RowCards(Collector& collector) : collector_{collector} {}

  /// @throws InvalidInput without a place, so that rows of one device have one reason
  const Card& of(const std::string& device, int line) {
    if (const auto reason = unknown_.find(device); reason != unknown_.end())
      throw InvalidInput{reason->second};
    try {
      return collector_.card_of(device, line);
    } catch (const InvalidInput& error) {
      const std::string text = error.what(), place = FileLine{collector_.file().path, line}.str();
      throw InvalidInput{unknown_[device] = text.substr(text.find(place) + place.size() + 2)};
    }
  }

  [[nodiscard]] bool wrong_with_all(const std::string& device) const {
    return device.empty() || !collector_.options().card.empty();
  }

 private:
  Collector& collector_;
  std::map<std::string, std::string> unknown_;  // why, by device
};

void take_rows(const CsvTable& csv, const AiconfiguratorTable& table, Collector& collector) {
  RowCards cards{collector};
  if (!csv.has("version")) collector.note("the table names no release: library version 'unknown'");
  csv.for_each(
      [&](const CsvRow& row) {
        const auto device = row.text("device");
        if (cards.wrong_with_all(device)) (void)collector.card_of(device, row.line());
        collector.row(row.line(),
                      [&] { table.take(row, cards.of(device, row.line()), collector); });
      },
      [&](int line, const std::string& reason) {
        collector.row(line, [&] { throw InvalidInput{reason}; });
      });
}

void require_single_columns(const CsvTable& csv, const ForeignFile& file) {
  if (!csv.repeated().empty())
    throw InvalidInput{file.path + ": the head names the column '" + csv.repeated() +
                       "' twice: which of them is meant?"};
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  Collector collector{file, options, "aiconfigurator"};
  for (const auto& table : tables()) {
    const auto csvs = CsvTable::find_all(file.text, table.columns);
    if (csvs.empty()) continue;
    for (const auto& csv : csvs) {
      require_single_columns(csv, file);
      take_rows(csv, table, collector);
    }
    return collector.finish();
  }
  throw InvalidInput{file.path + ": has the columns of no aiconfigurator table that moecal reads"};
}

bool recognises(const std::string& text) {
  return std::any_of(tables().begin(), tables().end(), [&text](const auto& table) {
    return CsvTable::has_head(text, table.columns);
  });
}

/// A group larger than a node spans several.
void place(Ranks& ranks, const Card& card) {
  ranks.world = ranks.group;
  if (card.devices_per_node && ranks.nodes == 1) {
    const int per_node = card.devices_per_node->value;
    ranks.nodes = 1 + (ranks.group - 1) / per_node;
  }
  ranks.tier = ranks.nodes > 1 ? "inter" : "intra";
}

}  // namespace

std::string release_of(const CsvRow& row) {
  return row.text("version").empty() ? "unknown" : row.text("version");
}

std::optional<Dtypes> operand_types(const std::string& word) {
  // fp8 is scaled per tensor; fp8_block has a scale for each 1x128 of the activations and each
  // 128x128 of the weights. Results are bf16.
  static const std::map<std::string, Dtypes> kTypes{
      {"bfloat16", {"bf16", "bf16", "bf16", "f32", "none", ""}},
      {"float16", {"f16", "f16", "f16", "f32", "none", ""}},
      {"fp8", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""}},
      {"fp8_block", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "block_1x128", ""}}};
  const auto found = kTypes.find(word);
  if (found == kTypes.end()) return std::nullopt;
  return found->second;
}

std::optional<RoutingSpec> routing_of(const std::string& word) {
  constexpr std::string_view kPowerLaw = "power_law_";
  if (word == "balanced" || word == "uniform") return RoutingSpec{word};
  if (!word.starts_with(kPowerLaw)) return std::nullopt;
  const auto exponent = printed_number(std::string_view{word}.substr(kPowerLaw.size()));
  if (!exponent) return std::nullopt;
  return RoutingSpec{"power_law_loads", 1, exponent->value};
}

void set_kernel(const CsvRow& row, Observation& o) {
  const auto framework = row.text("framework").empty() ? "unknown" : slug(row.text("framework"));
  const auto kernel = row.text("kernel_source");
  o.implementation = kernel.empty() ? framework : framework + "-" + slug(kernel);
  o.library = {framework, release_of(row), kernel.empty() ? "unknown" : kernel, 0};
}

int ranks_in(const CsvRow& row, const std::string& column, int least) {
  const auto ranks = row.count(column);
  if (ranks < least || ranks > kMostRanks)
    throw InvalidInput{"column '" + column + "' is '" + row.text(column) + "', not from " +
                       std::to_string(least) + " to " + std::to_string(kMostRanks) + " ranks"};
  return static_cast<int>(ranks);
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
  auto e = collector.environment(card, 1 + (o.ranks.group - 1) / o.ranks.nodes);
  e.device_name = row.text("device");
  e.libraries[o.library.name] = o.library.runtime_version;
  if (const auto limit = row.text("power_limit"); !limit.empty())
    e.settings["power_limit_watts"] = limit;
  collector.take(std::move(o), e, card);
}

Format aiconfigurator_format() {
  return {"aiconfigurator", "NCCL, GEMM and MoE tables of aiconfigurator, as CSV", recognises, read,
          true};
}

}  // namespace moecal::interchange
