// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/importer.hpp"

#include <algorithm>
#include <filesystem>

#include "core/hash.hpp"
#include "core/json_reader.hpp"
#include "interchange/gzip.hpp"
#include "interchange/import_aicb.hpp"
#include "interchange/import_aiconfigurator.hpp"
#include "interchange/import_azure_guide.hpp"
#include "interchange/import_cutlass.hpp"
#include "interchange/import_deepep.hpp"
#include "interchange/import_deepep_tables.hpp"
#include "interchange/import_deepgemm.hpp"
#include "interchange/import_flashinfer.hpp"
#include "interchange/import_galvatron.hpp"
#include "interchange/import_google_benchmark.hpp"
#include "interchange/import_hccl_test.hpp"
#include "interchange/import_mamf.hpp"
#include "interchange/import_megatron_all_reduce.hpp"
#include "interchange/import_nccl_ep.hpp"
#include "interchange/import_nccl_m2n.hpp"
#include "interchange/import_nccl_tests.hpp"
#include "interchange/import_nccl_tests_json.hpp"
#include "interchange/import_nccom_test.hpp"
#include "interchange/import_nvbandwidth.hpp"
#include "interchange/import_nvbench.hpp"
#include "interchange/import_nvls_table.hpp"
#include "interchange/import_osu.hpp"
#include "interchange/import_torch_all_reduce.hpp"
#include "interchange/import_torch_gemm.hpp"
#include "interchange/utf8.hpp"

namespace moecal::interchange {
namespace {

const Format& chosen_format(const ForeignFile& file, const std::string& wanted) {
  for (const auto& format : formats())
    if (wanted.empty() ? format.recognises(file.text) : format.name == wanted) return format;
  if (!wanted.empty())
    throw InvalidInput{"unknown format '" + wanted + "'; known:\n" + list_of_formats()};
  throw InvalidInput{"'" + file.path +
                     "' is in no format moecal reads. Choose one with --format, or convert the "
                     "file; known:\n" +
                     list_of_formats()};
}

/// Foreign files are text; the usual reasons why one is not are named.
void refuse_binary(const ForeignFile& file) {
  const auto starts = [&file](std::string_view magic) { return file.text.starts_with(magic); };
  if (starts("PAR1"))
    throw InvalidInput{"'" + file.path +
                       "' is a parquet file: convert it with scripts/parquet_to_csv.py"};
  if (file.text.empty()) throw InvalidInput{"'" + file.path + "' is empty"};
}

Imported import(ForeignFile file, const ImportOptions& options) {
  file.sha256 = sha256(file.text);  // of the file as it lies there, packed or not
  if (is_gzip(file.text)) file.text = gunzip(file.text, file.path);
  refuse_binary(file);
  const int replaced = replace_what_is_not_utf8(file.text);
  const auto& format = chosen_format(file, options.format);
  auto imported = format.read(file, options);
  if (replaced > 0)
    imported.notes.push_back(std::to_string(replaced) + " bytes are no UTF-8: read as '?'");
  imported.format = format.name;
  if (imported.rows_read == 0)
    throw InvalidInput{"'" + file.path + "' holds no row of format " + format.name + "; known:\n" +
                       list_of_formats()};
  return imported;
}

}  // namespace

const std::vector<Format>& formats() {
  static const std::vector<Format> kFormats{
      // clang-format off
      nccom_test_format(),
      nccl_tests_json_format(),
      nccl_tests_format(),
      osu_format(),
      hccl_test_format(),
      torch_all_reduce_format(),
      megatron_all_reduce_format(),
      aicb_format(),
      galvatron_format(),
      aiconfigurator_format(),
      cutlass_format(),
      deepgemm_format(),
      torch_gemm_format(),
      flashinfer_format(),
      nvbench_format(),
      nvbench_csv_format(),
      nvbandwidth_format(),
      google_benchmark_format(),
      mamf_format(),
      azure_guide_format(),
      deepep_format(),
      deepep_tables_format(),
      nccl_ep_format(),
      nccl_m2n_format(),
      nvls_table_format(),
      // clang-format on
  };
  return kFormats;
}

std::string list_of_formats() {
  std::string list;
  for (const auto& format : formats())
    list += "  " + format.name +
            std::string(16 - std::min<std::size_t>(15, format.name.size()), ' ') +
            format.description + "\n";
  return list;
}

Imported import_file(const std::string& path, const ImportOptions& options) {
  return import({std::filesystem::path{path}.filename().string(), path, read_file(path), ""},
                options);
}

Imported import_text(const std::string& name, const std::string& text,
                     const ImportOptions& options) {
  return import({name, name, text, ""}, options);
}

}  // namespace moecal::interchange
