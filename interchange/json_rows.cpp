// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/json_rows.hpp"

#include <algorithm>
#include <cmath>

#include "interchange/printed_number.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

/// The text with the lines before the first '{' emptied: lines keep their numbers.
std::string without_remarks(const std::string& text) {
  std::string result;
  bool begun = false;
  for (const auto line : lines_of(text)) {
    begun = begun || trimmed(line).starts_with('{');
    if (begun) result += line;
    result += '\n';
  }
  return result;
}

}  // namespace

nlohmann::json foreign_document(const ForeignFile& file) {
  return parse_foreign_json(without_remarks(file.text), {file.path, 0});
}

bool is_json_with(const std::string& text, const std::vector<std::string>& words) {
  const auto has = [&text](const auto& word) { return text.find(word) != std::string::npos; };
  if (!std::all_of(words.begin(), words.end(), has)) return false;
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(),
                     [](auto line) { return trimmed(line).starts_with('{'); });
}

int line_of(const nlohmann::json& object) {
  const auto found = object.find(kLineMember);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::vector<JsonReader> rows_of(const JsonReader& parent, const std::string& field) {
  const auto found = parent.json().find(field);
  if (found == parent.json().end() || found->is_null()) return {};
  if (!found->is_array()) parent.fail(field, "is not an array");
  std::vector<JsonReader> rows;
  for (const auto& element : *found) {
    if (!element.is_object()) parent.fail(field, "holds something that is not an object");
    rows.emplace_back(element, FileLine{parent.where().file, line_of(element)});
  }
  return rows;
}

double number_in(const JsonReader& object, const std::string& field) {
  const auto found = object.json().find(field);
  if (found == object.json().end() || found->is_null()) object.fail(field, "is missing");
  if (found->is_number()) return found->get<double>();
  if (!found->is_string()) object.fail(field, "is not a number");
  const auto text = found->get<std::string>();
  const auto number = printed_number(text);
  if (!number || !std::isfinite(number->value))
    object.fail(field, "is '" + text + "', not a number");
  return number->value;
}

std::string text_in(const JsonReader& object, const std::string& field,
                    const std::string& fallback) {
  const auto found = object.json().find(field);
  if (found == object.json().end() || found->is_null()) return fallback;
  if (!found->is_string()) object.fail(field, "is not a text");
  return found->get<std::string>();
}

}  // namespace moecal::interchange
