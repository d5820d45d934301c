// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/public_tables.hpp"

#include <filesystem>

#include "calibration/series.hpp"
#include "core/parallel.hpp"
#include "interchange/importer.hpp"

namespace moecal::evaluation {
namespace {

constexpr char kNotRecorded[] = "not_recorded";

/// The tables' words for dtypes -> ours.
const std::map<std::string, std::string>& labels() {
  static const std::map<std::string, std::string> kLabels{{"half", "f16"},
                                                          {"int8", "int8"},
                                                          {"bfloat16", "bf16"},
                                                          {"fp8", "fp8_e4m3"},
                                                          {"not recorded", kNotRecorded},
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
    if (const auto label = dtype_label(o.dtypes); !labels.contains(label)) {
      ++table.not_scored["dtype " + label];
      continue;
    }
    o.digest = calibration::digest_of(o);  // once, not in every fold
    table.rows.observations.push_back(std::move(o));
  }
  return table;
}

}  // namespace

std::string dtype_label(const Dtypes& dtypes) {
  if (dtypes.a.empty()) return kNotRecorded;
  return dtypes.scale_mode.starts_with("block") ? dtypes.a + "_block" : dtypes.a;
}

std::vector<PublicTable> read_public_tables(const std::string& data, const Split& split) {
  const auto labels = labels_of(split);
  return parallel_map(split.tables.size(), [&](std::size_t i) {
    const auto& file = split.tables[i];
    const auto path = table_path(data, file, split);
    auto imported = interchange::import_file(path, {.format = "aiconfigurator"});
    for (const auto& row : imported.refused) refuse_row(path, row.line, row.reason);
    if (imported.observations.empty())
      throw InvalidInput{"'" + path + "' holds no row that moecal has words for"};
    return take_scored(std::move(imported), file, labels);
  });
}

}  // namespace moecal::evaluation
