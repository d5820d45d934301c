// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "interchange/nccl_tests_text.hpp"

namespace moecal::interchange {

/// What the JSON of nccl-tests (option -J) holds.
struct NcclJson {
  NcclTable table;
  std::vector<std::string> notes;  // a run that died, or found errors
  int lost_line = 0;  // of a row in the middle of which the file ends; 0: there is none
};

/// Takes the JSON apart; one that a dying run left open is read up to its last whole value.
/// @throws InvalidInput naming file, line and field.
[[nodiscard]] NcclJson read_nccl_tests_json(const std::string& text, const std::string& path);

}  // namespace moecal::interchange
