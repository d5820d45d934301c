// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/environment.hpp"

#include <cctype>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"

namespace moecal {
namespace {

nlohmann::json body(const Environment& e) {
  return {{"card", e.card},        {"system", e.system}, {"device_name", e.device_name},
          {"host", e.host},        {"driver", e.driver}, {"libraries", e.libraries},
          {"settings", e.settings}};
}

}  // namespace

std::string Environment::id() const { return sha256(body(*this).dump()).substr(0, 16); }

std::string to_json_line(const Environment& environment) {
  auto json = body(environment);
  json["schema"] = kEnvironmentSchema;
  json["environment_id"] = environment.id();
  return json.dump() + "\n";
}

std::string slug(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0)
      result += static_cast<char>(std::tolower(byte));
    else if (!result.empty() && result.back() != '-')
      result += '-';
  }
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result;
}

}  // namespace moecal
