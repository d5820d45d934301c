// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include "core/json_reader.hpp"
#include "interchange/importer.hpp"

/// What the tests of every format need.
namespace moecal::interchange {

/// Imports a text as if it were a file of that name.
inline Imported import_log(const std::string& text, const ImportOptions& options = {},
                           const std::string& name = "log.txt") {
  return import_text(name, text, options);
}

/// Imports a file of interchange/fixtures/.
inline Imported import_fixture(const std::string& name, const ImportOptions& options = {}) {
  return import_file(MOECAL_SOURCE_DIR "/interchange/fixtures/" + name, options);
}

/// The sentence with which the whole text is refused; empty if it is not.
inline std::string what_is_wrong(const std::string& text, const ImportOptions& options = {}) {
  try {
    (void)import_log(text, options);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

/// "12: reason" of each refused row.
inline std::vector<std::string> reasons(const Imported& imported) {
  std::vector<std::string> result;
  for (const auto& row : imported.refused)
    result.push_back(std::to_string(row.line) + ": " + row.reason);
  return result;
}

/// The folder of public data; empty where there is none: skip the test then.
inline std::string public_data() {
  const char* data = std::getenv("MOECAL_PUBLIC_DATA");
  return data == nullptr ? "" : data;
}

}  // namespace moecal::interchange
