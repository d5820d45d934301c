// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/routing_loads.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "core/json_reader.hpp"

namespace moecal {
namespace {

constexpr char kBlanks[] = " \t\r\n";

[[noreturn]] void refuse(const FileLine& where, const std::string& why) {
  throw InvalidInput{where.str() + ": " + why};
}

double checked(double load, const FileLine& where) {
  if (!std::isfinite(load) || load < 0)
    refuse(where, "an expert's load is a number from 0 up, not " + std::to_string(load));
  return load;
}

std::vector<double> from_json(const std::string& text, const std::string& name) {
  const FileLine where{name, 1};
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) refuse(where, "begins as a JSON array and is none");
  std::vector<double> loads;
  for (const auto& entry : json) {
    if (!entry.is_number()) refuse(where, "holds " + entry.dump() + ", which is no number");
    loads.push_back(checked(entry.get<double>(), where));
  }
  return loads;
}

std::vector<double> from_lines(const std::string& text, const std::string& name) {
  std::istringstream stream{text};
  std::vector<double> loads;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const auto first = line.find_first_not_of(kBlanks);
    if (first == std::string::npos || line[first] == '#') continue;
    const std::string word = line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
    double load = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), load);
    if (problem != std::errc{} || end != word.data() + word.size())
      refuse({name, number}, "'" + word + "' is no number: a line holds the load of one expert");
    loads.push_back(checked(load, {name, number}));
  }
  return loads;
}

}  // namespace

std::vector<double> read_expert_loads(std::istream& stream, const std::string& name) {
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  const auto first = text.find_first_not_of(kBlanks);
  const bool json = first != std::string::npos && text[first] == '[';
  auto loads = json ? from_json(text, name) : from_lines(text, name);
  if (std::ranges::none_of(loads, [](double load) { return load > 0; }))
    throw InvalidInput{"'" + name + "' holds no expert's load over 0"};
  return loads;
}

std::vector<double> read_expert_loads(const std::string& path) {
  std::ifstream stream{path};
  if (!stream)
    throw InvalidInput{"cannot read the experts' loads in '" + path +
                       "': does it exist, and may it be read?"};
  return read_expert_loads(stream, path);
}

void check_routing_loads(const JsonReader& reader, const std::string& distribution,
                         const std::vector<double>& loads) {
  if (loads.empty() == (distribution == "recorded"))
    reader.fail("loads", "goes with the distribution 'recorded', and that with it");
  for (const double load : loads)
    if (!(load >= 0)) reader.fail("loads", "holds a number that is negative");
}

}  // namespace moecal
