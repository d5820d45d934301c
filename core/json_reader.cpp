// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/json_reader.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace moecal {

JsonReader::JsonReader(const nlohmann::json& object, FileLine where, std::string prefix)
    : object_{&object}, where_{std::move(where)}, prefix_{std::move(prefix)} {
  if (!object.is_object())
    throw InvalidInput{where_.str() + ": " +
                       (prefix_.empty() ? "the line" : "field '" + prefix_ + "'") +
                       " is not a JSON object"};
}

JsonReader JsonReader::object(const std::string& field) const {
  const auto found = object_->find(field);
  if (found == object_->end()) fail(field, "is missing");
  return {*found, where_, prefix_.empty() ? field : prefix_ + "." + field};
}

std::vector<JsonReader> JsonReader::objects(const std::string& field) const {
  const auto found = object_->find(field);
  if (found == object_->end()) fail(field, "is missing");
  if (!found->is_array()) fail(field, "is not an array");
  std::vector<JsonReader> readers;
  for (std::size_t i = 0; i < found->size(); ++i)
    readers.push_back(
        {(*found)[i], where_,
         (prefix_.empty() ? "" : prefix_ + ".") + field + "[" + std::to_string(i) + "]"});
  return readers;
}

void JsonReader::allow_only(std::initializer_list<std::string_view> fields) const {
  for (const auto& [field, value] : object_->items())
    if (std::find(fields.begin(), fields.end(), field) == fields.end())
      fail(field, "is not known here");
}

void JsonReader::fail(const std::string& field, const std::string& problem) const {
  throw InvalidInput{where_.str() + ": field '" + (prefix_.empty() ? "" : prefix_ + ".") + field +
                     "' " + problem};
}

nlohmann::json parse_json(const std::string& text, const FileLine& where) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw InvalidInput{where.str() + ": not valid JSON: " + error.what()};
  }
}

std::string read_file(const std::string& path) {
  std::ifstream stream{path, std::ios::binary};
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    if (stream && stream.peek() == std::ifstream::traits_type::eof()) return "";
    throw InvalidInput{"cannot read '" + path + "': does it exist, and may it be read?"};
  }
  return text.str();
}

}  // namespace moecal
