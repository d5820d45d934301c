// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/formats.hpp"
#include "interchange/nccl_tests_import.hpp"

namespace moecal::interchange {
namespace {

/// A run with a sound row; where the column heads are there, any row will do: what is wrong with it
/// is then said.
bool recognises(const std::string& text) {
  const bool headed =
      text.find("algbw") != std::string::npos && text.find("busbw") != std::string::npos;
  const auto tables = read_nccl_tests_text(text);
  return std::any_of(tables.begin(), tables.end(), [headed](const NcclTable& table) {
    return std::any_of(table.rows.begin(), table.rows.end(),
                       [headed](const NcclRow& row) { return headed || row.problem.empty(); });
  });
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  return import_nccl_tables(read_nccl_tests_text(file.text), file, options);
}

}  // namespace

Format nccl_tests_format() {
  return {"nccl-tests", "standard output of nccl-tests and rccl-tests, of any launcher", recognises,
          read};
}

}  // namespace moecal::interchange
