// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/public_tables.hpp"

#include <filesystem>
#include <optional>

#include "core/card.hpp"
#include "core/hash.hpp"
#include "core/json_reader.hpp"
#include "interchange/csv_table.hpp"
#include "interchange/gzip.hpp"
#include "interchange/importer.hpp"

namespace moecal::evaluation {
namespace {

/// The tables' words for dtypes -> ours.
const std::map<std::string, std::string>& labels() {
  static const std::map<std::string, std::string> kLabels{{"half", "f16"},
                                                          {"int8", "int8"},
                                                          {"bfloat16", "bf16"},
                                                          {"fp8", "fp8_e4m3"},
                                                          {"fp8_block", "fp8_e4m3_block"}};
  return kLabels;
}

std::set<std::string> labels_of(const Split& split) {
  std::set<std::string> result;
  for (const auto& word : split.dtypes) {
    const auto found = labels().find(word);
    if (found == labels().end())
      throw InvalidInput{"the split of " + split.task + " names the dtype '" + word +
                         "', which moecal has no word for"};
    result.insert(found->second);
  }
  return result;
}

std::string table_path(const std::string& data, const std::string& file, const Split& split) {
  if (!std::filesystem::is_directory(data))
    throw InvalidInput{"'" + data +
                       "' is not a folder: --data names the folder of the public "
                       "tables (" +
                       file + " and others)"};
  const auto path = (std::filesystem::path{data} / file).string();
  if (!std::filesystem::exists(path))
    throw InvalidInput{"'" + path + "' does not exist: " + split.task +
                       " is scored on it, so --data must name a folder that has it"};
  return path;
}

[[noreturn]] void refuse_row(const std::string& path, int line, const std::string& reason) {
  throw InvalidInput{path + ":" + std::to_string(line) + ": " + reason +
                     ": nothing may be left out of what is scored, so the table cannot be used"};
}

PublicTable take_scored(interchange::Imported imported, const std::string& file,
                        const std::set<std::string>& labels) {
  PublicTable table{
      file, imported.environments.front().card, {imported.environments, {}}, imported.not_imported};
  for (auto& o : imported.observations) {
    if (const auto label = dtype_label(o.dtypes); labels.contains(label))
      table.rows.observations.push_back(std::move(o));
    else
      ++table.not_scored["dtype " + label];
  }
  return table;
}

const std::vector<std::string> kMoeColumns{"moe_dtype", "num_tokens",  "hidden_size", "inter_size",
                                           "topk",      "num_experts", "latency"};

MoeRow moe_row(const interchange::CsvRow& row, const std::string& card) {
  MoeRow r;
  r.card = card;
  r.dtype = labels().at(row.text("moe_dtype"));
  r.implementation = slug(row.text("framework") + " " + row.text("kernel_source"));
  r.release = row.text("version");
  r.tokens = row.count("num_tokens");
  r.hidden = row.count("hidden_size");
  r.inter = row.count("inter_size");
  r.top_k = row.count("topk");
  r.experts = row.count("num_experts");
  r.tensor_parallel = static_cast<int>(row.count("moe_tp_size"));
  r.expert_parallel = static_cast<int>(row.count("moe_ep_size"));
  r.distribution = row.text("distribution");
  r.seconds = row.number("latency") * 1e-3;  // from milliseconds
  if (!(r.seconds > 0)) throw InvalidInput{"column 'latency' is not above 0"};
  return r;
}

MoeTable read_moe_table(const std::string& path, const std::string& file, const Split& split) {
  auto text = read_file(path);
  if (interchange::is_gzip(text)) text = interchange::gunzip(text, path);
  const auto csv = interchange::CsvTable::find(text, kMoeColumns);
  if (!csv) throw InvalidInput{"'" + path + "' has not the columns of a table of MoE layers"};
  MoeTable table{file, "", {}, {}};
  const auto take = [&](const interchange::CsvRow& row) {
    const auto word = row.text("moe_dtype");
    if (!split.dtypes.contains(word)) {
      ++table.not_scored["dtype " + word];
      return;
    }
    if (table.card.empty()) table.card = find_card(row.text("device")).id;
    try {
      table.rows.push_back(moe_row(row, table.card));
    } catch (const InvalidInput& error) {
      refuse_row(path, row.line(), error.what());
    }
  };
  csv->for_each(take, [&](int line, const std::string& reason) { refuse_row(path, line, reason); });
  return table;
}

}  // namespace

std::string dtype_label(const Dtypes& dtypes) {
  return dtypes.scale_mode.starts_with("block") ? dtypes.a + "_block" : dtypes.a;
}

std::vector<PublicTable> read_public_tables(const std::string& data, const Split& split) {
  const auto labels = labels_of(split);
  std::vector<PublicTable> tables;
  for (const auto& file : split.tables) {
    const auto path = table_path(data, file, split);
    auto imported = interchange::import_file(path, {.format = "aiconfigurator"});
    for (const auto& row : imported.refused) refuse_row(path, row.line, row.reason);
    if (imported.observations.empty())
      throw InvalidInput{"'" + path + "' holds no row that moecal has words for"};
    tables.push_back(take_scored(std::move(imported), file, labels));
  }
  return tables;
}

std::vector<MoeTable> read_moe_tables(const std::string& data, const Split& split) {
  (void)labels_of(split);
  std::vector<MoeTable> tables;
  for (const auto& file : split.tables)
    tables.push_back(read_moe_table(table_path(data, file, split), file, split));
  return tables;
}

std::string MoeRow::model() const {
  return std::to_string(hidden) + "," + std::to_string(inter) + "," + std::to_string(top_k) + "," +
         std::to_string(experts);
}

std::string MoeRow::configuration() const {
  return model() + "," + std::to_string(tensor_parallel) + "," + std::to_string(expert_parallel);
}

}  // namespace moecal::evaluation
