// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

#include "interchange/importer.hpp"

/// For tests: the options a fixture is imported with, which the first line of its golden file holds
/// ("card=h100-sxm ranks=8").
namespace moecal::interchange {

inline void set_option(const std::string& name, const std::string& value, ImportOptions& options) {
  if (name == "card")
    options.card = value;
  else if (name == "unlisted")
    options.unlisted = value == "yes";
  else if (name == "system")
    options.system = value;
  else if (name == "operation")
    options.operation = value;
  else if (name == "ranks")
    options.ranks = std::stoi(value);
  else if (name == "nodes")
    options.nodes = std::stoi(value);
  else
    throw std::invalid_argument{"unknown option " + name};
}

inline ImportOptions fixture_options(const std::string& golden) {
  ImportOptions options;
  std::istringstream words{golden.substr(0, golden.find('\n'))};
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals != std::string::npos)
      set_option(word.substr(0, equals), word.substr(equals + 1), options);
  }
  return options;
}

}  // namespace moecal::interchange
