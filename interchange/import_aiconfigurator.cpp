// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_aiconfigurator.hpp"

#include <set>

#include "core/dtype.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/csv_table.hpp"
#include "interchange/plausibility.hpp"

namespace moecal::interchange {
namespace {

// Columns by which the tables are known; their order has changed between releases.
const std::vector<std::string> kCollectiveColumns{"nccl_dtype", "num_gpus", "message_size",
                                                  "op_name", "latency"};
const std::vector<std::string> kGemmColumns{"gemm_dtype", "m", "n", "k", "latency"};

/// gemm_dtype -> operand types. fp8 is scaled per tensor; fp8_block has a scale for each 1x128 of
/// the activations and each 128x128 of the weights. Results are bf16.
const std::map<std::string, Dtypes>& gemm_types() {
  static const std::map<std::string, Dtypes> kTypes{
      {"bfloat16", {"bf16", "bf16", "bf16", "f32", "none", ""}},
      {"float16", {"f16", "f16", "f16", "f32", "none", ""}},
      {"fp8", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""}},
      {"fp8_block", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "block_1x128", ""}}};
  return kTypes;
}

Work gemm_work(const Point& point, const Dtypes& dtypes) {
  const auto m = static_cast<double>(point.at("m"));
  const auto n = static_cast<double>(point.at("n"));
  const auto k = static_cast<double>(point.at("k"));
  const auto operand = static_cast<double>(size_of(parse_dtype(dtypes.a)));
  const auto result = static_cast<double>(size_of(parse_dtype(dtypes.c)));
  Work work;
  work.flops = Flops{2 * m * n * k};
  work.read = Bytes{(m * k + k * n) * operand};
  work.written = Bytes{m * n * result};
  return work;
}

/// Turns one table into observations.
class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : file_{file}, options_{options} {}

  Imported import() {
    if (const auto table = CsvTable::find(file_.text, kCollectiveColumns))
      take_table(*table, &Importer::take_collective);
    else if (const auto gemms = CsvTable::find(file_.text, kGemmColumns))
      take_table(*gemms, &Importer::take_gemm);
    else
      throw InvalidInput{file_.path +
                         ": has neither the columns of an NCCL nor of a GEMM table; other "
                         "aiconfigurator tables are not read yet"};
    return std::move(imported_);
  }

 private:
  void take_table(const CsvTable& table, void (Importer::*take)(const CsvRow&)) {
    if (!table.has("version"))
      imported_.notes.emplace_back("the table names no release: library version 'unknown'");
    table.for_each(
        [&](const CsvRow& row) {
          ++imported_.rows_read;
          (void)card_of(row);  // an unknown card is wrong with the whole file, not with this row
          try {
            (this->*take)(row);
          } catch (const InvalidInput& error) {
            imported_.refused.push_back({row.line(), error.what()});
          }
        },
        [&](int line, const std::string& reason) {
          ++imported_.rows_read;
          imported_.refused.push_back({line, reason});
        });
  }

  void take_collective(const CsvRow& row) {
    const auto word = collective_word(row.text("op_name"));
    if (word.empty()) return leave_out("operation " + row.text("op_name"));
    const auto dtype = dtype_word(row.text("nccl_dtype"));
    if (!dtype) return leave_out("dtype " + row.text("nccl_dtype"));
    const auto elements = row.count("message_size");  // elements, in spite of its name
    auto o = start(row);
    o.operation = word;
    o.implementation = "nccl";
    o.backend = "nccl";
    o.dtypes = {*dtype, "", "", "", "", ""};
    o.point = {{"bytes", elements * size_of(parse_dtype(*dtype))}};
    o.ranks.group = static_cast<int>(row.count("num_gpus"));
    o.work = collective_work(word, Bytes{static_cast<double>(o.point["bytes"])}, o.ranks.group);
    o.library = {"nccl", release_of(row), "unknown", 0};
    finish(row, std::move(o));
  }

  void take_gemm(const CsvRow& row) {
    const auto dtypes = gemm_types().find(row.text("gemm_dtype"));
    if (dtypes == gemm_types().end()) return leave_out("dtype " + row.text("gemm_dtype"));
    auto o = start(row);
    o.operation = "expert_gemm";
    o.backend = "cuda";
    o.dtypes = dtypes->second;
    o.point = {{"m", row.count("m")}, {"n", row.count("n")}, {"k", row.count("k")}};
    o.work = gemm_work(o.point, o.dtypes);
    const auto framework = row.text("framework").empty() ? "unknown" : slug(row.text("framework"));
    const auto kernel = row.text("kernel_source");
    // One kernel of one framework is one way to run a GEMM: releases and kernels are not mixed.
    o.implementation = kernel.empty() ? framework : framework + "-" + slug(kernel);
    o.library = {framework, release_of(row), kernel.empty() ? "unknown" : kernel, 0};
    finish(row, std::move(o));
  }

  [[nodiscard]] static std::string release_of(const CsvRow& row) {
    return row.text("version").empty() ? "unknown" : row.text("version");
  }

  void leave_out(const std::string& what) { ++imported_.not_imported[what]; }

  /// What every observation of the table has.
  [[nodiscard]] Observation start(const CsvRow& row) const {
    const double milliseconds = row.number("latency");
    if (!(milliseconds > 0)) throw InvalidInput{"column 'latency' is not above 0"};
    Observation o;
    o.run_id = "imported-" + file_.sha256.substr(0, 12);
    o.sample = {"mean", 1, "foreign"};
    o.samples_s = {milliseconds / 1e3};
    o.policy.stop_rule = "foreign";
    o.verification.method = "none";
    o.source = {"imported", "aiconfigurator", file_.name, row.line(), file_.sha256};
    return o;
  }

  void finish(const CsvRow& row, Observation o) {
    const auto& card = card_of(row);
    place(o.ranks, card);
    if (const auto problem = why_impossible(card, o); !problem.empty()) throw InvalidInput{problem};
    o.environment_id = environment_of(row, card, o);
    o.repetition = repetitions_[o.key()]++;
    imported_.observations.push_back(std::move(o));
  }

  /// The tables are of one node; a group larger than a node spans several.
  static void place(Ranks& ranks, const Card& card) {
    ranks.world = ranks.group;
    if (!card.devices_per_node) return;
    const int per_node = card.devices_per_node->value;
    ranks.nodes = (ranks.group + per_node - 1) / per_node;
    ranks.tier = ranks.nodes > 1 ? "inter" : "intra";
  }

  const Card& card_of(const CsvRow& row) {
    const auto device = row.text("device");
    const auto known = cards_.find(device);
    if (known != cards_.end()) return known->second;
    const auto card =
        importing_card(options_.card, options_.unlisted, device, {file_.path, row.line()});
    return cards_.emplace(device, card).first->second;
  }

  std::string environment_of(const CsvRow& row, const Card& card, const Observation& o) {
    Environment e;
    e.card = card.id;
    e.system = options_.system.empty()
                   ? system_of(card, (o.ranks.group + o.ranks.nodes - 1) / o.ranks.nodes)
                   : options_.system;
    e.device_name = row.text("device");
    e.libraries[o.library.name] = o.library.runtime_version;
    if (const auto limit = row.text("power_limit"); !limit.empty())
      e.settings["power_limit_watts"] = limit;
    const auto id = e.id();
    if (environments_.insert(id).second) imported_.environments.push_back(e);
    return id;
  }

  const ForeignFile& file_;
  const ImportOptions& options_;
  Imported imported_;
  std::map<std::string, Card> cards_;
  std::set<std::string> environments_;
  std::map<std::string, int> repetitions_;
};

Imported read(const ForeignFile& file, const ImportOptions& options) {
  return Importer{file, options}.import();
}

bool recognises(const std::string& text) {
  return CsvTable::find(text, kCollectiveColumns) || CsvTable::find(text, kGemmColumns);
}

}  // namespace

Format aiconfigurator_format() {
  return {"aiconfigurator", "NCCL and GEMM tables of aiconfigurator, as CSV", recognises, read};
}

}  // namespace moecal::interchange
