// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/importer.hpp"

#include <algorithm>
#include <filesystem>

#include "core/hash.hpp"
#include "core/json_reader.hpp"
#include "interchange/formats.hpp"
#include "interchange/gzip.hpp"
#include "interchange/launcher_prefixes.hpp"
#include "interchange/plain_text.hpp"
#include "interchange/text_lines.hpp"
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

/// Text as every reader expects it: UTF-8 without marks, colours, control characters and what
/// launchers put before lines. Lines keep their numbers. @return what was replaced, for the user
std::vector<std::string> make_plain(ForeignFile& file) {
  if (const auto problem = why_no_plain_text(file.text); !problem.empty())
    throw InvalidInput{"'" + file.path + "' " + problem};
  std::vector<std::string> notes;
  remove_marks_and_colours(file.text);
  if (const int bytes = replace_what_is_not_utf8(file.text); bytes > 0)
    notes.push_back(std::to_string(bytes) + " bytes are no UTF-8: read as '?'");
  if (const int characters = replace_control_characters(file.text); characters > 0)
    notes.push_back(std::to_string(characters) + " control characters: read as '?'");
  remove_launcher_prefixes(file.text);
  remove_blanks_at_line_ends(file.text);
  return notes;
}

/// The line that a text of several ends in without a line end; 0: it ends with one, or with the
/// bracket that closes a document.
int open_line(const std::string& text) {
  const bool whole = text.ends_with('\n') || text.ends_with('}');
  if (whole || text.find('\n') == text.npos) return 0;
  return static_cast<int>(lines_of(text).size());
}

/// Half a figure is a figure: where nothing else in a row would tell, one of the line in which a
/// file breaks off is not believed.
void refuse_row_cut_short(int line, Imported& imported) {
  const auto erased = std::erase_if(imported.observations,
                                    [line](const Observation& o) { return o.source.line == line; });
  for (std::size_t i = 0; i < erased; ++i)
    imported.refused.push_back(
        {line,
         "the file ends in this row, without a line end: its last figure may be cut short; "
         "end the line if the row is whole"});
}

/// Texts in JSON hold any character, and messages quote them.
std::string printable(std::string text) {
  replace_control_characters(text);
  return text;
}

void make_printable(Imported& imported) {
  for (auto& row : imported.refused) row.reason = printable(row.reason);
  for (auto& note : imported.notes) note = printable(note);
  std::map<std::string, int> not_imported;
  for (const auto& [what, rows] : imported.not_imported) not_imported[printable(what)] += rows;
  imported.not_imported = std::move(not_imported);
}

Imported read_plain(const ForeignFile& file, const ImportOptions& options) {
  const auto& format = chosen_format(file, options.format);
  auto imported = format.read(file, options);
  if (const int line = open_line(file.text); line > 0 && format.row_ends_unchecked)
    refuse_row_cut_short(line, imported);
  imported.format = format.name;
  if (imported.rows_read == 0)
    throw InvalidInput{"'" + file.path + "' holds no row of format " + format.name + "; known:\n" +
                       list_of_formats()};
  return imported;
}

Imported import(ForeignFile file, const ImportOptions& options) {
  file.sha256 = sha256(file.text);  // of the file as it lies there, packed or not
  if (is_gzip(file.text)) file.text = gunzip(file.text, file.path);
  refuse_binary(file);
  const auto notes = make_plain(file);
  try {
    auto imported = read_plain(file, options);
    imported.notes.insert(imported.notes.end(), notes.begin(), notes.end());
    make_printable(imported);
    return imported;
  } catch (const InvalidInput& error) {
    throw InvalidInput{printable(error.what())};
  }
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
