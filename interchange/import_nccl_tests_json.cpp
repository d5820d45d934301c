// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/formats.hpp"
#include "interchange/nccl_tests_import.hpp"
#include "interchange/nccl_tests_json.hpp"

namespace moecal::interchange {
namespace {

bool recognises(const std::string& text) {
  const auto start = text.find_first_not_of(" \t\r\n");
  const auto holds = [&text](const char* word) { return text.find(word) != std::string::npos; };
  return start != std::string::npos && text[start] == '{' && holds("\"nccl_version\"") &&
         holds("\"config\"") && holds("\"args\"");
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  const auto json = read_nccl_tests_json(file.text, file.path);
  auto imported =
      json.table.rows.empty() ? Imported{} : import_nccl_tables({json.table}, file, options);
  imported.notes.insert(imported.notes.end(), json.notes.begin(), json.notes.end());
  if (json.lost_line > 0) {
    ++imported.rows_read;
    imported.lines_read.push_back(json.lost_line);
    imported.refused.push_back({json.lost_line, "the file ends within this row: the run died"});
  }
  return imported;
}

}  // namespace

Format nccl_tests_json_format() {
  return {"nccl-tests-json", "JSON of nccl-tests (option -J)", recognises, read};
}

}  // namespace moecal::interchange
